"""What a mirror needs of a journal: where every fold run stands."""

from __future__ import annotations

from typing import Any

from orchestrator.core.events import Event, FoldRunKey, LegFailed, LegStarted, Opened, Proposed, State
from orchestrator.study.header import StudyHeader
from orchestrator.study.history import Best, History
from orchestrator.study.trial_states import TrialStates


class JournalState:
    """Every fold run's configuration, epochs and state, from the journal's events."""

    def __init__(self) -> None:
        self.header = StudyHeader("", {})
        self.configs: dict[int, dict[str, Any]] = {}
        self.errors: dict[FoldRunKey, str] = {}
        self.history = History("max")
        self._states = TrialStates()
        self._keys: dict[FoldRunKey, None] = {}  # in the order they began

    def add(self, event: Event) -> None:
        self._states.add(event)
        self.history.add(event)
        if isinstance(event, Opened):
            self.header = StudyHeader.from_json(event.header)
            self.history = History(self.header.mode, choice=self.header.epoch_choice)
        elif isinstance(event, Proposed):
            self.configs[event.trial] = event.config
        elif isinstance(event, LegStarted):
            self._keys.setdefault(event.leg.key)
        elif isinstance(event, LegFailed):
            self.errors[FoldRunKey(event.trial, event.fold)] = event.error

    @property
    def keys(self) -> list[FoldRunKey]:
        """Fold runs that began, in the order they did."""
        return list(self._keys)

    def state(self, key: FoldRunKey) -> State:
        """Its trial's where that is final, else its own."""
        return self._states.of_fold_run(key)

    def settled(self, key: FoldRunKey) -> bool:
        """Nothing more will come of it, but for a vacancy."""
        return self._states.settled(key)

    def reason(self, key: FoldRunKey) -> str:
        return self._states.reason(key.trial)

    def best(self, key: FoldRunKey) -> Best | None:
        """The best epoch, the earliest of equals."""
        return self.history.best(key)
