"""The whole race as an estimate: replayed as it went, blind to what it is scored on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from orchestrator.core.arrays import Probabilities
from orchestrator.core.events import (
    Action,
    BudgetSpent,
    Decided,
    Decision,
    EpochEnded,
    Event,
    Extended,
    RaceEvent,
    Shortened,
    Widened,
)
from orchestrator.evaluation.intervals import Answers
from orchestrator.evaluation.kept_epochs import KeptEpochs, in_bag_scores
from orchestrator.evaluation.missing_scores import completed
from orchestrator.evaluation.race_again import RaceAgain
from orchestrator.evaluation.voting import soft_vote
from orchestrator.evaluation.whole_race import Raced, ReplayedTrial, WholeRace, uniform, whole_race
from orchestrator.race import FinishingRace, RaceConfig, make_race, rule_class
from orchestrator.race.simulate.simulator import simulate
from orchestrator.race.simulate.synthetic import draw_curves

TRIALS, FOLDS, EPOCHS, ROWS = 6, 2, 4, 80
GROUPS = np.arange(ROWS) // 2
FOLD = (GROUPS % FOLDS).astype(np.int16)
CFG = RaceConfig(TRIALS, FOLDS, EPOCHS, finalists=2)
FIT = uniform(1, soft_vote, lambda votes: votes[0])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def guessers(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """labels (n,) and the answers (trials, epochs, n, 2) of models that guess."""
    draw = rng(seed)
    answers = draw.dirichlet([1, 1], size=(TRIALS, EPOCHS, ROWS)).astype(np.float32)
    return draw.integers(0, 2, ROWS), answers


def raced(
    labels: np.ndarray, answers: np.ndarray, cfg: RaceConfig = CFG, rule: str = "fold_asha"
) -> tuple[Raced, Answers]:
    """A study whose race ran on these scores and kept what it saw; the answers of its best trial."""
    rows = {fold: np.flatnonzero(fold == FOLD) for fold in range(FOLDS)}
    right = answers.argmax(axis=3) == labels
    scores = np.stack([right[:, :, own].mean(axis=2) for own in rows.values()], axis=1)
    log = simulate(make_race(rule, cfg), scores, 1)
    kept = KeptEpochs.of(
        {
            (event.trial, event.fold, event.epoch): (
                rows[event.fold],
                answers[event.trial, event.epoch - 1, rows[event.fold]],
            )
            for event in log.events
            if isinstance(event, EpochEnded)
        }
    )
    ended = [trial for trial, folds in log.full.items() if len(folds) == FOLDS]
    best = max(ended, key=lambda trial: scores[trial].max(axis=1).mean())
    epochs = scores[best].argmax(axis=1)
    found = answers[best, epochs[FOLD], np.arange(ROWS)]
    return Raced(kept, RaceAgain(rule, cfg), labels, "accuracy"), Answers(
        labels, found, FOLD, GROUPS, "accuracy"
    )


def estimated(study: Raced, answers: Answers, **more: object) -> WholeRace:
    return whole_race([study], FIT, answers, rng(1), **{"repeats": 50, **more})  # type: ignore[arg-type]


def test_luck_of_epochs_and_trials_is_taken_out() -> None:
    naive, honest = [], []
    for seed in range(12):
        study, answers = raced(*guessers(seed))
        naive.append(answers.score)
        honest.append(estimated(study, answers, repeats=20).estimate.score)
    assert np.mean(naive) > 0.6
    assert abs(np.mean(honest) - 0.5) < 0.03


def test_where_nothing_was_chosen_the_score_is_that_of_all_rows() -> None:
    labels, answers = guessers(1)
    study, own = raced(labels, answers[:1, :1], replace(CFG, trials=1, max_t=1, finalists=1))
    found = estimated(study, own)
    assert found.estimate.score == pytest.approx(own.score)
    assert (found.left, found.replaced) == (0, 0)
    assert found.estimate.low < own.score < found.estimate.high


def test_labels_left_out_have_no_say_in_epochs_or_trials() -> None:
    """Flipping a group's labels changes what is chosen in no replay that leaves it out."""

    def chosen(labels: np.ndarray, answers: np.ndarray) -> list[tuple[bool, list[tuple[int, ...]]]]:
        seen = []

        def fit(studies: Sequence[Sequence[ReplayedTrial]], weights: np.ndarray) -> Probabilities:
            trials = studies[0]
            seen.append((weights[0] == 0, [(trial.trial, *trial.epochs) for trial in trials]))
            return trials[0].probabilities

        study, own = raced(*drawn)  # the record is what it was
        whole_race([replace(study, labels=labels)], fit, replace(own, labels=labels), rng(3), 100)
        return seen

    drawn = guessers(2)
    flipped = np.where(GROUPS < 1, 1 - drawn[0], drawn[0])
    before, after = chosen(*drawn), chosen(flipped, drawn[1])
    assert sum(left_out for left_out, _ in before) == 10
    assert all(a == b for a, b in zip(before, after, strict=True) if a[0])
    assert before != after


def test_the_outcome_is_the_same_for_any_number_of_workers() -> None:
    study, answers = raced(*guessers(3))
    one, two = estimated(study, answers), estimated(study, answers, workers=2)
    assert one.estimate == two.estimate


@pytest.mark.parametrize("studies", [1, 3])
def test_progress_counts_the_races_of_every_study_and_ends_at_its_total(studies: int) -> None:
    study, answers = raced(*guessers(3))
    told: list[tuple[int, int]] = []
    whole_race([study] * studies, FIT, answers, rng(1), 20, progress=lambda *at: told.append(at))
    assert told[-1][0] == told[-1][1] == max(done for done, _ in told)
    assert len({total for _, total in told}) == 1


def test_smaller_may_be_better() -> None:
    """Mode "min" of a metric is mode "max" of its negative: guessers are worth log 2 or worse."""
    labels, answers = guessers(4)
    study, own = raced(labels, answers)
    judged = replace(own, metric="log_loss")
    lower = replace(study, metric="log_loss", race=RaceAgain("exhaustive", replace(CFG, mode="min")))
    everything = {
        (trial, fold, epoch): (study.kept.rows[fold], answers[trial, epoch - 1, study.kept.rows[fold]])
        for trial in range(TRIALS)
        for fold in range(FOLDS)
        for epoch in range(1, EPOCHS + 1)
    }
    seen = []

    def fit(studies: Sequence[Sequence[ReplayedTrial]], weights: np.ndarray) -> Probabilities:
        seen.append([trial.score for trial in studies[0]])
        return studies[0][0].probabilities

    whole_race([replace(lower, kept=KeptEpochs.of(everything))], fit, judged, rng(), 10)
    assert all(scores == sorted(scores) and scores[0] > 0 for scores in seen)
    assert all(len(scores) == TRIALS for scores in seen)  # of exhaustive search all trials are complete


def test_a_finalist_without_a_record_is_replaced_and_counted() -> None:
    study, answers = raced(*guessers(5))
    complete = study.kept.complete(FOLDS, EPOCHS)
    seen = set()

    def fit(studies: Sequence[Sequence[ReplayedTrial]], weights: np.ndarray) -> Probabilities:
        seen.update(trial.trial for trial in studies[0])
        return studies[0][0].probabilities

    found = whole_race([study], fit, answers, rng(1), 100)
    assert seen <= set(complete)
    assert 0 < found.replaced < found.left < 1
    assert f"{found.left:.0%} of these repeats" in found.estimate.meaning


def test_without_any_record_there_is_no_estimate_but_the_reason() -> None:
    study, answers = raced(*guessers(6))
    few = replace(study.kept, keys=[key for key in study.kept.keys if key[2] == 1])
    assert "no trial's predictions were kept" in estimated(replace(study, kept=few), answers).estimate.meaning
    one_group = replace(answers, groups=np.zeros(ROWS))
    assert "at least 2" in estimated(study, one_group).estimate.meaning


def test_two_groups_are_left_out_one_by_one() -> None:
    study, answers = raced(*guessers(7))
    assert estimated(study, replace(answers, groups=FOLD)).estimate.is_defined


def test_in_bag_scores_are_those_of_the_rows_drawn() -> None:
    labels, answers = guessers(8)
    study, _ = raced(labels, answers)
    weights = rng().integers(0, 3, (7, ROWS // 2)).astype(np.float32)
    weights[3, ::2] = 0  # nothing of fold 0
    condition = rng(1).random(ROWS) < 0.8
    found = in_bag_scores(study.kept, labels, GROUPS, "accuracy", "max", weights, condition)
    for column, (trial, fold, epoch) in enumerate(found.keys.tolist()):
        own = weights[:, GROUPS] * (condition & (fold == FOLD))
        right = answers[trial, epoch - 1].argmax(axis=1) == labels
        expected = (own * right).sum(axis=1) / np.maximum(own.sum(axis=1), 1)
        assert found.values[:, column] == pytest.approx(expected, abs=1e-6)


# ---- what the record lacks -------------------------------------------------------------------------------


def test_a_trial_that_stopped_goes_on_with_the_mean_gain_of_those_that_did() -> None:
    nan = np.nan
    scores = np.array([[[0.5, 0.6, 0.8]], [[0.4, 0.3, 0.5]], [[0.2, nan, nan]]])
    assert completed(scores)[2, 0] == pytest.approx([0.2, 0.25, 0.4])  # gains (0.1 + 0) / 2, (0.2 + 0.1) / 2
    assert np.array_equal(completed(scores)[:2], scores[:2])


def test_a_fold_never_begun_is_what_the_trial_has_elsewhere_and_the_difference_of_the_folds() -> None:
    nan = np.nan
    scores = np.array([[[0.5, 0.6], [0.4, 0.45]], [[0.3, 0.5], [0.2, 0.35]], [[0.1, 0.2], [nan, nan]]])
    assert completed(scores)[2, 1] == pytest.approx([0.0, 0.05], abs=1e-5)
    nobody = np.where(np.arange(2)[:, None] == 1, nan, scores)
    assert completed(nobody)[:, 1] == pytest.approx(nobody[:, 0], abs=1e-5)


def test_a_trial_without_any_score_is_like_the_others() -> None:
    scores = np.array([[[0.5, 0.7]], [[0.3, 0.5]], [[np.nan, np.nan]]])
    assert completed(scores)[2, 0] == pytest.approx([0.4, 0.6])


# ---- the race again --------------------------------------------------------------------------------------


def test_on_its_own_scores_a_race_ends_as_it_did() -> None:
    curves = draw_curves(20, 3, 6, rng()).scores
    cfg = RaceConfig(20, 3, 6)
    log = simulate(make_race("fold_asha", cfg), curves, 4)
    journal: list[Event] = []
    for event, decisions in zip(log.events, log.decisions, strict=True):
        journal += [event, *(Decided(item.action, item.trial, item.reason, item.fold) for item in decisions)]
    again = RaceAgain.of("fold_asha", cfg, journal)
    assert again.slots == 4
    assert again.complete(curves) == sorted(t for t, folds in log.full.items() if len(folds) == 3)


def test_more_and_fewer_trials_and_a_spent_budget_come_again() -> None:
    curves = draw_curves(20, 2, 6, rng(1)).scores
    cfg = RaceConfig(12, 2, 6, finalists=1)
    shortened = RaceAgain.of("fold_asha", cfg, [Shortened(8)])
    assert shortened.stages == (8,) and max(shortened.complete(curves)) < 8
    extended = RaceAgain.of("exhaustive", cfg, [Extended(20)])
    assert extended.trials == 20 and extended.complete(curves) == list(range(20))
    events: list[Event] = [EpochEnded(0, 0, 1, 0.5)] * 9
    spent = RaceAgain.of("exhaustive", cfg, [*events, BudgetSpent("over"), *events])
    assert spent.told == ((9, BudgetSpent("over")),)
    assert len(spent.complete(curves)) == 1


def test_fewer_finalists_for_want_of_time_come_again() -> None:
    curves = draw_curves(20, 2, 6, rng(1)).scores
    cfg = RaceConfig(12, 2, 6)
    ended: list[Event] = [EpochEnded(0, 0, 1, 0.5)] * 9
    narrowed = RaceAgain.of("fold_asha", cfg, [Shortened(12, 2), Shortened(12, 1)])
    assert (narrowed.stages, narrowed.told) == ((12,), ((0, Shortened(12, 2)), (0, Shortened(12, 1))))
    assert len(RaceAgain("fold_asha", cfg).complete(curves)) == 3 and len(narrowed.complete(curves)) == 1
    fewer = RaceAgain.of("fold_asha", cfg, [Shortened(12, 1), Shortened(8)])
    assert fewer.stages == (8,) and len(fewer.complete(curves)) == 1 and max(fewer.complete(curves)) < 8
    more = RaceAgain.of("fold_asha", cfg, [Shortened(12, 1), Extended(20)])
    assert more.stages == (12, 20) and len(more.complete(curves)) > 1
    wider = RaceAgain.of("fold_asha", cfg, [Shortened(12, 1), *ended, Widened(3)])
    assert len(wider.complete(curves)) == 3
    spent = RaceAgain.of("fold_asha", cfg, [*ended, BudgetSpent("late", 2), *ended])
    assert spent.told == ((9, BudgetSpent("late", 2)),) and len(spent.complete(curves)) == 2
    late = RaceAgain.of("fold_asha", cfg, [*ended, BudgetSpent("late", 2), *ended, BudgetSpent("over", 1)])
    assert late.told[1] == (18, BudgetSpent("over", 1)) and len(late.complete(curves)) == 1


@pytest.mark.parametrize("seed", range(4))
def test_fewer_finalists_come_again_when_they_came_in_truth(seed: int) -> None:
    """Until then the quotas were those of three."""
    curves, cfg = draw_curves(32, 3, 9, rng(seed)).scores, RaceConfig(32, 3, 9)
    race = CutShort(rule_class("fold_asha")(cfg))
    log = simulate(race, curves, 2)
    again = replace(RaceAgain.of("fold_asha", cfg, race.journal), slots=2)
    assert again.told == ((60, Shortened(32, 1)),)
    assert again.complete(curves) == sorted(t for t, folds in log.full.items() if len(folds) == 3)


class CutShort(FinishingRace):
    """Has a single finalist from 60 fold-epochs on."""

    journal: tuple[Event, ...] = ()

    def apply(self, event: RaceEvent) -> list[Decision]:
        decisions = super().apply(event)
        self.journal = (*self.journal, event)
        if self.spent_fold_epochs == 60 and isinstance(event, EpochEnded):
            self.journal = (*self.journal, Shortened(32, 1))
            super().apply(Shortened(32, 1))
        return decisions


def test_a_budget_may_be_spent_where_a_fold_run_goes_on_at_once() -> None:
    draw, cfg = rng(1), RaceConfig(12, 3, 6)
    curves = draw.random((12, 3, 6)).cumsum(2) / 6 + draw.random((12, 1, 1))
    for budget in range(5, 60):
        told = ((budget, BudgetSpent("over")),)
        complete = RaceAgain("fold_asha", cfg, told=told).complete(curves)
        assert 1 <= len(complete) <= cfg.finalists


def test_a_fold_run_that_failed_for_good_fails_again() -> None:
    labels, answers = guessers(9)
    study, own = raced(labels, answers, rule="exhaustive")
    gone = {key for key in study.kept.keys if key[:2] == (0, 1) and key[2] > 1}
    kept = replace(study.kept, keys=[key for key in study.kept.keys if key not in gone])
    race = RaceAgain.of("exhaustive", CFG, [Decided(Action.FAIL, 0, "exception", 1)])
    found = estimated(replace(study, kept=kept, race=race), own)
    assert found.left == 0  # the others are complete, and this one never is
    assert estimated(replace(study, kept=kept), own).left == 1
