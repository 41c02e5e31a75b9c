"""The audit against cleanlab on planted noise; docs/benchmarks/label_audit.md reports larger sets."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import label_audit
from benchmarks.label_audit import Rows, drawn, measured, planted


@pytest.fixture(scope="module")
def rows() -> Rows:
    return drawn(np.random.default_rng(4), groups=300, each=5)


@pytest.fixture(autouse=True)
def fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_audit, "CONFIGS", label_audit.CONFIGS[:2])
    monkeypatch.setattr(label_audit, "EPOCHS", 6)


def test_noise_is_planted_in_as_many_rows_or_whole_groups_as_it_says(rows: Rows) -> None:
    for kind, units in (("row", np.arange(1500)), ("group", rows.groups)):
        given = planted(rows, kind, np.random.default_rng(0))
        changed = given != rows.labels
        assert changed.sum() == 75
        assert all(changed[units == unit].all() for unit in set(units[changed]))


def best_cleanlab(found: dict[str, float]) -> float:
    return max(value for name, value in found.items() if name.startswith("cleanlab"))


@pytest.mark.parametrize("kind", ["row", "group"])
def test_groups_that_share_a_label_are_found_better_than_cleanlab_finds_their_rows(
    rows: Rows, kind: str
) -> None:
    found = measured(rows, kind, 0)["precision"]
    assert found["ours"] >= best_cleanlab(found) + 0.05


def test_rows_that_stand_alone_are_found_about_as_well_as_the_best_of_cleanlab_finds_them() -> None:
    """The best of six, chosen by the answer."""
    found = measured(drawn(np.random.default_rng(4), groups=1500, each=1), "row", 0)["precision"]
    assert found["ours"] == found["ours, rows alone"] > best_cleanlab(found) - 0.02


def test_relabelling_every_suspect_gains_by_its_own_labels_alone(rows: Rows) -> None:
    gains = measured(rows, "row", 0)["fixed"]
    assert gains["own labels"] > 0.05 > gains["agreed rows"]
