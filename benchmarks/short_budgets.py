"""What a short time budget hands in: this tool's race, and a loop over configurations without any stopping.

    python -m benchmarks.short_budgets drawn jumping TABLE ... --draws 60    # prints rows of a table
    python -m benchmarks.short_budgets drawn jumping --budgets 2000 4000

TABLE is a folder of `benchmarks.stored_tables`; its votes are scored on rows that nothing was trained on.
Drawn curves are scored by what the chosen epochs are worth without noise. Two slots in virtual time: a
fold-epoch takes a second on the average (0.5 to 2 by trial), a slot 9 s to its first one, and a budget of 120
fold-epochs is 60 s after that. At a half and at the end of the budget, and when the race is done, a vote is
handed in as `orchestrator.ensemble` makes it: of complete trials or, where there is none yet, of those that
own all folds; of drawn curves the best trial's. The loop runs all folds of configuration after configuration
to the end and hands in the one with most complete folds, of equals the best.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.ensemble_race import Curves as TableCurves
from benchmarks.ensemble_race import macro_f1
from benchmarks.stored_tables import METRIC, StoredTable
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
)
from orchestrator.evaluation.choose_vote import TOP, choose_vote
from orchestrator.evaluation.pool import Pool
from orchestrator.progress import progress_bar
from orchestrator.race import FinishingRace, RaceConfig, make_race
from orchestrator.race.simulate.synthetic import EPOCH_SD, FOLD_SD, JUMP_SD, RUN_SD, draw_base

SLOTS, STARTUP_S, COHORT, DRAWN = 2, 9.0, 64, 400
BUDGETS = (60, 90, 120, 180, 240, 300, 400)
TEST_ROWS = 1000
Epochs = NDArray[np.int64]
"""(trials, folds) epochs that have ended."""
Bests = Mapping[int, int]
"""Fold -> its best epoch so far, from 0; folds without an epoch are left out."""


@dataclass(frozen=True)
class Curves:
    """What trials score, and what is handed in is worth."""

    scores: Floats  # (trials, folds, epochs)
    seconds: Floats  # (trials,) that an epoch takes
    worth: Callable[[int, Bests], float]  # of one trial's folds
    vote: Callable[[Mapping[int, Bests], int], float] | None = None  # of a pool, and members if uniform

    def bests(self, trial: int, epochs: Sequence[int]) -> dict[int, int]:
        own = self.scores[trial]
        return {fold: int(own[fold, :count].argmax()) for fold, count in enumerate(epochs) if count}

    def cv(self, trial: int, epochs: Sequence[int]) -> float:
        own = self.scores[trial]
        return float(np.mean([own[fold, epoch] for fold, epoch in self.bests(trial, epochs).items()]))


@dataclass
class Progress:
    """What has ended so far, and what had at each mark."""

    epochs: Epochs
    marks: Sequence[float]  # seconds
    complete: set[int] = field(default_factory=set)
    at: dict[float, tuple[Epochs, frozenset[int]]] = field(default_factory=dict)  # mark -> as it was then

    def reaches(self, now: float) -> None:
        """Nothing more ends before `now`."""
        for mark in self.marks:
            if mark < now and mark not in self.at:
                self.at[mark] = self.epochs.copy(), frozenset(self.complete)


# ---- two ways to spend a budget -------------------------------------------------------------------


def race_until(curves: Curves, seconds: float, marks: Sequence[float]) -> tuple[Progress, float]:
    """This tool's race under a time budget, and when it was done."""
    trials, folds, epochs = curves.scores.shape
    cohort = min(trials, COHORT)

    def fresh(count: int) -> FinishingRace:
        return make_race("fold_asha", RaceConfig(trials=count, folds=folds, max_t=epochs))

    race = fresh(cohort)
    clock = Clock(curves, race, Progress(np.zeros((trials, folds), np.int64), marks))
    bounds = Bounds(race.finalists, folds, epochs, SLOTS, cohort, cohort, trials)
    clock.run(
        BudgetController(
            race, race, Budget(seconds=seconds), bounds,
            lambda count: fresh(count).planned_fold_epochs, lambda: clock.now,
        )
    )  # fmt: skip
    clock.progress.reaches(np.inf)
    return clock.progress, clock.now


class Clock:
    """Virtual time: asks as the driver does."""

    def __init__(self, curves: Curves, race: FinishingRace, progress: Progress) -> None:
        self.curves, self.race, self.progress = curves, race, progress
        self.now, self._order = 0.0, 0
        self._running: dict[FoldRunKey, Leg] = {}
        self._ends: list[tuple[float, int, FoldRunKey]] = []
        self._known: set[int] = set()
        self._free = [STARTUP_S] * SLOTS  # what each free slot waits before its next epoch

    def run(self, controller: BudgetController) -> None:
        self._controller = controller
        self._heed()
        while not self.race.done:
            while self._free and (leg := self.race.next()) is not None:
                self._start(leg, self._free.pop())
                self._heed()
            self._advance()
            self._heed()

    def _heed(self) -> None:
        while (action := self._controller.now(self._running)) is not None:
            self._take(action)

    def _take(self, event: RaceEvent) -> list[Decision]:
        if (sooner := self._controller.before(event, self._running)) is not None:
            self._take(sooner)
        decided = self.race.apply(event)
        self.progress.complete |= {item.trial for item in decided if item.action is Action.COMPLETE}
        return decided

    def _start(self, leg: Leg, waits: float = 0.0) -> None:
        if leg.trial not in self._known:
            self._known.add(leg.trial)
            self._take(Proposed(leg.trial, {}))
        self._take(LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative, leg.reason))
        self._running[leg.key] = leg
        self._push(leg.key, waits)

    def _push(self, key: FoldRunKey, waits: float = 0.0) -> None:
        self._order += 1
        end = self.now + waits + float(self.curves.seconds[key.trial])
        heapq.heappush(self._ends, (end, self._order, key))

    def _advance(self) -> None:
        then, _, key = heapq.heappop(self._ends)
        self.progress.reaches(then)
        self.now = then
        epoch = self.race.book.runs.get(key.trial, key.fold).epochs + 1
        at = key.trial, key.fold
        self.progress.epochs[at] = max(epoch, self.progress.epochs[at])
        score = float(self.curves.scores[key.trial, key.fold, epoch - 1])
        seconds = float(self.curves.seconds[key.trial])
        own = self._take(EpochEnded(key.trial, key.fold, epoch, score, seconds=seconds))[-1]
        if own.action is not Action.CONTINUE:
            del self._running[key]
            self._free.append(0.0)
        elif own.leg is not None:
            self._start(own.leg)
        else:
            self._push(key)


def loop_until(curves: Curves, marks: Sequence[float]) -> Progress:
    """All folds of configuration after configuration, each to the end."""
    trials, folds, epochs = curves.scores.shape
    progress = Progress(np.zeros((trials, folds), np.int64), marks)
    free, ends = [STARTUP_S] * SLOTS, []
    for trial in range(trials):
        for fold in range(folds):
            begin = heapq.heappop(free)
            ends += [(begin + (epoch + 1) * curves.seconds[trial], trial, fold) for epoch in range(epochs)]
            heapq.heappush(free, begin + epochs * curves.seconds[trial])
        if min(free) > max(marks):
            break
    for then, trial, fold in sorted(ends):
        progress.reaches(then)
        progress.epochs[trial, fold] += 1
    progress.reaches(np.inf)
    return progress


# ---- what is handed in ----------------------------------------------------------------------------


def handed_in(curves: Curves, epochs: Epochs, complete: Collection[int]) -> float:
    """0 where no trial owns all folds."""
    owners = [trial for trial in range(len(epochs)) if epochs[trial].all()]
    if not owners:
        return 0.0
    voters = sorted(complete) or owners
    if curves.vote is not None:
        return curves.vote({trial: curves.bests(trial, epochs[trial]) for trial in owners}, len(voters))
    best = max(voters, key=lambda trial: curves.cv(trial, epochs[trial]))
    return curves.worth(best, curves.bests(best, epochs[best]))


def handed_in_by_loop(curves: Curves, epochs: Epochs) -> float:
    """Folds under way count with what they have; 0 before the first epoch."""
    full = (epochs == curves.scores.shape[2]).sum(axis=1)
    begun = np.flatnonzero(epochs.any(axis=1)).tolist()
    if not begun:
        return 0.0
    best = max(begun, key=lambda trial: (full[trial], curves.cv(trial, epochs[trial])))
    return curves.worth(best, curves.bests(best, epochs[best]))


# ---- worlds ---------------------------------------------------------------------------------------


def epoch_seconds(trials: int, rng: np.random.Generator) -> Floats:
    seconds: Floats = np.exp(rng.uniform(np.log(0.5), np.log(2.0), trials))
    mean: Floats = seconds / seconds.mean()
    return mean


def drawn(rng: np.random.Generator, jumping: bool, trials: int = DRAWN) -> Curves:
    """As `race.simulate.synthetic` draws them; half of the noise is worth something, half is luck."""
    size = trials, 5, 18
    own, luck = ([rng.normal(0, RUN_SD, (trials, 5, 1)), rng.normal(0, 1, size)] for _ in range(2))
    sd = (JUMP_SD * np.exp(rng.normal(0, 0.5, trials)))[:, None, None] if jumping else EPOCH_SD
    base = draw_base(trials, 18, rng, pace=0.8 if jumping else 1.0)[:, None, :]
    worth = base + np.sqrt(0.5) * (own[0] + sd * own[1])
    scores = worth + rng.normal(0, FOLD_SD, (1, 5, 1)) + np.sqrt(0.5) * (luck[0] + sd * luck[1])

    def mean(trial: int, bests: Bests) -> float:
        return float(np.mean([worth[trial, fold, epoch] for fold, epoch in bests.items()]))

    return Curves(scores, epoch_seconds(trials, rng), mean)


class Stored:
    """A stored table, drawn from: trials in another order, folds too."""

    def __init__(self, table: StoredTable) -> None:
        self.table, self._scores = table, TableCurves(table).scores
        rows = np.linspace(0, len(table.test_labels) - 1, min(TEST_ROWS, len(table.test_labels)))
        self._rows = rows.astype(np.int64)
        self._labels = np.asarray(table.test_labels)[self._rows]
        self._codes = np.unique(np.asarray(table.groups), return_inverse=True)[1]

    def draw(self, rng: np.random.Generator) -> Curves:
        trials, folds = (rng.permutation(count) for count in self._scores.shape[:2])

        def own(bests: Bests) -> dict[int, int]:
            return {int(folds[fold]): epoch for fold, epoch in bests.items()}

        def worth(trial: int, bests: Bests) -> float:
            return self._score(self._answers(int(trials[trial]), own(bests)))

        def vote(pool: Mapping[int, Bests], voters: int) -> float:
            return self._vote({int(trials[trial]): own(bests) for trial, bests in pool.items()}, voters)

        return Curves(self._scores[trials][:, folds], epoch_seconds(len(trials), rng), worth, vote)

    def _answers(self, trial: int, bests: Bests) -> NDArray[np.float32]:
        """(rows, C) of held-out rows: the mean of the folds' models."""
        own = self.table.test[trial]
        answers = [own[fold, epoch][self._rows].astype(np.float32) for fold, epoch in bests.items()]
        mean: NDArray[np.float32] = np.mean(answers, axis=0)
        return mean

    def _score(self, answers: NDArray[np.floating]) -> float:
        return float(macro_f1(self._labels, answers, self.table.validation.shape[3]))

    def _vote(self, pool: Mapping[int, Bests], voters: int) -> float:
        """`--vote auto`."""
        folds, rows = np.asarray(self.table.folds), np.arange(len(self.table.labels))
        oof = [
            self.table.validation[trial][np.array([bests[fold] for fold in range(len(bests))])[folds], rows]
            for trial, bests in pool.items()
        ]
        candidates = Pool(
            members=np.stack(oof).astype(np.float32), names=tuple(f"trial {trial}" for trial in pool),
            labels=np.asarray(self.table.labels), folds=folds, codes=self._codes, metric=METRIC, mode="max",
        )  # fmt: skip
        choice = choose_vote(candidates, top=min(TOP, voters), quick=True)
        answers = [self._answers(trial, bests) for trial, bests in pool.items()]
        return self._score(choice.fitted.apply(np.stack(answers)))


def world(name: str) -> Callable[[np.random.Generator], Curves]:
    if name in ("drawn", "jumping"):
        return lambda rng: drawn(rng, name == "jumping")
    return Stored(StoredTable.open(Path(name))).draw


# ---- what comes of it -----------------------------------------------------------------------------


def one_draw(curves: Curves, budget: int) -> list[float]:
    """Handed in at a half, at the end and when done; the loop's at a half and at the end; how long the race
    took as a share of the budget; complete trials; trials that ran."""
    seconds = STARTUP_S + budget / SLOTS
    marks = (STARTUP_S + budget / SLOTS / 2, seconds)
    race, ended = race_until(curves, seconds, marks)
    loop = loop_until(curves, marks)
    own = [*(race.at[mark] for mark in marks), (race.epochs, frozenset(race.complete))]
    scores = [handed_in(curves, *item) for item in own]
    scores += [handed_in_by_loop(curves, loop.at[mark][0]) for mark in marks]
    return [*scores, ended / seconds, len(race.complete), int(race.epochs.any(axis=1).sum())]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("worlds", nargs="+", help="drawn, jumping, or folders of benchmarks.stored_tables")
    parser.add_argument("--draws", type=int_at_least(1), default=60)
    parser.add_argument("--budgets", type=int_at_least(1), nargs="+", default=BUDGETS, help="fold-epochs")
    given = parser.parse_args(arguments)
    print("| world | budget | half | end | done | loop, half | loop, end | time | complete | trials |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in given.worlds:
        draw = world(name)
        for budget in given.budgets:
            rows = []
            with progress_bar(f"{Path(name).name}, {budget} fold-epochs") as told:
                for seed in range(given.draws):
                    rows.append(one_draw(draw(np.random.default_rng(seed)), budget))
                    told(seed + 1, given.draws)
            mean = np.mean(rows, axis=0)
            scores = " | ".join(f"{value:.3f}" for value in mean[:5])
            rest = f"{mean[5]:.2f} | {mean[6]:.1f} | {mean[7]:.0f}"
            print(f"| {Path(name).name} | {budget} | {scores} | {rest} |", flush=True)


if __name__ == "__main__":
    main()
