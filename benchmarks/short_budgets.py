"""What a short budget hands in: this tool's race under a time budget, and a loop without any stopping.

    python -m benchmarks.short_budgets drawn jumping TABLE ... --draws 200 --out short.json

TABLE is a folder of `benchmarks.stored_tables`; its votes are scored on rows that nothing was trained on.
Drawn curves are scored by what the chosen epochs are worth without noise. Two slots in virtual time: a
fold-epoch takes a second (of a trial, 0.5 to 2), a slot 9 s to its first one, and a budget of 120 fold-epochs
is 60 s after that. At a half and at the end of the budget, and when the search is done, the best trial is
handed in: by CV among the complete ones or, where there is none yet, among those that own all folds.
"""

from __future__ import annotations

import argparse
import heapq
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.budget import Bounds, Budget, BudgetController
from orchestrator.cli.arguments import int_at_least
from orchestrator.core.arrays import Floats
from orchestrator.core.events import (
    Action,
    Decision,
    EpochEnded,
    FoldRunKey,
    Leg,
    LegStarted,
    Proposed,
    RaceEvent,
    State,
)
from orchestrator.evaluation.choose_vote import choose_vote
from orchestrator.evaluation.pool import Pool
from orchestrator.progress import progress_bar
from orchestrator.race import FinishingRace, RaceConfig, make_race

SLOTS, STARTUP_S = 2, 9.0
BUDGETS = (60, 90, 120, 180, 240, 300, 400)
TEST_ROWS = 1000
Epochs = Sequence[int]
"""Of each fold, the epochs it has."""


@dataclass(frozen=True)
class Curves:
    """scores (trials, folds, epochs); worth: what a trial's folds are worth together at their best epochs
    (0-based, by fold; folds without an epoch left out)."""

    scores: Floats
    seconds: Floats  # (trials,) an epoch takes
    worth: Callable[[int, dict[int, int]], float]
    vote: Callable[[list[dict[int, int] | None], int], float] | None = None

    def best(self, trial: int, epochs: Epochs) -> dict[int, int]:
        """fold -> best epoch so far, from 0, of the folds that have one."""
        scores = self.scores[trial]
        return {fold: int(scores[fold, :count].argmax()) for fold, count in enumerate(epochs) if count}

    def cv(self, trial: int, epochs: Epochs) -> float:
        return float(np.mean([self.scores[trial, fold, at] for fold, at in self.best(trial, epochs).items()]))


@dataclass
class Done:
    """Epochs of each fold run, the trials that are complete, and what they were at each mark."""

    epochs: NDArray[np.int64]  # (trials, folds)
    complete: set[int] = field(default_factory=set)
    at: dict[float, tuple[NDArray[np.int64], frozenset[int]]] = field(default_factory=dict)  # seconds -> then

    def mark(self, seconds: Sequence[float], now: float) -> None:
        for second in seconds:
            if second <= now and second not in self.at:
                self.at[second] = self.epochs.copy(), frozenset(self.complete)


# ---- two ways to spend a budget -------------------------------------------------------------------


def race_until(curves: Curves, seconds: float, marks: Sequence[float], grows: bool) -> tuple[Done, float]:
    """This tool's race under a time budget; and when it was done."""
    trials, folds, epochs = curves.scores.shape
    begin = min(trials, 64)
    race = make_race("fold_asha", RaceConfig(trials=begin, folds=folds, max_t=epochs))
    most = trials if grows else begin
    clock = _Clock(curves, race, Done(np.zeros((trials, folds), np.int64)), marks)
    bounds = Bounds(race.book.cfg.finalists, folds, epochs, SLOTS, begin, begin, most)

    def plan(count: int) -> int:
        return make_race("fold_asha", RaceConfig(trials=count, folds=folds, max_t=epochs)).planned_fold_epochs

    clock.controller = BudgetController(race, race, Budget(seconds=seconds), bounds, plan, lambda: clock.now)
    clock.run()
    clock.done.mark(marks, np.inf)
    return clock.done, clock.now


class _Clock:
    """Asks as the driver does."""

    controller: BudgetController

    def __init__(self, curves: Curves, race: FinishingRace, done: Done, marks: Sequence[float]) -> None:
        self.curves, self.race, self.done, self.marks = curves, race, done, marks
        self.now, self._order = 0.0, 0
        self._running: dict[FoldRunKey, Leg] = {}
        self._ends: list[tuple[float, int, FoldRunKey]] = []
        self._known: set[int] = set()
        self._free = [STARTUP_S] * SLOTS  # what each free slot waits before its next epoch

    def run(self) -> None:
        self._heed()
        while not self.race.done:
            while len(self._running) < SLOTS and (leg := self.race.next()) is not None:
                self._start(leg, self._free.pop())
                self._heed()
            self._advance()
            self._heed()

    def _heed(self) -> None:
        while (action := self.controller.now(self._running)) is not None:
            self._take(action)

    def _take(self, event: RaceEvent) -> list[Decision]:
        if (sooner := self.controller.before(event, self._running)) is not None:
            self._take(sooner)
        decided = self.race.apply(event)
        self.done.complete |= {item.trial for item in decided if item.action is Action.COMPLETE}
        return decided

    def _start(self, leg: Leg, waits: float) -> None:
        if leg.trial not in self._known:
            self._known.add(leg.trial)
            self._take(Proposed(leg.trial, {}))
        self._take(LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative, leg.reason))
        self._running[leg.key] = leg
        self._push(leg.key, waits)

    def _push(self, key: FoldRunKey, waits: float = 0.0) -> None:
        self._order += 1
        heapq.heappush(self._ends, (self.now + waits + self.curves.seconds[key.trial], self._order, key))

    def _advance(self) -> None:
        then, _, key = heapq.heappop(self._ends)
        self.done.mark(self.marks, np.nextafter(then, 0.0))
        self.now = then
        epoch = self.race.book.runs.get(key.trial, key.fold).epochs + 1
        self.done.epochs[key.trial, key.fold] = max(epoch, self.done.epochs[key.trial, key.fold])
        score = float(self.curves.scores[key.trial, key.fold, epoch - 1])
        ended = EpochEnded(key.trial, key.fold, epoch, score, seconds=float(self.curves.seconds[key.trial]))
        own = self._take(ended)[-1]
        if own.action is not Action.CONTINUE:
            del self._running[key]
            self._free.append(0.0)
        elif own.leg is not None:
            self._start(own.leg, 0.0)
        else:
            self._push(key)


def loop_until(curves: Curves, marks: Sequence[float]) -> Done:
    """Configuration after configuration, all its folds to the end, on as many slots."""
    trials, folds, epochs = curves.scores.shape
    done = Done(np.zeros((trials, folds), np.int64))
    free = [STARTUP_S] * SLOTS
    ends: list[tuple[float, int, int]] = []
    for trial in range(trials):
        for fold in range(folds):
            begin = heapq.heappop(free) if len(free) == SLOTS or free else 0.0
            ends += [(begin + (epoch + 1) * curves.seconds[trial], trial, fold) for epoch in range(epochs)]
            heapq.heappush(free, begin + epochs * curves.seconds[trial])
    for then, trial, fold in sorted(ends):
        done.mark(marks, np.nextafter(then, 0.0))
        done.epochs[trial, fold] += 1
        if then > max(marks):
            break
    done.mark(marks, np.inf)
    return done


# ---- what is handed in ----------------------------------------------------------------------------


def of_race(curves: Curves, epochs: NDArray[np.int64], complete: frozenset[int]) -> float:
    """The best complete trial, else the best that owns all folds; 0 where there is none."""
    owners = complete or [trial for trial in range(len(epochs)) if epochs[trial].all()]
    if not owners:
        return 0.0
    if curves.vote is not None:
        ranked = sorted(owners, key=lambda trial: -curves.cv(trial, epochs[trial]))
        more = [trial for trial in range(len(epochs)) if epochs[trial].all() and trial not in owners]
        chosen = {trial: curves.best(trial, epochs[trial]) for trial in [*ranked, *more]}
        return curves.vote(chosen, min(3, len(owners)))
    best = max(owners, key=lambda trial: curves.cv(trial, epochs[trial]))
    return curves.worth(best, curves.best(best, epochs[best]))


def of_loop(curves: Curves, epochs: NDArray[np.int64]) -> float:
    """Most complete folds first, then the best mean; folds under way count."""
    full = (epochs == curves.scores.shape[2]).sum(axis=1)
    begun = [trial for trial in range(len(epochs)) if epochs[trial].any()]
    if not begun:
        return 0.0
    best = max(begun, key=lambda trial: (full[trial], curves.cv(trial, epochs[trial])))
    return curves.worth(best, curves.best(best, epochs[best]))


# ---- worlds ---------------------------------------------------------------------------------------


def drawn(trials: int, rng: np.random.Generator, jumping: bool) -> Curves:
    """Curves of `race.simulate.synthetic`, with what every epoch is worth."""
    from orchestrator.race.simulate import synthetic as own

    folds, epochs = 5, 18
    base = own.draw_base(trials, epochs, rng, pace=0.8 if jumping else 1.0)[:, None, :]
    worth = base + rng.normal(0, own.RUN_SD, (trials, folds, 1)) * np.sqrt(0.5)
    sd = (own.JUMP_SD * np.exp(rng.normal(0, 0.5, trials)))[:, None, None] if jumping else own.EPOCH_SD
    worth = worth + sd * np.sqrt(0.5) * rng.normal(0, 1, (trials, folds, epochs))
    luck = rng.normal(0, own.FOLD_SD, (1, folds, 1)) + rng.normal(
        0, own.RUN_SD, (trials, folds, 1)
    ) * np.sqrt(0.5)
    scores = worth + luck + sd * np.sqrt(0.5) * rng.normal(0, 1, worth.shape)

    def mean(trial: int, at: dict[int, int]) -> float:
        return float(np.mean([worth[trial, fold, epoch] for fold, epoch in at.items()]))

    return Curves(scores, _epoch_seconds(trials, rng), mean)


def _epoch_seconds(trials: int, rng: np.random.Generator) -> Floats:
    seconds: Floats = np.exp(rng.uniform(np.log(0.5), np.log(2.0), trials))
    return seconds / seconds.mean()


class Stored:
    """A stored table, drawn from."""

    def __init__(self, folder: Path) -> None:
        from benchmarks.ensemble_race import Curves as TableCurves
        from benchmarks.ensemble_race import macro_f1
        from benchmarks.stored_tables import StoredTable

        table = StoredTable.open(folder)
        own = TableCurves(table)
        self._table = table
        rows = np.linspace(0, len(table.test_labels) - 1, min(TEST_ROWS, len(table.test_labels))).astype(int)
        self._test, self._rows, self._labels = table.test, rows, np.asarray(table.test_labels)[rows]
        self._scores, self._macro_f1, self._classes = own.scores, macro_f1, own.classes
        self._cache: dict[tuple[int, tuple[tuple[int, int], ...]], float] = {}

    def draw(self, rng: np.random.Generator) -> Curves:
        trials = rng.permutation(len(self._scores))
        folds = rng.permutation(self._scores.shape[1])

        def worth(trial: int, at: dict[int, int]) -> float:
            return self._worth(trials[trial], tuple(sorted((folds[fold], e) for fold, e in at.items())))

        def vote(chosen, top):
            own = {int(trials[t]): {int(folds[f]): e for f, e in at.items()} for t, at in chosen.items()}
            return self._vote(own, top)

        return Curves(self._scores[trials][:, folds], _epoch_seconds(len(trials), rng), worth, vote)

    def _vote(self, chosen, top):
        table, n = self._table, np.arange(len(self._table.labels))
        folds = np.asarray(table.folds)
        members, tests = [], []
        for trial, at in chosen.items():
            epochs = np.array([at[f] for f in range(len(at))])
            members.append(table.validation[trial][epochs[folds], n].astype(np.float32))
            own = table.test[trial]
            tests.append(np.mean([own[f, e][self._rows].astype(np.float32) for f, e in at.items()], axis=0))
        groups = np.unique(np.asarray(table.groups), return_inverse=True)[1]
        pool = Pool(
            members=np.stack(members),
            names=tuple(f"trial {t}" for t in chosen),
            labels=np.asarray(table.labels),
            folds=folds,
            codes=groups,
            metric="macro_f1",
            mode="max",
        )
        found = choose_vote(pool, top=top, quick=True)
        answers = found.fitted.apply(np.stack(tests))
        return float(self._macro_f1(self._labels, answers, self._classes))

    def _worth(self, trial: int, at: tuple[tuple[int, int], ...]) -> float:
        key = trial, at
        if key not in self._cache:
            own = self._test[trial]
            vote = np.mean([own[fold, epoch][self._rows].astype(np.float32) for fold, epoch in at], axis=0)
            self._cache[key] = float(self._macro_f1(self._labels, vote, self._classes))
        return self._cache[key]


def world(name: str) -> Callable[[np.random.Generator], Curves]:
    if name in ("drawn", "jumping"):
        return lambda rng: drawn(64, rng, name == "jumping")
    return Stored(Path(name)).draw


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("worlds", nargs="+")
    parser.add_argument("--draws", type=int_at_least(1), default=200)
    parser.add_argument("--budgets", type=int_at_least(1), nargs="+", default=BUDGETS)
    parser.add_argument("--grows", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    found = []
    with progress_bar("draws") as bar:
        for name in given.worlds:
            draw = world(name)
            for budget in given.budgets:
                rows = []
                for seed in range(given.draws):
                    curves = draw(np.random.default_rng(seed))
                    seconds = STARTUP_S + budget / SLOTS
                    marks = (STARTUP_S + budget / SLOTS / 2, seconds)
                    done, ended = race_until(curves, seconds, marks, given.grows)
                    loop = loop_until(curves, marks)
                    own = [of_race(curves, *done.at[mark]) for mark in marks]
                    other = [of_loop(curves, loop.at[mark][0]) for mark in marks]
                    last = of_race(curves, done.epochs, frozenset(done.complete))
                    rows.append(
                        [
                            *own,
                            last,
                            *other,
                            ended / seconds,
                            len(done.complete),
                            done.epochs.any(axis=1).sum(),
                        ]
                    )
                    bar(seed, given.draws)
                mean = np.mean(rows, axis=0)
                found.append({"world": Path(name).name, "budget": budget, "mean": mean.tolist()})
                print(
                    f"{Path(name).name:10} {budget:5} | half {mean[0]:.4f} end {mean[1]:.4f} done {mean[2]:.4f} | loop {mean[3]:.4f} {mean[4]:.4f} | time {mean[5]:.2f} complete {mean[6]:.1f} trials {mean[7]:.0f}",
                    flush=True,
                )
    if given.out:
        given.out.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
