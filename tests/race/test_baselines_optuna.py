"""Optuna's pruners as rules prune what they prune in the loop that Optuna's manual shows."""

import warnings

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.events import Action, LegFailed, State
from orchestrator.race.baselines.optuna_rules import (
    OptunaHyperband,
    OptunaSuccessiveHalving,
    OptunaWilcoxon,
)
from orchestrator.race.config import RaceConfig
from orchestrator.race.finishing import FinishingRace
from orchestrator.race.simulate import simulate
from tests.support.scenes import epoch, race_of, run_leg, start_next, states

optuna.logging.set_verbosity(optuna.logging.WARNING)


def manual(pruner: optuna.pruners.BasePruner, values: NDArray[np.float64], ends: float) -> list[int]:
    """Steps each trial ran in the manual's loop: values (trials, steps), reported one by one from step 1."""
    study = optuna.create_study(study_name="race", direction="maximize", pruner=pruner)
    ran: list[int] = []

    def objective(trial: optuna.Trial) -> float:
        for step, value in enumerate(values[trial.number], 1):
            trial.report(value, step)
            if step < values.shape[1] and trial.should_prune():
                ran.append(step)
                raise optuna.TrialPruned
        ran.append(values.shape[1])
        return float(ends * values[trial.number][-1] + (1 - ends) * values[trial.number].mean())

    study.optimize(objective, n_trials=len(values))
    return ran


def spent(race: FinishingRace) -> list[int]:
    return [race.status(trial).epochs_spent for trial in range(race.book.runs.trials)]


@pytest.mark.parametrize("mode, sign", [("max", 1), ("min", -1)])
@pytest.mark.parametrize("factor, max_t", [(3, 18), (2, 9), (4, 20)])
def test_epoch_pruners_judge_as_in_the_manual(mode: str, sign: int, factor: int, max_t: int) -> None:
    scores = np.random.default_rng(factor).random((60, 3, max_t))
    means = scores.mean(axis=1)
    pruners = {
        OptunaSuccessiveHalving: optuna.pruners.SuccessiveHalvingPruner(2, factor),
        OptunaHyperband: optuna.pruners.HyperbandPruner(2, max_t, factor),
    }
    for rule, pruner in pruners.items():
        race = race_of(
            rule, trials=60, folds=3, max_t=max_t, grace_period=2, reduction_factor=factor, mode=mode
        )
        simulate(race, sign * scores, 1)
        expected = manual(pruner, means, ends=1)
        assert spent(race) == [3 * steps for steps in expected]
        assert 20 < sum(steps < max_t for steps in expected) < 60


def test_wilcoxon_judges_as_in_the_manual() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((40, 1, 1)) + 0.3 * rng.random((40, 7, 2))
    race = race_of(OptunaWilcoxon, trials=40, folds=7, max_t=2)
    simulate(race, scores, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        pruner = optuna.pruners.WilcoxonPruner()
    expected = manual(pruner, scores.max(axis=2), ends=0)
    assert spent(race) == [2 * steps for steps in expected]
    assert sum(steps < 7 for steps in expected) > 10


def test_wilcoxon_needs_four_folds_to_be_sure() -> None:
    race = race_of(OptunaWilcoxon, trials=2, folds=5, max_t=1)
    for score in (0.9, 0.8, 0.85, 0.95, 0.9):
        run_leg(race, start_next(race), score)
    for score in (0.1, 0.2, 0.3):
        run_leg(race, start_next(race), score)
        assert states(race)[1] is State.PARKED
    decisions = run_leg(race, start_next(race), 0.1)
    assert [item.action for item in decisions] == [Action.PRUNE, Action.STOP]
    assert decisions[0].reason == "WilcoxonPruner after 4 of 5 folds against trial 0: p < 0.1"
    assert race.planned_fold_epochs == round(2 * 4 + 1.5 * 1)


def test_a_looser_threshold_stops_a_fold_earlier() -> None:
    race = FinishingRace(OptunaWilcoxon(RaceConfig(2, 5, 1), p_threshold=0.2))
    scores = np.array([[0.9, 0.8, 0.85, 0.95, 0.9], [0.1, 0.2, 0.3, 0.1, 0.2]])[:, :, None]
    simulate(race, scores, 1)
    assert spent(race) == [5, 3]


def test_a_trial_whose_folds_fail_one_after_another_fails_once_for_optuna() -> None:
    race = race_of(OptunaSuccessiveHalving, trials=1, folds=2, max_t=3)
    for _ in range(2):
        run_leg(race, start_next(race), 0.5)
    first, second = start_next(race), start_next(race)
    assert race.apply(LegFailed(0, first.fold, 1, "exception", "boom"))[0].action is Action.FAIL
    assert epoch(race, second, 2, float("nan"))[-1].action is Action.STOP
    assert states(race) == {0: State.FAIL} and race.done


@pytest.mark.parametrize("p_threshold", [0, 1.5, -1])
def test_a_threshold_that_is_no_probability_is_refused(p_threshold: float) -> None:
    with pytest.raises(SearchSpaceError, match=r"p_threshold=.* must be above 0 and at most 1"):
        OptunaWilcoxon(RaceConfig(2, 5, 1), p_threshold=p_threshold)


def test_hyperband_plans_between_halving_and_everything() -> None:
    numbers = {"trials": 30, "folds": 3, "max_t": 18, "grace_period": 2}
    halving = race_of(OptunaSuccessiveHalving, **numbers).planned_fold_epochs
    assert halving < race_of(OptunaHyperband, **numbers).planned_fold_epochs < 30 * 3 * 18
