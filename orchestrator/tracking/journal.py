"""What a mirror needs of a journal: where every fold run stands."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from orchestrator.core.events import (
    Action,
    Closed,
    Decided,
    EpochEnded,
    Event,
    FoldRunKey,
    LegFailed,
    LegStarted,
    Opened,
    Proposed,
    Resumed,
    State,
)
from orchestrator.study.header import StudyHeader

FINAL = {
    Action.COMPLETE.value: State.COMPLETE,
    Action.PRUNE.value: State.PRUNED,
    Action.FAIL.value: State.FAIL,
}


class Runs:
    """Every fold run's configuration, epochs and state, from the journal's events."""

    def __init__(self) -> None:
        self.header = StudyHeader("", {})
        self.configs: dict[int, dict[str, Any]] = {}
        self.epochs: dict[FoldRunKey, dict[int, EpochEnded]] = defaultdict(dict)
        self.errors: dict[FoldRunKey, str] = {}
        self._final: dict[int, State] = {}
        self._reasons: dict[int, str] = {}
        self._running: set[FoldRunKey] = set()

    def observe(self, event: Event) -> None:
        if isinstance(event, Opened):
            self.header = StudyHeader.from_json(event.header)
        elif isinstance(event, Proposed):
            self.configs[event.trial] = event.config
        elif isinstance(event, LegStarted):
            self._running.add(event.leg.key)
            self.epochs[event.leg.key]  # it is a run from now on, epochs or none
        elif isinstance(event, EpochEnded):
            # An epoch that is run again after a failure replaces the one that was lost.
            self.epochs[FoldRunKey(event.trial, event.fold)][event.epoch] = event
        elif isinstance(event, LegFailed):
            key = FoldRunKey(event.trial, event.fold)
            self._running.discard(key)
            self.errors[key] = event.error
        elif isinstance(event, Decided):
            self._decided(event)
        elif isinstance(event, Resumed | Closed):
            self._running.clear()

    def _decided(self, event: Decided) -> None:
        if event.action in FINAL:
            self._final[event.trial] = FINAL[event.action]
            self._reasons[event.trial] = event.reason
        elif event.action == Action.PROMOTE:
            self._final.pop(event.trial, None)  # it was out and fills a vacancy
        elif event.action in (Action.PARK, Action.STOP) and event.fold is not None:
            self._running.discard(FoldRunKey(event.trial, event.fold))

    # ---- what it says ----

    @property
    def keys(self) -> list[FoldRunKey]:
        """Fold runs that began, in the order they did."""
        return list(self.epochs)

    def state(self, key: FoldRunKey) -> State:
        """Its trial's where that is final, else its own."""
        if key in self._running:
            return State.RUNNING
        return self._final.get(key.trial, State.PARKED)

    def settled(self, key: FoldRunKey) -> bool:
        """Nothing more will come of it, but for a vacancy."""
        return key not in self._running and key.trial in self._final

    def reason(self, key: FoldRunKey) -> str:
        return self._reasons.get(key.trial, "")

    def best(self, key: FoldRunKey) -> EpochEnded | None:
        """The best epoch, the earliest of equals."""
        sign = 1.0 if self.header.mode == "max" else -1.0
        epochs = self.epochs[key].values()
        return max(epochs, key=lambda item: (sign * item.score, -item.epoch), default=None)
