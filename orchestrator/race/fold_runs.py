"""What every rule keeps of its fold runs: state, epochs stored, running best, epochs spent, failures."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from orchestrator.core.events import EpochEnded, Leg, LegFailed, LegStarted
from orchestrator.core.text import counted


@dataclass
class FoldRun:
    """One trial on one fold, as far as a race knows it. Larger scores are better whatever the mode."""

    trial: int
    fold: int
    bests: list[float] = field(default_factory=list)  # [e - 1] is the running best after e epochs
    falls: list[float] = field(default_factory=list)  # [e - 1]: below the best so far, summed to epoch e
    leg: Leg | None = None  # the one under way
    latest: float = 0.0  # the last epoch's own score
    failures: Counter[str] = field(default_factory=Counter)  # by kind, since the last new epoch
    aside: tuple[list[float], list[float]] = ([], [])  # bests and falls when its trial failed

    @property
    def epochs(self) -> int:
        """Epochs stored."""
        return len(self.bests)

    @property
    def running(self) -> bool:
        return self.leg is not None

    @property
    def inside_leg(self) -> bool:
        """Whether epochs of the leg under way are still to come."""
        return self.leg is not None and self.epochs < self.leg.end


class FoldRuns:
    """All fold runs of a race, `folds` for each trial, and what they have spent."""

    def __init__(self, folds: int, max_t: int, mode: str) -> None:
        self.folds = folds
        self.max_t = max_t
        self.sign = 1.0 if mode == "max" else -1.0
        self.spent: list[int] = []  # fold-epochs by trial
        self.total_spent = 0
        self.running: set[tuple[int, int]] = set()
        self._rows: list[list[FoldRun]] = []

    def grow(self, trials: int) -> None:
        for trial in range(len(self._rows), trials):
            self._rows.append([FoldRun(trial, fold) for fold in range(self.folds)])
            self.spent.append(0)

    @property
    def trials(self) -> int:
        return len(self._rows)

    def of(self, trial: int) -> list[FoldRun]:
        return self._rows[trial]

    def get(self, trial: int, fold: int) -> FoldRun:
        """Raises ValueError for a fold run that does not exist."""
        if not (0 <= trial < len(self._rows) and 0 <= fold < self.folds):
            raise ValueError(f"no trial {trial} fold {fold} in {self.trials} trials x {self.folds} folds")
        return self._rows[trial][fold]

    def start(self, event: LegStarted) -> FoldRun:
        """Raises ValueError when the leg does not continue what is stored."""
        run = self.get(event.trial, event.fold)
        if run.running or event.start != run.epochs or not event.start < event.end <= self.max_t:
            state = "running" if run.running else f"stopped after {counted(run.epochs, 'epoch')}"
            raise ValueError(
                f"trial {event.trial} fold {event.fold} is {state} of {self.max_t}: "
                f"no leg {event.start}-{event.end} can start"
            )
        run.leg = event.leg
        self.running.add((event.trial, event.fold))
        return run

    def end_epoch(self, event: EpochEnded) -> FoldRun:
        """Adds an epoch; the caller has made sure that its score is finite. Raises ValueError."""
        run = self.under_way(event)
        if event.epoch != run.epochs + 1:
            raise ValueError(
                f"trial {event.trial} fold {event.fold} reports epoch {event.epoch} after {run.epochs} stored"
            )
        score = self.sign * event.score
        run.bests.append(max(score, run.bests[-1]) if run.bests else score)
        run.falls.append(run.bests[-1] - score + (run.falls[-1] if run.falls else 0.0))
        run.latest = score
        run.failures.clear()
        self._spend(event.trial)
        return run

    def under_way(self, event: EpochEnded | LegFailed) -> FoldRun:
        run = self.get(event.trial, event.fold)
        if not run.running:
            raise ValueError(
                f"trial {event.trial} fold {event.fold} does not run: no {event.kind} can follow"
            )
        return run

    def wasted_epoch(self, event: EpochEnded) -> FoldRun:
        """An epoch that ran but whose score is not finite: spent, not stored."""
        run = self.under_way(event)
        self._spend(event.trial)
        return run

    def park(self, run: FoldRun) -> None:
        run.leg = None
        self.running.discard((run.trial, run.fold))

    def rewind(self, run: FoldRun, epochs: int) -> None:
        """What is stored goes back to `epochs`, 0 when it was deleted."""
        del run.bests[epochs:], run.falls[epochs:]

    def set_aside(self, run: FoldRun) -> None:
        """Its trial failed: what is stored stays where it is, out of the race."""
        if run.bests:
            run.aside = run.bests, run.falls
        run.bests, run.falls = [], []

    def take_up(self, run: FoldRun, epochs: int) -> None:
        """Its trial is in the race again, with so many of the epochs it had."""
        bests, falls = run.aside
        assert epochs <= len(bests)  # whoever calls has asked `epochs_set_aside`
        run.bests, run.falls, run.aside = bests[:epochs], falls[:epochs], ([], [])
        run.failures.clear()

    def mean(self, trial: int, folds: tuple[int, ...], epochs: int) -> float:
        """Mean running best over `folds` after `epochs` epochs; larger is better."""
        row = self._rows[trial]
        return math.fsum(row[fold].bests[epochs - 1] for fold in folds) / len(folds)

    def mean_fall(self, trial: int, folds: tuple[int, ...], epochs: int) -> float:
        """How far an epoch's own score lies below the best up to it: the mean over `folds` and epochs 2 to
        `epochs`. 0 where scores only rise, and after one epoch."""
        row = self._rows[trial]
        total = math.fsum(row[fold].falls[epochs - 1] for fold in folds)
        return total / (len(folds) * max(epochs - 1, 1))

    def full(self, trial: int) -> int:
        """Folds at full length."""
        return sum(run.epochs >= self.max_t for run in self._rows[trial])

    def _spend(self, trial: int) -> None:
        self.spent[trial] += 1
        self.total_spent += 1
