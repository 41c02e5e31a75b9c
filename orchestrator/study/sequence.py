"""Whether the events of a journal can follow one another, as one driver after the other writes them. Pure.

A journal that two drivers wrote at once mixes two stories of the same fold runs; what came of it would be
neither.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.events import (
    MOST,
    Action,
    Decided,
    EpochEnded,
    Event,
    Extended,
    FoldRunKey,
    LegFailed,
    LegStarted,
    Opened,
    Proposed,
    Reopened,
    Resumed,
)

_ENDS = (Action.PARK.value, Action.STOP.value)  # decisions that end a leg before its last epoch


@dataclass(frozen=True)
class Misfit:
    number: int  # of the event, from 0
    fault: str


def first_misfit(events: Sequence[Event]) -> Misfit | None:
    """The first event that cannot follow those before it; None where all can."""
    known = _Known()
    for number, event in enumerate(events):
        if fault := known.take(event, number):
            return Misfit(number, fault)
    return None


class _Known:
    """What was told so far: epochs done by fold run, and the end of the leg of each that runs."""

    def __init__(self) -> None:
        self._trials = self._folds = self._epochs = MOST  # the most there can be, from the header
        self._metric: Any = None  # by which the study is judged, from the header
        self._header = False  # whether the events began with it
        self._proposed: set[int] = set()
        self._done: defaultdict[tuple[int, int], int] = defaultdict(int)
        self._running: dict[tuple[int, int], int] = {}

    def take(self, event: Event, number: int) -> str:
        """What is wrong with it; "" when nothing is."""
        if isinstance(event, EpochEnded):
            return self._epoch(event)
        if isinstance(event, LegStarted):
            return self._start(event)
        if isinstance(event, LegFailed):
            return self._fail(event)
        if isinstance(event, Proposed):
            return self._propose(event)
        if isinstance(event, Reopened):
            return self._reopen(event)
        if isinstance(event, Opened):
            return "the study is opened again" if number else self._open(event.header.get("space"))
        if isinstance(event, Extended):
            self._trials = max(self._trials, event.trials)
        if isinstance(event, Resumed):
            self._running.clear()
        elif isinstance(event, Decided) and event.action in _ENDS and event.fold is not None:
            self._running.pop((event.trial, event.fold), None)
        return ""

    def _open(self, space: Any) -> str:
        """Of a header that is none, somebody else says what is wrong."""
        self._header = True
        known = space if isinstance(space, dict) else {}
        numbers = [known.get(name) for name in ("trials", "folds", "max_t")]
        self._trials, self._folds, self._epochs = (n if type(n) is int else MOST for n in numbers)
        self._metric = known.get("metric")
        return ""

    def _propose(self, event: Proposed) -> str:
        if event.trial >= self._trials:
            return f"trial {event.trial} is proposed, and the study has {self._trials}"
        if event.trial in self._proposed:
            return f"trial {event.trial} is proposed again"
        self._proposed.add(event.trial)
        return ""

    def _start(self, event: LegStarted) -> str:
        key = event.trial, event.fold
        if event.fold >= self._folds or event.end > self._epochs:
            return (
                f"{FoldRunKey(*key)} runs to epoch {event.end}, and the study has {self._folds} folds of "
                f"{self._epochs} epochs"
            )
        if self._header and event.trial not in self._proposed:
            return f"{FoldRunKey(*key)} starts, and its trial was never proposed"
        if key in self._running:
            return f"{FoldRunKey(*key)} starts again while it runs"
        if not 0 <= event.start <= self._done[key] or event.end <= event.start:
            return f"{FoldRunKey(*key)} starts after epoch {event.start}, and {self._done[key]} are done"
        self._done[key] = event.start
        self._running[key] = event.end
        return ""

    def _epoch(self, event: EpochEnded) -> str:
        key = event.trial, event.fold
        if key not in self._running:
            return f"{FoldRunKey(*key)} reports epoch {event.epoch} and does not run"
        if event.metrics.get(self._metric, event.score) != event.score:
            judged = event.metrics[self._metric]
            return f"{FoldRunKey(*key)} reports the score {event.score}, and {self._metric} {judged}"
        if event.epoch != self._done[key] + 1:
            return f"{FoldRunKey(*key)} reports epoch {event.epoch} after epoch {self._done[key]}"
        self._done[key] = event.epoch
        if event.epoch >= self._running[key]:
            del self._running[key]
        return ""

    def _fail(self, event: LegFailed) -> str:
        key = event.trial, event.fold
        if self._running.pop(key, None) is None:
            return f"{FoldRunKey(*key)} fails and does not run"
        return ""

    def _reopen(self, event: Reopened) -> str:
        keys = [(event.trial, fold) for fold in range(len(event.epochs))]
        if any(key in self._running for key in keys):
            return f"trial {event.trial} is run again while it runs"
        for key, epochs in zip(keys, event.epochs, strict=True):
            if not 0 <= epochs <= self._done[key]:
                return f"{FoldRunKey(*key)} is run again after epoch {epochs}, and {self._done[key]} are done"
            self._done[key] = epochs
        return ""
