"""Replays of a study that refines: the epoch of the least log loss after temperature, on the rows at hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.core.arrays import Probabilities
from orchestrator.core.metrics import log_loss
from orchestrator.evaluation.calibration import fit_temperature
from orchestrator.evaluation.refined_epochs import refined_epochs, refined_losses
from orchestrator.evaluation.whole_race import ReplayedTrial, whole_race
from tests.evaluation.test_whole_race import EPOCHS, FOLD, FOLDS, GROUPS, ROWS, guessers, raced, rng


def answers_of(seed: int, sure: float, classes: int = 3, labels: int = 0) -> tuple[np.ndarray, Probabilities]:
    draw = rng(seed)
    if labels:
        truth = draw.integers(0, 2, (ROWS, labels))
        odds = sure * ((2 * truth - 1) + draw.normal(size=truth.shape))
        return truth, (1 / (1 + np.exp(-odds))).astype(np.float32)
    truth = draw.integers(0, classes, ROWS)
    powers = np.exp(sure * (np.eye(classes)[truth] + draw.normal(size=(ROWS, classes))))
    return truth, (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("sure", [0.3, 1.0, 6.0])
@pytest.mark.parametrize("labels", [0, 2])
def test_the_loss_is_that_of_the_fitted_temperature_of_the_bags_rows(sure: float, labels: int) -> None:
    truth, answers = answers_of(1, sure, labels=labels)
    bags = rng(2).integers(0, 3, (5, GROUPS.max() + 1)).astype(np.float32)
    found = refined_losses(truth, answers, GROUPS, np.vstack([bags, np.zeros_like(bags[:1])]))
    for bag, loss in zip(bags, found, strict=False):
        rows = np.repeat(np.arange(ROWS), bag[GROUPS].astype(int))
        cooled = fit_temperature(truth[rows], answers[rows]).apply(answers[rows])
        assert loss == pytest.approx(log_loss(truth[rows], cooled), abs=1e-3)
    assert found[-1] == 0  # no row


def test_each_fold_takes_the_epoch_of_the_least_loss_of_its_rows_alone() -> None:
    labels, guessed = guessers(3)
    study, _ = raced(labels, guessed)
    trials = study.kept.complete(FOLDS, EPOCHS)
    weights = np.ones((1, GROUPS.max() + 1), np.float32)
    found = refined_epochs(study.kept, trials, labels, GROUPS, weights)
    for trial in trials:
        for fold in range(FOLDS):
            own = fold == FOLD
            losses = [
                log_loss(labels[own], fit_temperature(labels[own], answers[own]).apply(answers[own]))
                for answers in guessed[trial]
            ]
            assert losses[found[trial][0, fold] - 1] == pytest.approx(min(losses), abs=1e-3)


def test_a_replay_of_a_study_that_refines_takes_these_epochs_blind_to_what_is_left_out() -> None:
    labels, guessed = guessers(4)
    study, answers = raced(labels, guessed)
    seen: list[tuple[tuple[int, tuple[int, ...]], ...]] = []

    def fit(studies: list[list[ReplayedTrial]], weights: np.ndarray) -> Probabilities:
        (trials,) = studies
        seen.append(tuple((trial.trial, trial.epochs) for trial in trials))
        bag = weights[np.unique(GROUPS, return_index=True)[1]][None]
        own = refined_epochs(study.kept, [trial.trial for trial in trials], study.labels, GROUPS, bag)
        for trial in trials:
            assert trial.epochs == tuple(own[trial.trial][0].tolist())
            known = [
                float((study.kept.read(trial.trial, fold, epoch).argmax(axis=1) == labels[fold == FOLD])[
                    weights[fold == FOLD] > 0
                ].mean())
                for fold, epoch in enumerate(trial.epochs)
            ]  # fmt: skip
            assert trial.score == pytest.approx(np.mean(known), abs=1e-6)
        return trials[0].probabilities

    done: list[tuple[int, int]] = []
    whole_race(
        [replace(study, refines=True)],
        fit,
        answers,
        rng(1),
        20,
        progress=lambda at, of: done.append((at, of)),
    )
    assert done[-1][0] == done[-1][1]
    refined = list(seen)
    seen.clear()
    with pytest.raises(AssertionError):  # the best of each fold is another choice
        whole_race([study], fit, answers, rng(1), 20)
    assert refined != seen
