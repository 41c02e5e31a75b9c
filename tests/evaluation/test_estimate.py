"""Honest numbers: equal to the slow way, wider for people than for photos, lower where there was a choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score

from orchestrator.core import metrics
from orchestrator.core.errors import EnsembleError
from orchestrator.core.task import Task
from orchestrator.evaluation import resampled_scores
from orchestrator.evaluation.bbc_cv import bbc_cv
from orchestrator.evaluation.bootstrap import group_bootstrap
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.fold_scores import fold_scores
from orchestrator.evaluation.paired import paired_difference
from orchestrator.evaluation.resampled_scores import ResampledScores
from orchestrator.evaluation.voted import Candidates
from orchestrator.evaluation.voting import soft_vote


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def sample(seed: int, rows: int = 240, classes: int = 3, groups: int = 40) -> tuple[np.ndarray, ...]:
    """labels, probabilities, groups of a model that is right more often than not."""
    draw = rng(seed)
    labels = draw.integers(0, classes, rows)
    logits = draw.normal(size=(rows, classes))
    logits[np.arange(rows), labels] += 1.0
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return labels, probabilities.astype(np.float32), draw.integers(0, groups, rows)


@pytest.mark.parametrize("metric", sorted(metrics.METRICS))
def test_scores_over_counts_equal_scores_over_the_resampled_rows(metric: str) -> None:
    labels, probabilities, groups = sample(1)
    weights = rng(2).multinomial(40, np.full(40, 1 / 40), size=25).astype(np.float32)
    fast = ResampledScores(labels, probabilities, groups, 40, metric)(weights)
    for repeat, drawn in enumerate(weights):
        rows = np.repeat(np.arange(len(labels)), drawn[groups].astype(int))
        slow = metrics.score(metric, labels[rows], probabilities[rows])
        assert fast[repeat] == pytest.approx(slow, abs=1e-12)


def test_a_class_that_a_resample_misses_neither_helps_nor_hurts_as_in_scikit_learn() -> None:
    labels, predicted = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 2])
    groups, probabilities = np.array([0, 0, 1, 2]), np.eye(3, dtype=np.float32)[predicted]
    without_2 = np.array([[1, 1, 0]], dtype=np.float32)
    found = ResampledScores(labels, probabilities, groups, 3, "macro_f1")(without_2)[0]
    assert found == pytest.approx(f1_score(labels[:3], predicted[:3], average="macro"))


def test_fold_scores_are_those_of_each_folds_rows() -> None:
    labels, probabilities, _ = sample(3)
    folds = (np.arange(len(labels)) % 4).astype(np.int16)
    found = fold_scores(labels, probabilities, folds, "accuracy")
    expected = [metrics.score("accuracy", labels[folds == f], probabilities[folds == f]) for f in range(4)]
    assert list(found.scores.values()) == expected
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.sd == pytest.approx(np.std(expected, ddof=1))


def test_the_bootstrap_holds_the_score_of_all_rows_inside_its_interval_and_repeats_itself() -> None:
    labels, probabilities, groups = sample(4)
    found = group_bootstrap(labels, probabilities, groups, "macro_f1", rng())
    assert found.score == metrics.score("macro_f1", labels, probabilities)
    assert found.low < found.score < found.high
    assert found.n_groups == len(np.unique(groups))
    assert found == group_bootstrap(labels, probabilities, groups, "macro_f1", rng())


def test_photos_of_the_same_people_make_the_interval_wider_than_photos_of_strangers() -> None:
    labels, probabilities, _ = sample(5, rows=60)
    labels, probabilities = np.repeat(labels, 7), np.repeat(probabilities, 7, axis=0)
    people, strangers = np.repeat(np.arange(60), 7), np.arange(420)
    wide = group_bootstrap(labels, probabilities, people, "macro_f1", rng())
    narrow = group_bootstrap(labels, probabilities, strangers, "macro_f1", rng())
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_the_interval_covers_the_true_accuracy_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(200):
        draw = rng(seed)
        right = np.repeat(draw.random(100) < 0.7, 3)
        probabilities = np.eye(2, dtype=np.float32)[np.where(right, 1, 0)]
        found = group_bootstrap(
            np.ones(300, dtype=np.int64), probabilities, np.repeat(np.arange(100), 3), "accuracy", draw, 200
        )
        hits += found.low <= 0.7 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_an_interval_needs_two_groups() -> None:
    labels, probabilities, _ = sample(7)
    with pytest.raises(EnsembleError, match="at least 2"):
        group_bootstrap(labels, probabilities, np.zeros(len(labels)), "macro_f1", rng())


def guessers(seed: int, count: int, top: int) -> tuple[Candidates, np.ndarray]:
    """Trials that guess at random: whatever the best of them scores, its worth is one half."""
    draw = rng(seed)
    labels = draw.integers(0, 2, 100)
    members = [draw.dirichlet([1, 1], size=100).astype(np.float32) for _ in range(count)]
    folds = (np.arange(100) // 2 % 5).astype(np.int16)
    return Candidates(members, labels, folds, top, "accuracy", "max"), np.arange(100) // 2


def corrected(part: Candidates, groups: np.ndarray, seed: int = 0) -> Estimate:
    return bbc_cv(
        [part], part.labels, groups, "accuracy", soft_vote, lambda parts: parts[0], rng(seed), repeats=300
    )


@pytest.mark.parametrize("top", [1, 3])
def test_the_best_of_many_guessers_looks_good_but_not_after_correction(top: int) -> None:
    naive, honest = [], []
    for seed in range(10):
        part, groups = guessers(seed, 40, top)
        ranked = sorted(
            part.members, key=lambda item: -fold_scores(part.labels, item, part.folds, "accuracy").mean
        )
        naive.append(metrics.score("accuracy", part.labels, soft_vote(ranked[:top])))
        honest.append(corrected(part, groups).score)
    assert np.mean(naive) > 0.58
    assert abs(np.mean(honest) - 0.5) < 0.03


def test_without_a_choice_the_correction_changes_nothing_but_noise() -> None:
    part, groups = guessers(1, 3, top=3)
    naive = metrics.score("accuracy", part.labels, soft_vote(part.members))
    assert corrected(part, groups).score == pytest.approx(naive, abs=0.01)


def test_the_correction_equals_the_slow_way_repeat_by_repeat() -> None:
    part, groups = guessers(2, 6, top=2)
    drawn = rng(9).multinomial(50, np.full(50, 1 / 50), size=300).astype(np.float32)
    scores = []
    for bag in drawn:
        rows = np.repeat(np.arange(100), bag[groups].astype(int))
        means = [
            fold_scores(part.labels[rows], m[rows], part.folds[rows], "accuracy").mean for m in part.members
        ]
        best = np.argsort(-np.round(means, 12), kind="stable")[:2]
        out = bag[groups] == 0
        voted = soft_vote([part.members[index] for index in sorted(best)])
        scores.append(metrics.score("accuracy", part.labels[out], voted[out]))
    assert corrected(part, groups, seed=9).score == pytest.approx(np.mean(scores), abs=2e-3)


def test_mode_min_chooses_the_lowest_scores() -> None:
    part, groups = guessers(3, 40, top=1)
    perfect = np.eye(2, dtype=np.float32)[part.labels]
    members = [*part.members, perfect, 1 - perfect]
    best = Candidates(members, part.labels, part.folds, 1, "accuracy", "max")
    worst = Candidates(members, part.labels, part.folds, 1, "accuracy", "min")
    assert corrected(best, groups).score == 1.0
    assert corrected(worst, groups).score == 0.0


def test_a_joint_choice_is_made_in_every_part_and_judged_on_the_product() -> None:
    draw, groups = rng(4), np.arange(120) // 2
    first, second = draw.integers(0, 2, 120), draw.integers(0, 3, 120)
    folds = (np.arange(120) // 2 % 3).astype(np.int16)

    def part(labels: np.ndarray, classes: int) -> Candidates:
        perfect = np.eye(classes, dtype=np.float32)[labels]
        guess = draw.dirichlet(np.ones(classes), size=120).astype(np.float32)
        return Candidates([guess, perfect], labels, folds, 1, "macro_f1", "max")

    def product(parts):  # type: ignore[no-untyped-def]
        return (parts[0][:, :, None] * parts[1][:, None, :]).reshape(120, 6)

    seen: list[tuple[int, int]] = []
    found = bbc_cv(
        [part(first, 2), part(second, 3)], first * 3 + second, groups, "macro_f1", soft_vote, product, rng(),
        repeats=100, progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert found.score == 1.0
    assert seen == [(1, 104), (2, 104), (3, 104), (4, 104), (104, 104)]


def test_an_estimate_reads_as_a_score_with_its_interval() -> None:
    assert str(Estimate(0.71, 0.69, 0.73, 0.95, "m", 9)) == "0.7100 (95% interval 0.6900 to 0.7300)"


# ---- where a metric is undefined, and several labels a row --------------------------------------------


def one_positive_group() -> tuple[np.ndarray, ...]:
    """Two classes; all rows of the second lie in one group of ten, which a third of resamples lacks."""
    labels, groups = np.repeat([0, 1], [18, 2]), np.repeat(np.arange(10), 2)
    right = rng(3).random(20) * 0.5 + labels * 0.4
    return labels, np.column_stack([1 - right, right]).astype(np.float32), groups


def test_resamples_without_a_second_class_are_left_out_and_counted() -> None:
    labels, probabilities, groups = one_positive_group()
    found = group_bootstrap(labels, probabilities, groups, "roc_auc", rng(), repeats=400)
    weights = rng().multinomial(10, np.full(10, 1 / 10), size=400)
    gone = int((weights[:, 9] == 0).sum())
    assert gone > 100 and found.method == f"group bootstrap, {400 - gone} repeats"
    assert found.meaning == f"roc_auc is undefined on {gone} of 400 resamples, which are left out."
    assert 0 <= found.low <= found.score <= found.high <= 1
    assert group_bootstrap(labels, probabilities, groups, "log_loss", rng(), repeats=400).meaning == ""


def test_a_metric_that_no_resample_has_is_refused() -> None:
    labels, probabilities, groups = one_positive_group()
    with pytest.raises(EnsembleError, match="roc_auc is undefined on all of 20 resamples of"):
        group_bootstrap(labels * 0, probabilities, groups, "roc_auc", rng(), repeats=20)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_bags_in_which_no_fold_can_be_scored_choose_by_the_others_and_are_counted(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, groups = np.repeat([0, 1], [16, 4]), np.repeat([0, 1, 2, 3, 4, 5, 6, 8, 7, 9], 2)
    right = rng(3).random(20) * 0.5 + labels * 0.4
    good = np.column_stack([1 - right, right]).astype(np.float32)
    folds = (groups % 2).astype(np.int16)  # fold 0 has no row of the second class: only fold 1 tells
    metric = "roc_auc" if mode == "max" else "lost_auc"
    auc = metrics.METRICS["roc_auc"]
    monkeypatch.setitem(
        metrics.METRICS, "lost_auc", replace(auc, of=lambda item: 1 - auc.of(item), mode="min")
    )
    study = Candidates([good[:, ::-1], good], labels, folds, 1, metric, mode)
    found = bbc_cv([study], labels, groups, metric, soft_vote, lambda votes: votes[0], rng(), 300)
    assert "is undefined on " in found.meaning and int(found.method.split()[1]) < 300
    # The good one is chosen wherever a bag has one of the two groups with the second class, not neither.
    assert found.score > 0.6 if mode == "max" else found.score < 0.4


def several_labels(seed: int, rows: int = 240) -> tuple[np.ndarray, ...]:
    draw = rng(seed)
    labels = draw.integers(0, 2, (rows, 4))
    found = np.clip(labels * 0.4 + draw.random((rows, 4)) * 0.6, 0, 1)
    return labels, found.astype(np.float32), draw.integers(0, 40, rows)


@pytest.mark.parametrize("metric", metrics.applicable(Task(tuple("abcd"), multi_label=True)))
def test_every_estimate_takes_several_labels_a_row(metric: str) -> None:
    labels, probabilities, groups = several_labels(1)
    weights = rng(2).multinomial(40, np.full(40, 1 / 40), size=10).astype(np.float32)
    fast = ResampledScores(labels, probabilities, groups, 40, metric)(weights)
    for repeat, drawn in enumerate(weights):
        rows = np.repeat(np.arange(len(labels)), drawn[groups].astype(int))
        assert fast[repeat] == pytest.approx(
            metrics.score(metric, labels[rows], probabilities[rows]), abs=1e-12
        )
    found = group_bootstrap(labels, probabilities, groups, metric, rng(), repeats=50)
    assert found.low <= found.score <= found.high
    folds = (groups % 3).astype(np.int16)
    worse = probabilities[::-1].copy()
    mode = metrics.METRICS[metric].mode
    study = Candidates([worse, probabilities], labels, folds, 1, metric, mode)
    corrected = bbc_cv([study], labels, groups, metric, soft_vote, lambda votes: votes[0], rng(), 50)
    assert corrected.low <= corrected.score <= corrected.high
    difference = paired_difference(labels, worse, probabilities, groups, metric, rng(), 50)
    assert difference.is_decided and (difference.low > 0) == (mode == "max")
    assert list(fold_scores(labels, probabilities, folds, metric).scores) == [0, 1, 2]


def test_blocks_of_resamples_give_what_one_block_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, probabilities, groups = sample(1)
    weights = rng(2).multinomial(40, np.full(40, 1 / 40), size=25).astype(np.float32)
    whole = ResampledScores(labels, probabilities, groups, 40, "roc_auc")(weights)
    monkeypatch.setattr(resampled_scores, "BLOCK", 7 * len(labels))
    assert np.array_equal(ResampledScores(labels, probabilities, groups, 40, "roc_auc")(weights), whole)


def test_an_own_function_is_called_for_two_hundred_resamples_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_error_rate.py").write_text(
        "def score(labels, found):\n    return (labels != found.argmax(axis=1)).mean()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    labels, probabilities, groups = sample(1)
    found = group_bootstrap(labels, probabilities, groups, "own_error_rate:score", rng())
    assert found.method == "group bootstrap, 200 repeats" and found.low < found.score < found.high
    ours = group_bootstrap(labels, probabilities, groups, "accuracy", rng(), repeats=200)
    assert (1 - found.low, 1 - found.high) == pytest.approx((ours.high, ours.low))
