"""What the journal says of each fold run: its scores by epoch and which epoch is kept. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from orchestrator.core.events import EpochEnded, Event, FoldRunKey, LegFailed, LegStarted, Reopened
from orchestrator.study.epoch_choice import merit

NOT_KEPT = "-"
"""In place of the digest of a resume state: none was stored after that epoch, because epochs are short."""


@dataclass(frozen=True)
class Best:
    """The epoch that is kept; by default that of the best score, the earliest of equals."""

    epoch: int  # epochs done
    score: float
    merit: float = field(default=math.nan, compare=False)  # by which it was chosen; the larger the better


@dataclass(frozen=True)
class _FoldRun:
    epochs: list[EpochEnded] = field(default_factory=list)
    bests: list[float] = field(default_factory=list)  # running best; larger is better whatever the mode
    kept: list[Best] = field(default_factory=list)  # after each epoch


_NOTHING = _FoldRun()  # of a fold run that never began; not changed


class History:
    """Epochs of every fold run, in the line of descent that its stored state continues."""

    def __init__(self, mode: str, events: Iterable[Event] = (), choice: str = "best") -> None:
        """choice: which epoch is kept, a key of `epoch_choice.CHOICES`."""
        self._mode, self._choice = mode, choice
        self._sign = 1.0 if mode == "max" else -1.0
        # By trial and fold, as a pair: a FoldRunKey takes several times as long to hash.
        self._runs: defaultdict[tuple[int, int], _FoldRun] = defaultdict(_FoldRun)
        self._gpu_failures: defaultdict[int, dict[int, list[str]]] = defaultdict(dict)  # by trial and fold
        self._failures: dict[int, str] = {}  # trial -> kind of its last failure
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        if isinstance(event, EpochEnded):
            run, score = self._runs[event.trial, event.fold], self._sign * event.score
            run.epochs.append(event)
            own = merit(self._choice, self._mode, event.score, event.metrics)
            is_kept = not run.kept or own > run.kept[-1].merit
            run.kept.append(Best(event.epoch, event.score, own) if is_kept else run.kept[-1])
            run.bests.append(score if not run.bests or score > run.bests[-1] else run.bests[-1])
        elif isinstance(event, LegStarted):
            # A leg that starts earlier than what was reported (a retry) replaces those epochs.
            self._cut(event.trial, event.fold, event.start)
        elif isinstance(event, Reopened):
            for fold, epochs in enumerate(event.epochs):
                if (event.trial, fold) in self._runs:
                    self._cut(event.trial, fold, epochs)
        elif isinstance(event, LegFailed):
            self._failures[event.trial] = event.failure
            if event.failure == "memory":
                self._gpu_failures[event.trial].setdefault(event.fold, []).append(event.error)

    def _cut(self, trial: int, fold: int, epochs: int) -> None:
        run = self._runs[trial, fold]
        del run.epochs[epochs:], run.bests[epochs:], run.kept[epochs:]

    def _of(self, key: FoldRunKey) -> _FoldRun:
        return self._runs.get((key.trial, key.fold), _NOTHING)

    def epochs(self, key: FoldRunKey) -> list[EpochEnded]:
        return list(self._of(key).epochs)

    def begun(self, key: FoldRunKey) -> bool:
        """Whether a leg of it ever started, so that something of it may be stored."""
        return (key.trial, key.fold) in self._runs

    def done(self, key: FoldRunKey) -> int:
        """Epochs done and stored."""
        return len(self._of(key).epochs)

    def running_bests(self, key: FoldRunKey) -> Sequence[float]:
        """The best score after each epoch done; larger is better whatever the mode."""
        return self._of(key).bests

    def best(self, key: FoldRunKey, until: int | None = None) -> Best | None:
        """The one kept of the first `until` epochs, or of all; None where there are no epochs."""
        kept = self._of(key).kept[:until]
        return kept[-1] if kept else None

    def digest(self, key: FoldRunKey, epoch: int, kind: str) -> str:
        """Of what was stored after that epoch: resume, weights or oof; "" where none was kept."""
        epochs = self._of(key).epochs
        return epochs[epoch - 1].digests.get(kind, "") if 1 <= epoch <= len(epochs) else ""

    def resume_digests(self, key: FoldRunKey, until: int) -> tuple[str, ...]:
        """Of the resume states after epochs 1 to `until`: NOT_KEPT where none was stored, "" where the
        journal says no digests, as those of version 0.2 and before."""
        epochs = self._of(key).epochs[:until]
        return tuple(event.digests.get("resume", NOT_KEPT) if event.digests else "" for event in epochs)

    def state_epoch(self, key: FoldRunKey, until: int) -> int:
        """The newest epoch up to `until` after which a resume state was stored; 0 where there is none."""
        epochs = self._of(key).epochs
        for epoch in range(min(until, len(epochs)), 0, -1):
            digests = epochs[epoch - 1].digests
            if not digests or "resume" in digests:
                return epoch
        return 0

    def states_kept(self, key: FoldRunKey) -> int:
        """How many resume states lie in the store: see `checkpoint_files`."""
        newest = self.state_epoch(key, self.done(key))
        return bool(newest) + bool(self.state_epoch(key, newest - 1))

    def last_failure(self, trial: int) -> str:
        """The kind of it; "" where no leg of the trial failed."""
        return self._failures.get(trial, "")

    def gpu_failures(self, trial: int) -> Sequence[Sequence[str]]:
        """Of each fold whose share of a GPU was too small, what was said each time."""
        return list(self._gpu_failures.get(trial, {}).values())

    def fold_runs(self) -> list[FoldRunKey]:
        """Those that have epochs."""
        return [FoldRunKey(*pair) for pair, run in sorted(self._runs.items()) if run.epochs]

    def complete(self, folds: int, max_t: int) -> list[int]:
        """Trials that have all folds at full length."""
        return self.with_all_folds(folds, max_t)

    def with_all_folds(self, folds: int, epochs: int = 1) -> list[int]:
        """Trials each of whose folds has at least so many epochs."""
        counts = Counter(key.trial for key in self.fold_runs() if self.done(key) >= epochs)
        return sorted(trial for trial, count in counts.items() if count == folds)
