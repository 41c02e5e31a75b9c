from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.core.errors import TrainableError
from trainables.feed.row_sampling import (
    epoch_length,
    epoch_order,
    expected_counts,
    group_repeats,
    one_row_each,
)

LABELS = np.array([0] * 900 + [1] * 90 + [3] * 10)
GROUPS = np.concatenate([np.repeat([f"p{g}" for g in range(98)], 10), np.repeat(["q", "r", "s", "t"], 5)])
SAMPLERS = ("none", "weighted", "inverse_sqrt", "oversample", "oversample_groups")


def order_of(sampler: str, seed: int = 0) -> NDArray[np.int64]:
    return epoch_order(sampler, LABELS, 4, np.random.default_rng(seed), GROUPS)


def test_without_a_sampler_every_row_comes_once() -> None:
    order = epoch_order("none", LABELS, 4, np.random.default_rng(0))
    assert sorted(order) == list(range(1000)) and list(order) != list(range(1000))


def test_the_weighted_sampler_draws_classes_equally_often() -> None:
    order = epoch_order("weighted", LABELS, 4, np.random.default_rng(0))
    counts = np.bincount(LABELS[order], minlength=4)
    assert counts[2] == 0  # no row has it
    assert np.abs(counts[[0, 1, 3]] - 1000 / 3).max() < 4 * np.sqrt(1000 * 2 / 9)


def test_the_order_follows_from_the_generator() -> None:
    for sampler in SAMPLERS:
        first, second, other = (order_of(sampler, seed) for seed in (1, 1, 2))
        assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_an_unknown_sampler_is_refused_by_name() -> None:
    with pytest.raises(TrainableError, match="sampler='odd'"):
        epoch_order("odd", LABELS, 4, np.random.default_rng(0))


def test_inverse_sqrt_draws_classes_by_the_root_of_their_size() -> None:
    draws = np.concatenate([order_of("inverse_sqrt", seed) for seed in range(20)])
    expected = np.sqrt([900, 90, 0, 10])
    assert np.bincount(LABELS[draws], minlength=4) / len(draws) == pytest.approx(
        expected / expected.sum(), abs=0.01
    )


def test_oversampling_repeats_small_classes_evenly_to_the_size_of_the_largest() -> None:
    labels = np.array([0] * 100 + [1] * 30 + [2] * 7)
    first, second = (epoch_order("oversample", labels, 3, np.random.default_rng(seed)) for seed in (0, 1))
    repeats = np.bincount(first, minlength=len(labels))
    assert np.bincount(labels[first]).tolist() == [100, 100, 100]
    assert set(repeats[:100]) == {1} and set(repeats[100:130]) == {3, 4} and set(repeats[130:]) == {14, 15}
    assert not np.array_equal(repeats, np.bincount(second, minlength=len(labels)))  # which ones is drawn


def test_group_oversampling_repeats_whole_persons() -> None:
    order = order_of("oversample_groups")
    repeats = np.bincount(order, minlength=len(LABELS))
    assert all(len(set(repeats[group == GROUPS])) == 1 for group in np.unique(GROUPS))
    assert repeats.min() >= 1
    assert np.bincount(LABELS[order], minlength=4).tolist() == [900, 900, 0, 900]


def test_a_group_belongs_to_the_rarest_of_its_classes() -> None:
    """Person "a" alone shows class 2, and its three rows come as often as class 0 has rows of its own."""
    labels = np.array([0, 1, 2] + [0] * 9 + [1] * 4)
    groups = np.array([7, 7, 7] + [1, 2, 3] * 3 + [5, 6] * 2)
    order = epoch_order("oversample_groups", labels, 3, np.random.default_rng(0), groups)
    repeats = np.bincount(order, minlength=len(labels))
    assert repeats[:3].tolist() == [3, 3, 3] and set(repeats[3:12]) == {1}
    assert sorted(repeats[[12, 13]]) == [2, 2]  # 4 rows twice are 8; 10 would be as near to 9, but more


def test_group_oversampling_without_groups_is_refused() -> None:
    with pytest.raises(TrainableError, match="name a group column"):
        epoch_order("oversample_groups", LABELS, 4, np.random.default_rng(0))


# ---- thinning --------------------------------------------------------------------------------------

PERSONS = np.repeat(np.arange(40), 7)
MASKS = np.tile(["worn"] * 5 + ["wrong", "none"], 40)
STATES = np.tile([0] * 5 + [1, 2], 40) + 3 * (PERSONS >= 30)


def test_thinning_leaves_one_masked_photo_of_each_person() -> None:
    rows = one_row_each(PERSONS, MASKS, np.random.default_rng(0))
    kept = list(zip(PERSONS[rows], MASKS[rows], strict=True))
    assert len(kept) == len(set(kept)) == 40 * 3
    assert np.bincount(STATES[rows]).tolist() == [30, 30, 30, 10, 10, 10]  # 150 and 50 masked before


def test_thinning_draws_each_photo_equally_often_and_anew_each_time() -> None:
    draws = [one_row_each(PERSONS, MASKS, np.random.default_rng(seed)) for seed in range(100)]
    often = np.bincount(np.concatenate(draws), minlength=len(PERSONS)).reshape(40, 7)
    assert (often[:, 5:] == 100).all()
    assert often[:, :5].sum(axis=0) / 4000 == pytest.approx([0.2] * 5, abs=0.03)
    assert not np.array_equal(draws[0], draws[1])
    assert np.array_equal(draws[0], one_row_each(PERSONS, MASKS, np.random.default_rng(0)))


def test_a_missing_value_is_a_value_of_its_own() -> None:
    values = np.array([1.0, np.nan, np.nan, 1.0])
    rows = one_row_each(np.zeros(4), values, np.random.default_rng(0))
    assert len(rows) == 2 and np.isnan(values[rows]).sum() == 1


@pytest.mark.parametrize("thinned", [False, True])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_epoch_has_the_same_number_of_rows(sampler: str, thinned: bool) -> None:
    lengths = set()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        rows = one_row_each(PERSONS, MASKS, rng) if thinned else np.arange(len(PERSONS))
        lengths.add(len(epoch_order(sampler, STATES[rows], 6, rng, PERSONS[rows])))
    assert lengths == {epoch_length(sampler, STATES, 6, PERSONS, MASKS if thinned else None)}


def test_a_length_that_thinning_would_leave_to_chance_is_refused() -> None:
    with pytest.raises(TrainableError, match=r"40 have several \(group 0, value all\)"):
        epoch_length("oversample", STATES, 6, PERSONS, np.full(len(PERSONS), "all"))
    assert epoch_length("weighted", STATES, 6, PERSONS, np.full(len(PERSONS), "all")) == 40


def test_thinning_without_groups_is_refused() -> None:
    with pytest.raises(TrainableError, match="name a group column"):
        epoch_length("none", STATES, 6, None, MASKS)


def test_one_incomplete_person_is_not_repeated_without_end() -> None:
    """100 people show five masks, one worn wrong, one none; one of them lacks the last."""
    labels = np.tile([0, 0, 0, 0, 0, 1, 2], 100)
    groups = np.repeat(np.arange(100), 7)
    assert (group_repeats(labels, groups, 3) == 1).all()  # whole people cannot even these classes out
    lacking = group_repeats(labels[:-1], groups[:-1], 3)
    assert (lacking[:-6] == 1).all() and (lacking[-6:] == 5).all()


def test_people_of_a_rare_class_come_whole_and_about_as_often_as_it_is_rare() -> None:
    labels = np.repeat([0, 1], [90 * 7, 10 * 7])
    groups = np.repeat(np.arange(100), 7)
    repeats = group_repeats(labels, groups, 2)
    assert set(repeats[:630]) == {1} and set(repeats[630:]) == {9}


@pytest.mark.parametrize("sampler", ["none", "weighted", "inverse_sqrt", "oversample", "oversample_groups"])
@pytest.mark.parametrize("thinned", [False, True])
def test_expected_counts_are_those_of_many_epochs(sampler: str, thinned: bool) -> None:
    labels = np.repeat([0, 1, 3], [70, 35, 14])
    groups = np.repeat(np.arange(17), 7)
    looks = np.tile([0, 0, 0, 0, 0, 1, 2], 17) if thinned else None
    total = np.zeros(4)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        own = np.arange(len(labels)) if looks is None else one_row_each(groups, looks, rng)
        total += np.bincount(labels[own][epoch_order(sampler, labels[own], 4, rng, groups[own])], minlength=4)
    expected = expected_counts(sampler, labels, 4, groups, looks)
    assert expected[2] == 0
    assert expected == pytest.approx(total / 200, rel=0.05, abs=0.6)
    length = epoch_length(sampler, labels, 4, groups, looks)
    assert expected.sum() == pytest.approx(length, abs=3)
