from __future__ import annotations

import numpy as np
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.data.quality.baseline import out_of_fold
from orchestrator.data.quality.dealt_folds import dealt_folds
from orchestrator.evaluation.leak_value import Rows, leak_value


def rows(shared: float, metric: str = "macro_f1", groups: int = 60, seed: int = 0) -> Rows:
    """Six rows of each group, which have its label. shared: how much they have in common."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(groups), 6)
    labels = rng.integers(0, 3, groups)[codes]
    features = rng.standard_normal((len(codes), 80)) + shared * rng.standard_normal((groups, 80))[codes]
    features[:, :3] += 2 * np.eye(3)[labels]
    mode = "min" if metric == "log_loss" else "max"
    return Rows(features.astype(np.float32), labels, codes, 3, metric, mode)


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss"])
def test_a_leak_is_worth_something_where_rows_of_a_group_look_alike(metric: str) -> None:
    found = leak_value(rows(2.0, metric), None, 5, seed=0)
    assert found.is_certain and found.gain > 0.05
    assert found.low < found.leaking - found.honest < found.high
    assert f"{metric} {found.leaking:.3f} in folds that ignore groups" in str(found)


@pytest.mark.parametrize("seed", range(6))
def test_it_is_worth_nothing_where_groups_share_nothing(seed: int) -> None:
    found = leak_value(rows(0.0, seed=seed), None, 5, seed)
    assert not found.is_certain and abs(found.gain) < 0.05


def test_the_folds_in_use_are_the_honest_ones() -> None:
    given = rows(2.0)
    folds = dealt_folds(given.groups, given.labels, 4, np.random.default_rng(9))
    folds[given.groups < 3] = -1  # role extra: learned from, not scored
    found = leak_value(given, folds, 4, seed=0)
    assert (found.n_groups, found.n_rows) == (57, 57 * 6)
    assert (found.answers[given.groups < 3] == 0).all()
    own = out_of_fold(given.features, given.labels, folds, 3)
    assert (found.answers == own).all()


def test_groups_that_are_nearly_whole_leak_little_and_rows_alone_much() -> None:
    whole = rows(2.0)
    torn = np.where(np.arange(len(whole.labels)) < 12, np.arange(len(whole.labels)) + 100, whole.groups)
    nearly, alone = (leak_value(whole, None, 5, 0, leaking=codes) for codes in (torn, None))
    assert alone.is_certain and not nearly.is_certain
    assert abs(nearly.gain) < alone.gain / 2
    pairs = whole.groups * 10 + np.tile(np.arange(6) // 2, 60)  # each group in three parts
    said = leak_value(whole, None, 5, 0, leaking=pairs)
    assert said.is_certain
    assert " in folds of pairs, " in said.said("of pairs")


def test_one_group_is_refused() -> None:
    given = rows(0.0)
    alone = Rows(given.features, given.labels, np.zeros(len(given.labels), np.int64), 3, "accuracy", "max")
    with pytest.raises(EnsembleError, match="at least 2"):
        leak_value(alone, None, 5, seed=0)
