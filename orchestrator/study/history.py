"""What the journal says of each fold run: its scores by epoch and which epoch was best. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.core.events import EpochEnded, Event, FoldRunKey, LegFailed, LegStarted


@dataclass(frozen=True)
class Best:
    """epoch: number of epochs done at the best score, the earliest of equals."""

    epoch: int
    score: float


class History:
    """Epochs of every fold run, in the line of descent that its stored state continues."""

    def __init__(self, mode: str, events: Iterable[Event] = ()) -> None:
        self._sign = 1.0 if mode == "max" else -1.0
        self._epochs: dict[FoldRunKey, list[EpochEnded]] = defaultdict(list)
        self._bests: dict[FoldRunKey, list[float]] = defaultdict(
            list
        )  # running best by epoch, times the sign
        self._alone: set[FoldRunKey] = set()
        for event in events:
            self.observe(event)

    def observe(self, event: Event) -> None:
        if isinstance(event, LegStarted):
            # A leg that starts earlier than what was reported (a retry) replaces those epochs.
            del self._epochs[event.leg.key][event.start :]
            del self._bests[event.leg.key][event.start :]
        elif isinstance(event, EpochEnded):
            key, score = FoldRunKey(event.trial, event.fold), self._sign * event.score
            self._epochs[key].append(event)
            self._bests[key].append(max([score, *self._bests[key][-1:]]))
        elif isinstance(event, LegFailed) and event.failure == "memory":
            self._alone.add(FoldRunKey(event.trial, event.fold))

    def epochs(self, key: FoldRunKey) -> list[EpochEnded]:
        return list(self._epochs.get(key, ()))

    def begun(self, key: FoldRunKey) -> bool:
        """Whether a leg of it ever started, so that something of it may be stored."""
        return key in self._epochs

    def done(self, key: FoldRunKey) -> int:
        """Epochs done and stored."""
        return len(self._epochs.get(key, ()))

    def running_bests(self, key: FoldRunKey) -> Sequence[float]:
        """The best score after each epoch done; larger is better whatever the mode."""
        return self._bests.get(key, ())

    def best(self, key: FoldRunKey, until: int | None = None) -> Best | None:
        """The best of the first `until` epochs (None: of all); None when there is none."""
        bests = self._bests.get(key, [])[:until]
        if not bests:
            return None
        event = self._epochs[key][bests.index(bests[-1])]
        return Best(event.epoch, event.score)

    def needs_exclusive_gpu(self, key: FoldRunKey) -> bool:
        """Whether a share of a GPU was too small for it before."""
        return key in self._alone

    def fold_runs(self) -> list[FoldRunKey]:
        """Those that have epochs."""
        return sorted(key for key, epochs in self._epochs.items() if epochs)

    def complete(self, folds: int, max_t: int) -> list[int]:
        """Trials that own all folds at full length."""
        full = [key for key in self.fold_runs() if self.done(key) >= max_t]
        counts: dict[int, int] = defaultdict(int)
        for key in full:
            counts[key.trial] += 1
        return sorted(trial for trial, count in counts.items() if count == folds)
