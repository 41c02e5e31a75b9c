"""What a mirror needs of a journal: where every fold run and every trial stands."""

from __future__ import annotations

from typing import Any

from orchestrator.core.events import (
    Decided,
    EpochEnded,
    Event,
    FoldRunKey,
    LegFailed,
    LegStarted,
    Opened,
    Proposed,
    State,
)
from orchestrator.race.contract import TrialStatus
from orchestrator.study.exports import ranked, status_of
from orchestrator.study.header import StudyHeader
from orchestrator.study.history import Best, History
from orchestrator.study.trial_states import FINAL, TrialStates
from orchestrator.tracking.contract import Progress, Scalar, StudyFacts


class JournalState:
    """Every fold run's configuration, epochs and state, and every trial's, from the journal's events."""

    def __init__(self) -> None:
        self.header = StudyHeader("", {})
        self.configs: dict[int, dict[str, Any]] = {}
        self.progress: list[Progress] = []  # one for each trial that ended
        self.errors: dict[FoldRunKey, str] = {}
        self.history = History("max")
        self._states = TrialStates()
        self._keys: dict[FoldRunKey, None] = {}  # in the order they began
        self._fold_epochs = 0  # spent so far
        self._complete: dict[int, float] = {}  # complete trial -> its score

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
        elif isinstance(event, EpochEnded):
            self._fold_epochs += 1
        elif isinstance(event, Decided) and event.action in FINAL:
            self._end_trial(event.trial)

    def _end_trial(self, trial: int) -> None:
        status = self.status(trial)
        self._complete.pop(trial, None)
        if status.state is State.COMPLETE and status.score is not None:
            self._complete[trial] = status.score
        best = max if self.header.mode == "max" else min
        point = Progress(
            len(self.progress) + 1,
            len(self._complete),
            self._fold_epochs,
            best(self._complete.values(), default=None),
        )
        self.progress.append(point)

    @property
    def folds(self) -> int:
        return int(self.header.space.get("folds", len(self.header.fold_order)))

    def status(self, trial: int) -> TrialStatus:
        """As the exports of the study say it."""
        max_t = int(self.header.space.get("max_t", 0))
        return status_of(trial, self.folds, max_t, self.history, self._states)

    def ending(self, trial: int) -> tuple[int, State]:
        """Fold-epochs that it has spent, and its state."""
        return self._states.epochs_spent[trial], self._states.of_trial(trial)

    def statuses(self) -> list[TrialStatus]:
        """Of every proposed trial, best first, complete ones before the others."""
        return ranked([self.status(trial) for trial in self.configs], self.header.mode)

    def facts(self, started: float) -> StudyFacts:
        """started: unix seconds when the study began."""
        header, space = self.header, self.header.space
        settings: dict[str, Scalar] = {
            "space": header.space_name,
            "metric": header.metric,
            "mode": header.mode,
            "trials": int(space.get("trials", 0)),
            "folds": self.folds,
            "max_t": int(space.get("max_t", 0)),
            "rule": header.rule,
            "sampler": header.sampler,
            "seed": header.seed,
            "scale": header.scale,
        }
        parameters = tuple(space.get("params", {}))
        return StudyFacts(header.name, started, header.metric, header.mode, settings, parameters)

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
