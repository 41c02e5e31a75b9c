from __future__ import annotations

import numpy as np
import pytest

from orchestrator.core.metrics import score
from orchestrator.data.quality.baseline import fitted, out_of_fold
from orchestrator.data.quality.dealt_folds import dealt_folds, drawn_groups


def rows(n: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of which two tell three classes, labels, folds."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    features = rng.standard_normal((n, 6)).astype(np.float32)
    features[:, 0] += 3 * (labels == 1)
    features[:, 1] += 3 * (labels == 2)
    return features, labels, rng.integers(0, 4, n).astype(np.int16)


def test_it_learns_what_the_features_tell() -> None:
    features, labels, folds = rows()
    answers = out_of_fold(features, labels, folds, 3)
    assert answers.dtype == np.float32 and np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert score("accuracy", labels, answers) > 0.8


@pytest.mark.parametrize("multi_label", [False, True])
def test_no_label_and_no_feature_of_a_fold_reaches_its_model(multi_label: bool) -> None:
    features, labels, folds = rows()
    if multi_label:
        labels = np.eye(3, dtype=np.int64)[labels]
    before = out_of_fold(features, labels, folds, 3)
    scored = folds == 2
    poked = labels.copy()
    poked[scored] = 1 - labels[scored] if multi_label else (labels[scored] + 1) % 3
    assert (out_of_fold(features, poked, folds, 3)[scored] == before[scored]).all()
    # Nor through what standardises them: one wild row of the fold leaves the answers of its others alone.
    wild = features.copy()
    row = int(np.flatnonzero(scored)[0])
    wild[row] = 1e4
    others = scored & (np.arange(len(labels)) != row)
    assert (out_of_fold(wild, labels, folds, 3)[others] == before[others]).all()
    # While the rows that it does learn from move it.
    assert not np.allclose(out_of_fold(features, poked, folds, 3)[~scored], before[~scored])


def test_extra_rows_are_learned_from_and_never_answered() -> None:
    features, labels, folds = rows()
    folds[:60] = -1
    answers = out_of_fold(features, labels, folds, 3)
    assert (answers[:60] == 0).all() and score("accuracy", labels[60:], answers[60:]) > 0.8


def test_classes_that_no_row_has_get_nothing() -> None:
    features, labels, _ = rows()
    two = labels != 2
    answers = fitted(features[two], labels[two], 3)(features)
    assert (answers[:, 2] == 0).all()
    only = fitted(features, np.zeros(len(labels), np.int64), 3)(features)
    assert (only == [1, 0, 0]).all()


def test_groups_are_dealt_whole_and_strata_evenly() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat(rng.permutation(90), 3)
    strata = (groups % 3 == 0).astype(np.int64)
    folds = dealt_folds(groups, strata, 5, rng)
    assert all(len(set(folds[groups == group])) == 1 for group in range(90))
    assert [int((folds[strata == 1] == fold).sum()) for fold in range(5)] == [18] * 5
    assert set(np.bincount(folds)) == {54}


def test_whole_groups_are_drawn() -> None:
    groups = np.repeat(np.arange(50), 4)
    drawn = drawn_groups(groups, 41, np.random.default_rng(0))
    assert len(drawn) == 40 and (np.bincount(groups[drawn])[np.unique(groups[drawn])] == 4).all()
    assert len(drawn_groups(groups, 200, np.random.default_rng(0))) == 200
    assert len(drawn_groups(groups, 1, np.random.default_rng(0))) == 8, "two groups at least"
