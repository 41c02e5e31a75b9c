"""The benchmark of votes: pools with known truth, on which the choice must not be led astray."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.stored_tables import StoredTable
from benchmarks.vote_choice import WORLDS, Held, one_drawing, summed_up, table_drawing


def drawings(world: str, count: int, rows: int = 300) -> list[Held]:
    rngs = np.random.default_rng(0).spawn(count)
    return [one_drawing(WORLDS[world], rows, "macro_f1", rng) for rng in rngs]


def test_members_of_equal_skill_are_voted_and_the_printed_gain_holds() -> None:
    found = drawings("equal", 2)
    for item in found:
        assert not item.refused and item.scores["auto"] > item.scores["best"] + 0.04
    off = np.mean([item.printed - (item.scores["auto"] - item.scores["best"]) for item in found])
    assert abs(off) < np.mean([item.se for item in found])
    assert "0%" in summed_up("equal", found, 1.0)


def test_one_strong_member_stays_alone_where_a_uniform_vote_loses_much() -> None:
    for item in drawings("one strong, many weak", 2):
        assert item.scores["uniform all"] < item.scores["best"] - 0.1
        assert item.scores["auto"] >= item.scores["best"] - 0.01


def test_pools_are_drawn_from_a_table_and_judged_on_its_held_out_rows() -> None:
    rng = np.random.default_rng(0)
    labels, test_labels = rng.integers(0, 3, 150), rng.integers(0, 3, 400)

    def answers(truth: np.ndarray, lead: tuple[int, ...]) -> np.ndarray:
        logits = 1.2 * np.eye(3)[truth] + rng.normal(size=(*lead, len(truth), 3))
        shares: np.ndarray = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
        return shares.astype(np.float16)

    table = StoredTable(
        validation=answers(labels, (6, 2)), test=answers(test_labels, (6, 5, 2)), labels=labels,
        folds=(np.arange(150) % 5).astype(np.int16), groups=np.arange(150).astype(str),
        test_labels=test_labels, test_groups=np.arange(400).astype(str), configs=({},) * 6, name="drawn",
    )  # fmt: skip
    found = table_drawing(table, 4, "macro_f1", rng)
    assert set(found.scores) == {"best", "uniform 3", "uniform all", "plain greedy", "greedy", "auto"}
    assert found.scores["uniform all"] > found.scores["best"] > 0.5


@pytest.mark.parametrize("seed", range(2))
def test_a_drawing_is_the_same_for_the_same_seed(seed: int) -> None:
    first, again = (
        one_drawing(WORLDS["varied"], 100, "macro_f1", np.random.default_rng(seed)) for _ in range(2)
    )
    assert first == again
