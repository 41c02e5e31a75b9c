"""Where trials and fold runs stand, from the decisions that the journal keeps. Pure; knows no rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from orchestrator.core.events import (
    Action,
    Closed,
    Decided,
    EpochEnded,
    Event,
    FoldRunKey,
    LegFailed,
    LegStarted,
    Reopened,
    Resumed,
    State,
)

FINAL = {
    Action.COMPLETE.value: State.COMPLETE,
    Action.PRUNE.value: State.PRUNED,
    Action.FAIL.value: State.FAIL,
}


class TrialStates:
    """As of the last event added."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.epochs_spent: Counter[int] = Counter()  # fold-epochs by trial, those run again included
        self._begun: set[int] = set()
        self._final: dict[int, State] = {}
        self._reasons: dict[int, str] = {}
        self._running: set[FoldRunKey] = set()
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        if isinstance(event, LegStarted):
            self._begun.add(event.trial)
            self._running.add(event.leg.key)
        elif isinstance(event, EpochEnded):
            self.epochs_spent[event.trial] += 1
        elif isinstance(event, LegFailed):
            self._running.discard(FoldRunKey(event.trial, event.fold))
        elif isinstance(event, Decided):
            self._decided(event)
        elif isinstance(event, Reopened):
            self._final.pop(event.trial, None)
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

    def of_fold_run(self, key: FoldRunKey) -> State:
        """Its trial's where that is final, else its own. For a fold run that began."""
        if key in self._running:
            return State.RUNNING
        return self._final.get(key.trial, State.PARKED)

    def of_trial(self, trial: int) -> State:
        if trial in self._final:
            return self._final[trial]
        if any(key.trial == trial for key in self._running):
            return State.RUNNING
        return State.PARKED if trial in self._begun else State.WAITING

    def settled(self, key: FoldRunKey) -> bool:
        """Nothing more will come of it, but for a vacancy."""
        return key not in self._running and key.trial in self._final

    def reason(self, trial: int) -> str:
        """Of its last final state; empty where it has had none."""
        return self._reasons.get(trial, "")
