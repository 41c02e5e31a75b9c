"""Which rows an epoch visits where a row may have several labels."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.core.errors import TrainableError
from trainables.feed.rarity import answer_counts, rare_rows, rarity
from trainables.feed.row_sampling import (
    epoch_length,
    epoch_order,
    expected_counts,
    group_repeats,
    one_row_each,
)

SAMPLERS = ("none", "weighted", "inverse_sqrt", "oversample", "oversample_groups")
SETS = {(0, 0, 0): 40, (1, 0, 0): 60, (1, 1, 0): 30, (0, 1, 0): 10, (1, 0, 1): 8, (0, 0, 1): 2}
LABELS = np.repeat(np.array(list(SETS)), list(SETS.values()), axis=0)  # 98, 40 and 10 of 150 rows
GROUPS = np.arange(150) // 2


def counted(order: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rows without and with each label of the rows visited."""
    return answer_counts(LABELS[order], np.ones(len(order)))


def test_a_row_counts_as_of_its_rarest_answer() -> None:
    home, counts = rarity(LABELS, 3)
    assert counts.tolist() == [52, 98, 110, 40, 140, 10]  # without and with each label
    size = dict(zip(map(tuple, LABELS.tolist()), counts[home].tolist(), strict=True))
    assert size[0, 0, 0] == 52  # what is rarest about it: it lacks the first label
    assert size[1, 0, 0] == 98 and size[1, 1, 0] == size[0, 1, 0] == 40
    assert size[1, 0, 1] == size[0, 0, 1] == 10


def test_rows_are_drawn_by_the_rarity_of_their_rarest_answer() -> None:
    size = np.array([52, 98, 40, 40, 10, 10])[np.repeat(np.arange(6), list(SETS.values()))]
    for sampler, power in (("weighted", 1.0), ("inverse_sqrt", 0.5)):
        orders = [epoch_order(sampler, LABELS, 3, np.random.default_rng(seed)) for seed in range(300)]
        assert {len(order) for order in orders} == {150}
        visits = np.bincount(np.concatenate(orders), minlength=150) / 300
        expected = size**-power / (size**-power).sum() * 150
        starts = np.cumsum([0, *list(SETS.values())[:-1]])
        assert np.add.reduceat(visits, starts) == pytest.approx(np.add.reduceat(expected, starts), rel=0.05)


def test_oversampling_repeats_rows_of_rare_labels_to_the_commonest_rarity() -> None:
    repeats = np.bincount(epoch_order("oversample", LABELS, 3, np.random.default_rng(0)), minlength=150)
    of_set = np.split(repeats, np.cumsum(list(SETS.values()))[:-1])
    assert [sorted(set(part)) for part in of_set] == [[1, 2], [1], [2, 3], [2, 3], [9, 10], [9, 10]]
    # 98 / 52, 98 / 40 and 98 / 10 times, whichever rows get the broken part
    assert [part.sum() for part in of_set[:2]] == [40 + 40 * 46 // 52, 60]
    assert of_set[2].sum() + of_set[3].sum() == 98 and of_set[4].sum() + of_set[5].sum() == 98


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_labels_that_exclude_each_other_are_sampled_as_the_classes_they_are(sampler: str) -> None:
    classes = np.repeat([0, 1, 2], [90, 30, 7])
    groups = np.arange(127) // 3
    rows = np.eye(3, dtype=np.int64)[classes]
    orders = [epoch_order(sampler, labels, 3, np.random.default_rng(4), groups) for labels in (classes, rows)]
    assert np.array_equal(*orders)
    counts = expected_counts(sampler, classes, 3, groups)
    assert expected_counts(sampler, rows, 3, groups)[:, 1] == pytest.approx(counts, abs=1)


def test_a_group_counts_as_of_its_rarest_row() -> None:
    labels = np.array([[1, 0], [1, 0], [1, 1], [0, 0], [1, 0], [1, 0], [0, 0], [1, 0]])
    groups = np.array(["a", "a", "b", "b", "c", "c", "d", "d"])
    repeats = group_repeats(labels, groups, 2)
    assert {name: set(repeats[groups == name]) for name in "abcd"} == {"a": {1}, "b": {2}, "c": {1}, "d": {2}}


@pytest.mark.parametrize("thinned", [False, True])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_expected_counts_and_lengths_are_those_of_many_epochs(sampler: str, thinned: bool) -> None:
    looks = np.arange(150) % 2 // 2 if thinned else None  # one row of each group of two
    total, lengths = np.zeros((3, 2)), set()
    for seed in range(200):
        rng = np.random.default_rng(seed)
        own = np.arange(150) if looks is None else one_row_each(GROUPS, looks, rng)
        order = own[epoch_order(sampler, LABELS[own], 3, rng, GROUPS[own])]
        total += counted(order)
        lengths.add(len(order))
    assert lengths == {epoch_length(sampler, LABELS, 3, GROUPS, looks)}
    assert expected_counts(sampler, LABELS, 3, GROUPS, looks) == pytest.approx(
        total / 200, rel=0.05, abs=0.04 * lengths.pop()
    )


def test_an_answer_that_no_row_gives_is_expected_never() -> None:
    labels = np.array([[1, 0, 1], [1, 0, 0], [1, 0, 1]])
    for sampler in SAMPLERS:
        found = expected_counts(sampler, labels, 3, np.arange(3))
        assert (found[0, 0], found[1, 1]) == (0, 0) and (found[[0, 1, 2, 2], [1, 0, 0, 1]] > 0).all()


def test_a_length_that_thinning_would_leave_to_chance_is_refused() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 1], [0, 1]])
    groups, values = np.array([0, 0, 1, 1]), np.full(4, "all")
    with pytest.raises(TrainableError, match=r"one set of labels for each group .* 1 have several \(group 0"):
        epoch_length("oversample", labels, 2, groups, values)
    assert epoch_length("oversample", labels[2:], 2, groups[2:], values[2:]) == 1


def test_a_row_is_rare_that_has_a_rare_label() -> None:
    trained = np.array([[1, 0, 0]] * 8 + [[1, 1, 0], [0, 0, 0]])  # 9, 1 and none of 10
    shown = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert rare_rows(shown, trained, 3, 0.2).tolist() == [False, True, True, False]
    assert rare_rows(shown, trained, 3, 0.0).tolist() == [False] * 4
    classes = np.array([0] * 8 + [1, 2])
    assert rare_rows(np.arange(3), classes, 3, 0.2).tolist() == [False, True, True]
