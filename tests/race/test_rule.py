"""The contract of a rule: four methods are enough for whatever a study lives through."""

from __future__ import annotations

from dataclasses import fields

import pytest

from orchestrator.core.events import Action, BudgetSpent, Decision, Extended, Leg, State
from orchestrator.race import RULES, FinishingRace, RaceConfig, Rule, config_from, make_race, rule_class
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.waiting_queue import WaitingQueue
from tests.support.scenes import Storm, race_of, run_leg, snapshot, start_next, states


class BelowAHalfIsOut(Rule):
    """A rule as somebody would add it: a trial whose first epoch scores below 0.5 is out."""

    def __init__(self, cfg: RaceConfig) -> None:
        super().__init__(cfg)
        self._waiting = WaitingQueue(self.book)

    def next(self) -> Leg | None:
        return self._waiting.leg(lambda run: "in the order of trials")

    def on_epoch(self, run: FoldRun) -> list[Decision]:
        if run.trial not in self.book.final and run.bests[0] < 0.5:
            return self.prune(run.trial, f"{run.bests[0]:.2f} is below 0.5")
        return self.complete_if_full(run)

    @classmethod
    def planned(cls, cfg: RaceConfig) -> int:
        return cfg.trials * cfg.folds * cfg.max_t

    def describe(self) -> str:
        return "all that score at least 0.5"


@pytest.mark.parametrize("seed", range(15))
def test_four_methods_are_a_rule_that_weathers_storms(seed: int) -> None:
    numbers = {"trials": 9, "folds": 3, "max_t": 4}
    storm = Storm(race_of(BelowAHalfIsOut, **numbers), seed, 3, 14, trouble=0.15)
    storm.run()
    assert storm.race.done and set(states(storm.race).values()) <= {State.COMPLETE, State.PRUNED, State.FAIL}
    again = race_of(BelowAHalfIsOut, **numbers)
    for event, shot in zip(storm.events, storm.shots, strict=True):
        again.apply(event)
        assert snapshot(again) == shot


def test_the_end_of_a_budget_comes_from_outside_the_rule() -> None:
    race = race_of(BelowAHalfIsOut, trials=4, folds=1, max_t=2, finalists=1)
    assert run_leg(race, start_next(race), 0.4)[-1].action is Action.STOP
    first, second = start_next(race), start_next(race)
    run_leg(race, first, 0.6)
    decisions = race.apply(BudgetSpent("the time is up"))
    assert [(item.action, item.trial) for item in decisions] == [(Action.PRUNE, 2), (Action.PRUNE, 3)]
    assert not race.done and race.next() is None  # trial 2 has its slot until its next report
    assert run_leg(race, second, 0.9)[-1].action is Action.STOP
    assert race.done and states(race)[1] is State.COMPLETE


@pytest.mark.parametrize("event", [BudgetSpent("again"), Extended(9)])
def test_a_race_whose_budget_is_spent_takes_no_more_of_it(event: BudgetSpent | Extended) -> None:
    race = race_of(BelowAHalfIsOut, trials=4, folds=1, max_t=2)
    race.apply(BudgetSpent("the time is up"))
    with pytest.raises(ValueError, match="the budget"):
        race.apply(event)


@pytest.mark.parametrize("name", sorted(RULES))
@pytest.mark.parametrize("trials", [1, 2, 64])
def test_a_plan_needs_no_race(name: str, trials: int) -> None:
    cfg = RaceConfig(trials, folds=3, max_t=9, grace_period=2, reduction_factor=2, finalists=2)
    assert rule_class(name).planned(cfg) == make_race(name, cfg).planned_fold_epochs


def test_a_knob_is_taken_from_whatever_declares_it() -> None:
    class Space:
        trials, folds, max_t, finalists, mode, other = 8, 3, 9, 2, "min", "no knob"

    cfg = config_from(Space(), fold_order=(2, 0, 1))
    assert cfg == RaceConfig(8, 3, 9, finalists=2, mode="min", fold_order=(2, 0, 1))


def test_what_a_bare_rule_cannot_take_is_said() -> None:
    rule = BelowAHalfIsOut(RaceConfig(2, 1, 1))
    with pytest.raises(ValueError, match="cannot take the event BudgetSpent"):
        rule.apply(BudgetSpent("the time is up"))
    assert FinishingRace(rule).apply(BudgetSpent("the time is up"))


def test_every_knob_says_what_it_means_and_where_it_begins() -> None:
    for knob in fields(RaceConfig):
        assert knob.name in ("mode", "fold_order", "ladder") or {"meaning", "least"} <= knob.metadata.keys()
