"""Do Bayesian proposals help over random ones at equal cost? On tables of learning curves.

    python -m benchmarks.proposals benchmarks/tables/fashion --space search_spaces/curves/fashion.py

A sampler proposes anywhere in the space, a table knows some configurations, so two worlds stand in:

- surrogate: extremely randomised trees from configuration to learning curve, the table's fold effects and
  residuals drawn on top; the true score is the best of the curve without those;
- nearest: a proposal becomes the most similar configuration of the table not yet used in that race; the true
  score is its test score.

Trials climb the real race on one slot, on a ladder of fixed quotas; in several cohorts the later ones know
how the earlier ones ended.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.proposal_worlds import Nearest, Surrogate, World, load_curves
from orchestrator.core.errors import InputError
from orchestrator.core.events import Action, EpochEnded, Extended, Leg, LegStarted, Proposed, RaceEvent
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.rule import Rule
from orchestrator.sampling import Sampler, make_sampler
from orchestrator.space import SearchSpace
from orchestrator.space.loading import load_space

SAMPLERS = ("random", "tpe")


@dataclass
class Contest:
    """One race in one world. curves, truths: by trial, of what was proposed."""

    race: Rule
    sampler: Sampler
    world: World

    def run(self, trials: int, cohorts: int) -> tuple[float, int]:
        """True score of the chosen trial, fold-epochs spent."""
        proposed: list[int] = []
        for cohort in range(cohorts):
            if cohort:
                self._take(Extended(trials * (cohort + 1) // cohorts))
            while (leg := self.race.next()) is not None:
                if leg.trial == len(proposed):
                    proposed.append(leg.trial)
                    config = self.world.settle(leg.trial, self.sampler.propose(leg.trial))
                    self._take(Proposed(leg.trial, config))
                self._run_leg(leg)
        return self.world.truth(self.race.statuses()[0].trial), self.race.spent_fold_epochs

    def _run_leg(self, leg: Leg) -> None:
        self._take(LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative, leg.reason))
        scores = self.world.curve(leg.trial)[leg.fold]
        for epoch in range(leg.start + 1, leg.end + 1):
            event = EpochEnded(leg.trial, leg.fold, epoch, float(scores[epoch - 1]))
            self.sampler.observe(event)
            own = self.race.apply(event)[-1]
        if own.action is Action.CONTINUE and own.leg is not None:
            self._run_leg(own.leg)

    def _take(self, event: RaceEvent) -> None:
        self.race.apply(event)
        self.sampler.observe(event)


def contest(space: SearchSpace, world: World, name: str, cohorts: int, seed: int) -> tuple[float, int]:
    race = make_race(
        "fold_asha",
        RaceConfig(
            trials=space.trials // cohorts,
            folds=space.folds,
            max_t=space.max_t,
            mode=space.mode,
            ladder=ladder_of(space.trials // cohorts, space.folds, space.max_t),
        ),
    )
    return Contest(race, make_sampler(name, space, seed), world).run(space.trials, cohorts)


def ladder_of(trials: int, folds: int, max_t: int) -> list[tuple[int, int, int]]:
    """One whose quotas no score changes, so that every race costs the same: 64-21-7-3 of 18 epochs."""
    finalists = min(3, trials)
    shape = [(1, max_t // 9), (1, max_t // 3), (2, 2 * max_t // 3)]
    steps = [(*step, max(trials // 3**level, finalists)) for level, step in enumerate(shape)]
    return [*steps, (folds, max_t, finalists)]


def compare(space: SearchSpace, world: World, cohorts: int, draws: int) -> None:
    """Both samplers in the same `draws` worlds with the same first proposals: differences are paired."""
    started = time.monotonic()
    found = {name: np.zeros((draws, 2)) for name in SAMPLERS}
    for draw in range(draws):
        for name in SAMPLERS:
            world.begin(draw)
            found[name][draw] = contest(space, world, name, cohorts, draw)
    for name, rows in found.items():
        mean, half = interval(rows[:, 0])
        print(f"    {name:7} {mean:.4f} ± {half:.4f}   {rows[:, 1].mean():.0f} fold-epochs")
    mean, half = interval(found["tpe"][:, 0] - found["random"][:, 0])
    print(f"    gained  {mean:+.4f} ± {half:.4f}   ({draws} draws, {time.monotonic() - started:.0f} s)")


def interval(values: np.ndarray) -> tuple[float, float]:
    """Mean and half the width of its 95% interval."""
    return float(values.mean()), float(1.96 * values.std(ddof=1) / np.sqrt(len(values)))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("table", type=Path, help="folder with epochs.parquet and trials.parquet")
    add("--space", type=Path, required=True, help="what the table's configurations were drawn from")
    add("--draws", type=int, default=200)
    add("--trials", type=int, help="in a race of the surrogate (default: as many as the table has)")
    add("--cohorts", type=int, nargs="+", default=[1, 4])
    options = parser.parse_args(argv)
    full = load_space(options.space)
    curves = load_curves(options.table)
    worlds: list[tuple[World, int]] = [
        (Surrogate(full, curves), options.trials or len(curves.configs)),
        (Nearest(full, curves), len(curves.configs) // 2),
    ]
    for world, trials in worlds:
        folds, max_t = curves.scores.shape[1:]
        space = replace(full, trials=trials, folds=folds, max_t=max_t, ladder=None)
        for cohorts in options.cohorts:
            print(f"{options.table.name}, {world}: {cohorts} x {trials // cohorts} trials")
            compare(space, world, cohorts, options.draws)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(str(error)) from None
