"""What a race knows of its trials: how far each has come, what became of it and why, who is ahead."""

from __future__ import annotations

import heapq
from typing import Unpack

from orchestrator.core.events import State
from orchestrator.race.config import RaceConfig, RaceOptions
from orchestrator.race.contract import TrialStatus
from orchestrator.race.fold_runs import FoldRuns

OUT = (State.PRUNED, State.FAIL)


class Standings:
    """Kept by a rule; larger scores are better here whatever the mode."""

    def __init__(self, **numbers: Unpack[RaceOptions]) -> None:
        """See `RaceConfig`. Raises SearchSpaceError."""
        self.numbers = RaceConfig(**numbers)
        self.folds, self.max_t = self.numbers.folds, self.numbers.max_t
        self.fold_order, self.max_retries = self.numbers.order, self.numbers.max_retries
        self.runs = FoldRuns(self.folds, self.max_t, self.numbers.mode)
        self._final: dict[int, State] = {}  # COMPLETE, PRUNED, FAIL
        self._why: dict[int, str] = {}
        self._last: dict[int, tuple[int, float]] = {}  # trial -> last finished rung (index), score there
        self.withdrawn: set[int] = set()  # trials that will not start
        self.runs.grow(self.numbers.trials)

    @property
    def spent_fold_epochs(self) -> int:
        return self.runs.total_spent

    def statuses(self) -> list[TrialStatus]:
        return sorted((self.status(trial) for trial in range(self.runs.trials)), key=self._merit)

    def status(self, trial: int) -> TrialStatus:
        """Where one trial stands; costs nothing beside `statuses`."""
        rung, score = self._last.get(trial, (None, None))
        return TrialStatus(
            trial,
            self.state(trial),
            rung,
            None if score is None else self.runs.sign * score,
            self.runs.full(trial),
            self.runs.spent[trial],
            self._why.get(trial, ""),
        )

    def state(self, trial: int) -> State:
        if trial in self._final:
            return self._final[trial]
        row = self.runs.of(trial)
        if any(run.running for run in row):
            return State.RUNNING
        return State.PARKED if any(run.epochs for run in row) else State.WAITING

    def _finalists(self) -> tuple[int, ...]:
        """Those ahead of all others now, as many as there are to be, best first."""
        trials = range(self.runs.trials)
        alive = (trial for trial in trials if self._final.get(trial) not in OUT and self.runs.spent[trial])
        return tuple(heapq.nsmallest(self.numbers.finalists, alive, key=self._place_now))

    def _place_now(self, trial: int) -> tuple[bool, int, float, int]:
        """Sorts the trial that is furthest and best first."""
        rung, score = self._last.get(trial, (-1, 0.0))
        return (self._final.get(trial) is not State.COMPLETE, -rung, -score, trial)

    def _merit(self, status: TrialStatus) -> tuple[bool, bool, int, float, int]:
        rung, score = self._last.get(status.trial, (-1, 0.0))
        failed = status.state is State.FAIL
        return (status.state is not State.COMPLETE, failed, -rung, -score, status.trial)
