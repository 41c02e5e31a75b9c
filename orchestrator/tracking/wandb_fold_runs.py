"""A W&B run for every fold run, for those who ask for it (`--wandb-fold-runs`); else a study has one run.

It is no `StudyTracker`: its runs are many, some are open at a time, and each arrives when it is closed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from orchestrator.core.callbacks import Announce
from orchestrator.core.events import EpochEnded, FoldRunKey, State
from orchestrator.tracking.journal import JournalState
from orchestrator.tracking.pause import Pause
from orchestrator.tracking.position import Position, Sent
from orchestrator.tracking.wandb_runs import WandbRuns

OPEN_RUNS = 128  # at once; an open run costs under 1 MB, opening one again a third of a second


class FoldRunMirror:
    """Keeps W&B runs in line with a journal. A run stays open until its fold run is settled, so that most are
    opened once; what is sent counts as sent once its run was closed without an error."""

    def __init__(
        self,
        journal: JournalState,
        wandb_runs: WandbRuns,
        position: Position,
        say: Announce,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._wandb_runs = wandb_runs
        self._position = position
        self._pause = Pause("W&B", say, clock)
        self._open: dict[FoldRunKey, Any] = {}  # least recently used first
        self._logged: dict[FoldRunKey, int] = {}  # last epoch, of open runs

    def pending(self) -> list[FoldRunKey]:
        """Fold runs with something to send or to close."""
        return [key for key in self._journal.keys if self._has_unsent(key)]

    def catch_up(self, after_each: Callable[[], None] = lambda: None) -> None:
        """Sends what is new; gives up for a while where the server cannot be reached."""
        for key in self.pending():
            if self._pause.holds:
                return
            if self._send(key):
                self._close_idle_runs()
            after_each()

    def close(self) -> None:
        """Closes what is open, several at a time: each waits for its upload."""
        with ThreadPoolExecutor(8) as pool:
            closed = list(pool.map(self._finish, list(self._open.items())))
        for key, error in closed:
            self._note_sent(key, error)

    # ---- inside ----

    def _has_unsent(self, key: FoldRunKey) -> bool:
        state, last = self._journal.state(key).value, self._journal.history.done(key)
        if key in self._open:
            return last > self._logged[key] or self._journal.settled(key)
        sent = self._position.sent.get(str(key))
        if sent is None:
            return last > 0 or self._journal.settled(key)
        return last > sent.epoch or (self._journal.settled(key) and state != sent.state)

    def _send(self, key: FoldRunKey) -> bool:
        try:
            run = self._open.pop(key, None) or self._init(key)
            self._open[key] = run  # the most recently used is last
            for event in self._journal.history.epochs(key)[self._logged[key] :]:
                run.log(self._values(event), step=event.epoch)
                self._logged[key] = event.epoch
        except Exception as error:  # whatever W&B raises: the study has nothing to do with it
            self._pause.begin(f"{key}: {type(error).__name__}: {error}")
            return False
        self._pause.end()
        if self._journal.settled(key):
            self._note_sent(*self._finish((key, run)))
        return True

    def _init(self, key: FoldRunKey) -> Any:
        config = self._journal.configs.get(key.trial, {})
        run = self._wandb_runs.open(self._journal.header.name, key, config)
        sent = self._position.sent.get(str(key))
        # The server may have more than we know of: steps it has are not sent again.
        self._logged[key] = max(sent.epoch if sent else 0, int(run.starting_step) - 1)
        return run

    def _values(self, epoch: EpochEnded) -> dict[str, float]:
        values = {**epoch.metrics, self._journal.header.metric: epoch.score}
        return {**values, "epoch_seconds": epoch.seconds} if epoch.seconds else values

    def _finish(self, item: tuple[FoldRunKey, Any]) -> tuple[FoldRunKey, str | None]:
        key, run = item
        try:
            run.summary.update(self._summary(key))
            run.finish(exit_code=int(self._journal.state(key) is State.FAIL))
        except Exception as error:  # as above
            return key, f"{key}: {type(error).__name__}: {error}"
        return key, None

    def _summary(self, key: FoldRunKey) -> dict[str, Any]:
        best = self._journal.best(key)
        summary: dict[str, Any] = {
            "state": self._journal.state(key).value,
            "reason": self._journal.reason(key),
        }
        if best is not None:
            summary |= {f"best_{self._journal.header.metric}": best.score, "best_epoch": best.epoch}
        if key in self._journal.errors:
            summary["error"] = self._journal.errors[key]
        return summary

    def _note_sent(self, key: FoldRunKey, error: str | None) -> None:
        del self._open[key]
        if error is not None:
            self._pause.begin(error)
            return
        self._position.note(key, Sent(self._logged[key], self._journal.state(key).value))

    def _close_idle_runs(self) -> None:
        while len(self._open) > OPEN_RUNS:
            idle = (key for key in self._open if self._journal.state(key) is not State.RUNNING)
            key = next(idle, next(iter(self._open)))
            self._note_sent(*self._finish((key, self._open[key])))
