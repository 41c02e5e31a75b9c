"""All baselines in random worlds: failures, resumes, an extension, fewer trials, a budget that runs out."""

import numpy as np
import pytest

from orchestrator.core.events import BudgetSpent, Shortened, State, from_json, to_json
from orchestrator.race.baselines import (
    Aggressive,
    Exhaustive,
    FoldMeanASHA,
    Forgiving,
    PerFoldASHA,
    PooledASHA,
    SequentialCV,
    TopKAfterEpochs,
)
from orchestrator.race.baselines.optuna_rules import (
    OptunaHyperband,
    OptunaSuccessiveHalving,
    OptunaWilcoxon,
)
from orchestrator.race.rule import Rule
from orchestrator.race.simulate import simulate
from tests.support.scenes import Storm, race_of, snapshot, states

RULES = [
    *(
        Exhaustive,
        SequentialCV,
        PooledASHA,
        PerFoldASHA,
        FoldMeanASHA,
        TopKAfterEpochs,
        Forgiving,
        Aggressive,
    ),
    *(OptunaWilcoxon, OptunaHyperband, OptunaSuccessiveHalving),
]
OUT = (State.COMPLETE, State.PRUNED, State.FAIL)


class HardStorm(Storm):
    """A storm in which the race may also be shortened, and its budget may run out."""

    spent = False

    def _one_thing(self) -> None:
        drawn = self.rng.random()
        if drawn < 0.01 and not self.spent:
            self.spent = True
            self.limit = 0  # no extension follows
            self._act(self.take(BudgetSpent("the time is up")), (-1, -1))
        elif drawn < 0.02:
            self._shorten()
        else:
            super()._one_thing()

    def _shorten(self) -> None:
        now = states(self.race)
        trials = 1 + max((trial for trial, state in now.items() if state is not State.WAITING), default=0)
        if trials < len(now):
            self._act(self.take(Shortened(trials)), (-1, -1))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(12))
def test_a_storm_neither_stalls_a_baseline_nor_breaks_its_contract(rule: type[Rule], seed: int) -> None:
    rng = np.random.default_rng(seed)
    trials, folds, max_t = int(rng.integers(1, 20)), int(rng.integers(1, 5)), int(rng.integers(1, 10))
    numbers = {"grace_period": int(rng.integers(1, max_t + 1)), "reduction_factor": int(rng.integers(2, 4))}
    race = race_of(
        rule, trials=trials, folds=folds, max_t=max_t, finalists=int(rng.integers(1, 4)), **numbers
    )
    HardStorm(race, seed, int(rng.integers(1, 7)), trials + 8, trouble=0.15).run()
    assert race.done and race.next() is None and not race.book.runs.running
    assert set(states(race).values()) <= set(OUT)
    for status in race.statuses():
        assert (status.folds_complete == folds) or status.state is not State.COMPLETE


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(6))
def test_a_replay_of_any_prefix_is_the_baseline_that_wrote_it(rule: type[Rule], seed: int) -> None:
    numbers = {"trials": 9, "folds": 3, "max_t": 6, "finalists": 2, "fold_order": (2, 0, 1)}
    storm = HardStorm(race_of(rule, **numbers), seed, 4, 14, trouble=0.12)
    storm.run()
    again = race_of(rule, **numbers)
    for event, shot in zip(storm.events, storm.shots, strict=True):
        again.apply(from_json(to_json(event)))  # type: ignore[arg-type]
        assert snapshot(again) == shot


@pytest.mark.parametrize("rule", RULES)
def test_to_ask_changes_nothing(rule: type[Rule]) -> None:
    scores = np.random.default_rng(1).random((12, 3, 6))
    asked, quiet = race_of(rule, trials=12, folds=3, max_t=6), race_of(rule, trials=12, folds=3, max_t=6)
    for event in simulate(quiet, scores, 3).events:
        for _ in range(3):
            snapshot(asked)
            asked.remaining_fold_epochs(5)
        asked.apply(event)
    assert snapshot(asked) == snapshot(quiet)


@pytest.mark.parametrize("rule", RULES)
def test_complete_trials_own_all_folds_and_lead_the_list_best_first(rule: type[Rule]) -> None:
    rng = np.random.default_rng(5)
    scores = np.maximum.accumulate(rng.random((20, 1, 1)) + 0.2 * rng.random((20, 3, 9)), axis=2)
    race = race_of(rule, trials=20, folds=3, max_t=9)
    simulate(race, scores, 4)
    complete = [status for status in race.statuses() if status.state is State.COMPLETE]
    assert complete and race.statuses()[: len(complete)] == complete
    means = [float(np.mean(scores[status.trial, :, -1])) for status in complete]
    assert [status.score for status in complete] == pytest.approx(means)
    assert means == sorted(means, reverse=True)
    assert all(status.folds_complete == 3 for status in complete)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("trials", [1, 7])
def test_a_plan_of_all_trials_is_the_plan_and_fewer_trials_need_less(rule: type[Rule], trials: int) -> None:
    race = race_of(rule, trials=trials, folds=4, max_t=9)
    assert race.remaining_fold_epochs(trials) == race.planned_fold_epochs
    assert 0 < race.planned_fold_epochs <= trials * 4 * 9
    assert trials == 1 or race.remaining_fold_epochs(trials - 1) < race.planned_fold_epochs
    assert str(trials) in race.describe()
