"""The three forms of ASHA stop what Ray's own scheduler stops, fed with the same scores in the same order."""

from types import SimpleNamespace

import numpy as np
import pytest
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from orchestrator.core.events import Action, Decision
from orchestrator.race.baselines import FoldMeanASHA, PerFoldASHA, PooledASHA
from orchestrator.race.finishing import FinishingRace
from tests.support.scenes import epoch, race_of, start_next

NUMBERS = pytest.mark.parametrize("factor, max_t", [(3, 18), (2, 9), (4, 20), (3, 9)])
MODES = pytest.mark.parametrize("mode, sign", [("max", 1), ("min", -1)])


class Ray:
    """The real scheduler, without Ray running. A trial is known by any name."""

    def __init__(self, max_t: int, factor: int, mode: str) -> None:
        self._scheduler = AsyncHyperBandScheduler(
            "epoch", "score", mode, max_t=max_t, grace_period=2, reduction_factor=factor
        )
        self._trials: dict[object, SimpleNamespace] = {}

    def stops(self, name: object, number: int, score: float) -> bool:
        if name not in self._trials:
            self._trials[name] = SimpleNamespace(trial_id=str(name))
            self._scheduler.on_trial_add(None, self._trials[name])
        result = {"epoch": number, "score": score}
        answer = self._scheduler.on_trial_result(None, self._trials[name], result)
        return bool(answer == TrialScheduler.STOP)


class Drawn:
    """Five slots whose epochs end in random order with random scores; yields what the race said."""

    def __init__(self, race: FinishingRace, seed: int) -> None:
        self.race, self.rng = race, np.random.default_rng(seed)
        self.scores: dict[tuple[int, int], list[float]] = {}

    def __iter__(self):  # type: ignore[no-untyped-def]
        running: dict[tuple[int, int], object] = {}
        while not self.race.done:
            while len(running) < 5 and self.race.next() is not None:
                leg = start_next(self.race)
                running[leg.trial, leg.fold] = leg
            key = list(running)[self.rng.integers(len(running))]
            curve = self.scores.setdefault(key, [])
            curve.append(float(self.rng.normal()))
            decisions = epoch(self.race, running[key], len(curve), curve[-1])  # type: ignore[arg-type]
            own = decisions[-1]
            if own.leg is not None:
                running[key] = start_next(self.race)
            elif own.action is not Action.CONTINUE:
                del running[key]
            yield key, len(curve), curve[-1], decisions


@NUMBERS
@MODES
@pytest.mark.parametrize("rule", [PooledASHA, PerFoldASHA])
def test_a_fold_run_stops_where_rays_scheduler_stops_it(
    rule: type[PooledASHA], mode: str, sign: int, factor: int, max_t: int
) -> None:
    race = race_of(rule, trials=30, folds=3, max_t=max_t, grace_period=2, reduction_factor=factor, mode=mode)
    lists = 3 if rule is PerFoldASHA else 1  # a scheduler of its own for each fold, or one for all
    rays = [Ray(max_t, factor, mode) for _ in range(lists)]
    stopped, early = 0, 0
    for (trial, fold), number, score, decisions in Drawn(race, factor):
        expected = rays[fold % lists].stops((trial, fold), number, score)
        assert (decisions[-1].action is Action.STOP) == expected
        stopped += expected
        early += expected and number < max_t
    assert stopped == 90 and 40 < early < 90


@NUMBERS
@MODES
def test_a_trial_is_pruned_where_rays_scheduler_stops_its_mean_curve(
    mode: str, sign: int, factor: int, max_t: int
) -> None:
    race = race_of(
        FoldMeanASHA, trials=30, folds=3, max_t=max_t, grace_period=2, reduction_factor=factor, mode=mode
    )
    ray = Ray(max_t, factor, mode)
    drawn = Drawn(race, factor)
    reported: dict[int, int] = {}
    ends: dict[int, int] = {}
    for (trial, _), _, _, decisions in drawn:
        curves = [drawn.scores.get((trial, fold), []) for fold in range(3)]
        number = reported.get(trial, 0)
        expected = False
        while number < min(map(len, curves)) and not expected:
            number += 1
            mean = sum(curve[number - 1] for curve in curves) / 3
            expected = ray.stops(trial, number, mean)
        reported[trial] = number
        assert ended(decisions) == expected
        if expected:
            ends[trial] = number
    assert len(ends) == 30 and 15 <= sum(number < max_t for number in ends.values()) < 30


def ended(decisions: list[Decision]) -> bool:
    return any(item.action in (Action.PRUNE, Action.COMPLETE) for item in decisions)
