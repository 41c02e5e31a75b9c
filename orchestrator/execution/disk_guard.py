"""Keeps a search from filling a disk: legs are held back in time, and what runs ends in peace.

Two reserves. No leg starts where what it and the fold runs under way may still write would not fit. And no
trial begins where the finalists could not be completed any more beside them. Nothing is dropped for it: the
race waits, and where nothing runs any more the study stops, to go on with more room as if nothing had been.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.core.callbacks import Announce
from orchestrator.core.errors import StorageError
from orchestrator.core.events import EpochEnded, FoldRunKey, Leg
from orchestrator.core.text import bytes_text
from orchestrator.machine.free_space import FreeBytes, free_bytes
from orchestrator.storage.checkpoint_files import oof_name, probabilities_name, resume_name, weights_name
from orchestrator.storage.contract import CheckpointStore

log = logging.getLogger(__name__)

FLOOR = 256_000
"""Bytes for the journal, tables and out-of-fold rows, which are written whatever else is."""
WRITES = 3
"""Epochs' files that a fold run from its start has at once at most: two that are kept and one on its way."""


@dataclass
class EpochBytes:
    """The largest files of one epoch so far, or what the trainable said of them."""

    state: int = 0
    weights: int = 0
    oof: int = 0
    predictions: int = 0

    @property
    def checkpoint(self) -> int:
        return self.state + self.weights + self.oof

    def saw(self, state: int, weights: int, oof: int, predictions: int) -> None:
        self.state, self.weights = max(self.state, state), max(self.weights, weights)
        self.oof, self.predictions = max(self.oof, oof), max(self.predictions, predictions)


def bytes_of(store: CheckpointStore, name: str) -> int:
    """Of a file of a store; 0 where it is on no disk of this machine."""
    path = store.file_of(name)
    if path is not None:
        with contextlib.suppress(OSError):  # replaced or deleted meanwhile
            return path.stat().st_size
    return 0


@dataclass
class DiskGuard:
    """Of one study.

    finals: fold runs of its finalists
    size: what the trainable said of its files; else measured as they are written
    measured: called once where the first epoch showed it
    to_come: the most that the search still puts into the store, by the estimate that it began with, where its
    files have these sizes; None where that estimate does not hold. Not a byte more is kept for the finalists
    to_finish: the way to end with the finalists alone, told where no trial can begin any more
    """

    study: Path
    store: CheckpointStore
    finals: int
    size: EpochBytes = field(default_factory=EpochBytes)
    measured: Callable[[EpochBytes], None] | None = None
    to_come: Callable[[EpochBytes], int | None] = lambda size: None
    to_finish: Callable[[], str] = str
    free: FreeBytes = free_bytes
    say: Announce = log.warning
    _short: bool = False

    def saw(self, event: EpochEnded) -> None:
        """Measures what an epoch left, where the store is a folder of this machine."""
        key, epoch = FoldRunKey(event.trial, event.fold), event.epoch
        first = not self.size.state  # an epoch inside a leg may have stored none
        names = (resume_name(key, epoch), weights_name(key, epoch), oof_name(key, epoch))
        self.size.saw(*(bytes_of(self.store, name) for name in (*names, probabilities_name(key, epoch))))
        if first and self.size.state and self.measured is not None:
            self.measured(self.size)

    def check(self, leg: Leg, is_new: bool, running: Sequence[int], stored: int | None = None) -> bool:
        """Whether a leg may start.

        is_new: its trial begins with it; running: resume states that each fold run under way has in the
        store, or its epochs where each has one; stored: the same of the leg's own, None: its first epochs.

        Raises StorageError where it may not and nothing runs that could make room.
        """
        fault = self._fault(leg.start if stored is None else stored, is_new, running)
        if fault and not running:
            raise StorageError(f"{fault};\neverything finished is saved: {self._ways_out(is_new)}")
        if bool(fault) != self._short:
            self._short = bool(fault)
            again = "disk: there is room again, and legs start"
            self.say(f"{fault}; no leg starts before there is room" if fault else again)
        return not fault

    def _fault(self, stored: int, is_new: bool, running: Sequence[int]) -> str:
        """What is wrong with starting it; empty where it may start."""
        runs = sum(map(self._still_writes, [*running, stored]))
        if not is_new:
            return self._want(runs, "a leg beside those that run")
        what, all_finals = "a new trial beside the finalists", runs + self._finals()
        if not self._want(all_finals, what):  # without a look at every file of the store
            return ""
        most = self.to_come(self.size)
        return self._want(all_finals if most is None else max(runs, min(all_finals, most)), what)

    def _want(self, stored: int, what: str) -> str:
        """Where there is no room for so many bytes more in the store; empty where there is."""
        for place, needed in self._by_place(stored):
            free = self._free(place)
            if free is not None and free < needed:
                has = f"disk: {place} has {bytes_text(free)} free"
                return f"{has}, too little for {what} ({bytes_text(needed)})"
        return ""

    def _finals(self) -> int:
        return self.finals * (self.size.checkpoint + self.size.state)

    def _still_writes(self, epochs: int) -> int:
        """Bytes by which a fold run of so many stored epochs may grow before one of its files goes."""
        return (WRITES - min(epochs, WRITES - 1)) * self.size.checkpoint + self.size.predictions

    def _by_place(self, stored: int) -> list[tuple[Path, int]]:
        folder = self.store.folder
        own = [] if folder is None else [(folder, stored + FLOOR)]
        return [*own, (self.study, FLOOR)]

    def _free(self, place: Path) -> int | None:
        with contextlib.suppress(OSError):  # of a disk that says nothing of it, writing will tell
            return self.free(place)
        return None

    def _ways_out(self, is_new: bool) -> str:
        more = self.to_finish() if is_new else ""
        return f"free space, then continue with --resume{more}"
