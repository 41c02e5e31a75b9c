"""What a race holds at once, in simulated races, against the bound that a disk is asked to have room for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from orchestrator.core.events import State
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.most_held import most_held
from orchestrator.race.simulate import simulate
from orchestrator.race.simulate.synthetic import draw_curves, draw_jumping


class Watched:
    """A race that counts, after each event, the fold runs whose files a store would hold."""

    def __init__(self, rule: str, cfg: RaceConfig) -> None:
        self._race = make_race(rule, cfg)
        self.unfinished = self.finished = self.epochs = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._race, name)

    def apply(self, event: Any) -> Any:
        decided = self._race.apply(event)
        self.epochs = self._race.spent_fold_epochs
        unfinished = finished = 0
        for trial in range(self._race.book.runs.trials):
            rows = self._race.book.runs.of(trial)
            begun = sum(bool(run.epochs or run.running) for run in rows)
            state = self._race.state(trial)
            finished += begun if state is State.COMPLETE else 0
            unfinished += begun if state not in (State.COMPLETE, State.PRUNED, State.FAIL) else 0
        self.unfinished, self.finished = max(self.unfinished, unfinished), max(self.finished, finished)
        self.both = max(getattr(self, "both", 0), unfinished + finished)
        return decided


@pytest.mark.parametrize("slots", [1, 5])
@pytest.mark.parametrize("rule", ["fold_asha", "exhaustive", "sequential_cv", "fold_mean_asha"])
def test_no_simulated_race_holds_more_than_the_bound(rule: str, slots: int) -> None:
    for seed, (trials, folds, max_t) in enumerate([(24, 5, 9), (12, 3, 18), (7, 2, 4)]):
        cfg = RaceConfig(trials=trials, folds=folds, max_t=max_t)
        drawn = draw_jumping if seed % 2 else draw_curves
        race = Watched(rule, cfg)
        simulate(race, drawn(trials, folds, max_t, np.random.default_rng(seed)).scores, slots, record=False)
        held = most_held(rule, cfg, slots)
        assert race.unfinished <= held.unfinished
        assert race.both <= held.unfinished + held.finished
        assert race.epochs <= held.fold_epochs
        assert held.unfinished <= trials * folds and held.fold_epochs <= trials * folds * max_t


def test_finalists_that_wait_for_each_other_with_all_folds_surely_hold_them_at_once() -> None:
    cfg = RaceConfig(trials=20, folds=5, max_t=18)
    race = Watched("fold_asha", cfg)
    simulate(race, draw_curves(20, 5, 18, np.random.default_rng(0)).scores, 4, record=False)
    assert race.both >= most_held("fold_asha", cfg, 4).surely == 3 * 5
    assert most_held("exhaustive", cfg, 4).surely == 5
