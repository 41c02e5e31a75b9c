"""Simulated products: what is logged, and what the page makes of the log."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks import simulated_products, simulated_products_page
from benchmarks.simulated_products import JOINT, MADE_OF, TASKS, Photos, one_study
from benchmarks.simulated_products_page import KINDS, without_luck, write_page
from benchmarks.simulated_studies_page import ESTIMATES


@pytest.fixture
def photos(monkeypatch: pytest.MonkeyPatch) -> Photos:
    small = {"PEOPLE": 200, "GROUPS": 60, "TRIALS": 4, "EPOCHS": 3, "FITS": 2, "RACES": 10, "OTHERS": 2}
    for name, value in small.items():
        monkeypatch.setattr(simulated_products, name, value)
    return Photos.drawn()


def test_a_study_is_logged_with_every_estimate_and_the_truth(photos: Photos) -> None:
    found = one_study(photos, 0, 1)
    assert tuple(MADE_OF) == KINDS
    for kind in KINDS:
        own = found[kind]
        assert set(own["scores"]) == set(own["intervals"]) == set(ESTIMATES)
        assert all(0 < value < 1 for value in (*own["scores"].values(), *own["truth"], own["other"]))


def test_a_persons_photos_have_one_gender_and_one_age_and_every_mask(photos: Photos) -> None:
    by_person = {name: own.reshape(200, 7) for name, own in photos.labels.items()}
    assert (np.ptp(by_person["gender"], axis=1) == 0).all() and (np.ptp(by_person["age"], axis=1) == 0).all()
    assert (np.sort(by_person["mask"], axis=1)[:, [0, 5, 6]] == [0, 1, 2]).all()
    assert photos.joint.max() == np.prod(list(TASKS.values())) - 1


def test_the_luck_of_all_draws_is_none(photos: Photos) -> None:
    rng = np.random.default_rng(4)
    rows = [simulated_products.rows_of(photos.codes, rng.integers(200, size=60))[0] for _ in range(200)]
    drawn = np.array([[photos.luck(own)[name] for name in ("age", JOINT)] for own in rows])
    assert (np.abs(drawn.mean(axis=0)) < 3 * drawn.std(axis=0) / np.sqrt(100)).all()


def test_luck_explains_errors_and_changes_no_bias() -> None:
    luck = np.array([-0.02, 0.02, -0.01, 0.01])
    assert without_luck(0.5 * luck + 0.03, luck) == pytest.approx([0.03] * 4)
    assert without_luck(0.5 * luck + 0.03, luck + 0.01).mean() == pytest.approx(0.025)


def test_the_page_compares_with_the_population_and_with_as_many_other_groups(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def row(number: int, off: float) -> dict[str, Any]:
        scores = dict.fromkeys(ESTIMATES, 0.5 + off)
        ends = {key: [value - 0.03, value + 0.03] for key, value in scores.items()}
        kind = {"truth": [0.5, 0.5], "other": 0.49, "scores": scores, "intervals": ends}
        luck = {"age": (-1.0) ** number * 0.01, JOINT: (-1.0) ** number * 0.01}
        return {"number": number, "luck": luck, **dict.fromkeys(KINDS, kind)}

    page = tmp_path / "page.md"
    page.write_text(f"Head\n{simulated_products_page.BEGIN}\nstale\n{simulated_products_page.END}\nrest\n")
    monkeypatch.setattr(simulated_products_page, "PAGE", page)
    write_page([row(at, -0.04) for at in range(4)], True)
    text = page.read_text()
    assert text.startswith("Head\n") and text.endswith("rest\n") and "stale" not in text
    line = "| product | 0.500 | -0.0100 | naive | -0.0400 (0.0000) | -0.0300 (0.0000) | 0.0400 | 0.00 |"
    assert line in text and "| 4 studies" in capsys.readouterr().out
