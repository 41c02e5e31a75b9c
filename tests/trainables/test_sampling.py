from __future__ import annotations

import numpy as np
import pytest

from orchestrator.errors import TrainableError
from trainables.sampling import epoch_order

LABELS = np.array([0] * 900 + [1] * 90 + [3] * 10)


def test_without_a_sampler_every_row_comes_once() -> None:
    order = epoch_order("none", LABELS, 4, np.random.default_rng(0))
    assert sorted(order) == list(range(1000)) and list(order) != list(range(1000))


def test_the_weighted_sampler_draws_classes_equally_often() -> None:
    order = epoch_order("weighted", LABELS, 4, np.random.default_rng(0))
    counts = np.bincount(LABELS[order], minlength=4)
    assert counts[2] == 0  # no row has it
    assert np.abs(counts[[0, 1, 3]] - 1000 / 3).max() < 4 * np.sqrt(1000 * 2 / 9)


def test_the_order_follows_from_the_generator() -> None:
    for sampler in ("none", "weighted"):
        first, second, other = (epoch_order(sampler, LABELS, 4, np.random.default_rng(s)) for s in (1, 1, 2))
        assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_an_unknown_sampler_is_refused_by_name() -> None:
    with pytest.raises(TrainableError, match="sampler='odd'"):
        epoch_order("odd", LABELS, 4, np.random.default_rng(0))
