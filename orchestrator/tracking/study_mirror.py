"""Keeps one tracker in line with a study: its journal, its ensembles and its report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from orchestrator.core.callbacks import Announce
from orchestrator.core.events import FoldRunKey
from orchestrator.tracking.contract import ENDED, LeaderboardRow, StudyTracker, TrialEnd
from orchestrator.tracking.journal import JournalState
from orchestrator.tracking.pause import Pause
from orchestrator.tracking.position import Position, Sent
from orchestrator.tracking.results import Results

BOARD_EVERY_S = 30.0  # trials may end many times a second, and a leaderboard is all of them
PROGRESS, BOARD = "progress", "leaderboard"


@dataclass(frozen=True)
class Task:
    """Something the tracker was not told yet."""

    key: str  # under which the position notes it
    sent: Sent  # what it notes
    act: Callable[[], None]


class StudyMirror:
    """Tells a tracker what is new, and notes what has arrived. clock: seconds."""

    def __init__(
        self,
        journal: JournalState,
        started: float,
        results: Results,
        tracker: StudyTracker,
        position: Position,
        say: Announce,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """started: unix seconds when the study began."""
        self._journal, self._started, self._results = journal, started, results
        self._tracker, self._position, self._clock = tracker, position, clock
        self._pause = Pause(tracker.title, say, clock)
        self._told = dict(position.sent)  # and what was taken over since, though it may not have arrived
        self._is_open = False
        self._board_at = float("-inf")

    def pending(self) -> list[Task]:
        """What the tracker was not told yet, and what it was told that has not arrived."""
        held = [Task(key, sent, _nothing) for key, sent in self._told.items() if not self._has(key, sent)]
        return held + list(self._tasks())

    def catch_up(self, after_each: Callable[[], None] = lambda: None) -> None:
        """Tells what is new; gives up for a while where that fails."""
        if self._pause.holds:
            return
        for task in self._tasks():
            if task.key == BOARD and self._clock() < self._board_at + BOARD_EVERY_S:
                continue
            if not self._do(task):
                break
            after_each()
        self._save()

    def close(self) -> None:
        """Tells the last leaderboard, and closes the tracker."""
        self._board_at = float("-inf")
        self.catch_up()
        if not self._is_open:
            return
        try:
            self._tracker.close()
        except Exception as error:  # whatever its library raises: the study has nothing to do with it
            self._pause.begin(f"the study: {type(error).__name__}: {error}")
            return
        self._is_open = False
        self._save(has_arrived=True)

    # ---- inside ----

    def _do(self, task: Task) -> bool:
        try:
            if not self._is_open:
                self._tracker.open_study(self._journal.facts(self._started))
                self._is_open = True
            task.act()
        except Exception as error:  # as above
            self._pause.begin(f"{task.key}: {type(error).__name__}: {error}")
            return False
        self._pause.end()
        self._told[task.key] = task.sent
        if task.key == BOARD:
            self._board_at = self._clock()
        return True

    def _has(self, key: str, sent: Sent) -> bool:
        return self._position.sent.get(key) == sent

    def _save(self, has_arrived: bool = False) -> None:
        if has_arrived or self._tracker.arrives_at_once:
            new = {key: sent for key, sent in self._told.items() if not self._has(key, sent)}
            self._position.note_all(new)

    def _tasks(self) -> Iterator[Task]:
        for make in (self._epochs, self._trials, self._progress, self._board, self._files):
            yield from make()

    def _is_new(self, key: str, sent: Sent) -> bool:
        return self._told.get(key) != sent

    def _epochs(self) -> Iterator[Task]:
        history, tracker = self._journal.history, self._tracker
        for key in self._journal.keys:
            known, done = self._told.get(str(key), Sent(0, "")).epoch, history.done(key)
            best = history.best(key)
            if done > known and best is not None:
                config = self._journal.configs.get(key.trial, {})
                act = partial(tracker.log_epochs, key, config, history.epochs(key)[known:], best.score)
                yield Task(str(key), Sent(done, ""), act)

    def _trials(self) -> Iterator[Task]:
        for trial, config in self._journal.configs.items():
            spent, state = self._journal.ending(trial)
            key, sent = f"t{trial:04d}", Sent(spent, state.value)
            if state in ENDED and self._is_new(key, sent):
                keys = (FoldRunKey(trial, fold) for fold in range(self._journal.folds))
                folds = [item for item in keys if self._journal.history.begun(item)]
                end = TrialEnd(self._journal.status(trial), config, folds, self._error_of(folds))
                yield Task(key, sent, partial(self._tracker.end_trial, end))

    def _error_of(self, folds: list[FoldRunKey]) -> str:
        errors = [self._journal.errors[key] for key in folds if key in self._journal.errors]
        return errors[-1] if errors else ""

    def _progress(self) -> Iterator[Task]:
        points = self._journal.progress
        known = self._told.get(PROGRESS, Sent(0, "")).epoch
        if len(points) > known:
            act = partial(self._tracker.log_progress, points[known:])
            yield Task(PROGRESS, Sent(len(points), ""), act)

    def _board(self) -> Iterator[Task]:
        """After an end of a trial: what else moves in it are trials that still run."""
        sent = Sent(len(self._journal.progress), "")
        if sent.epoch and self._is_new(BOARD, sent):
            yield Task(BOARD, sent, lambda: self._tracker.show_leaderboard(self._rows()))

    def _rows(self) -> list[LeaderboardRow]:
        configs = self._journal.configs
        return [
            LeaderboardRow(rank, status, configs[status.trial])
            for rank, status in enumerate(self._journal.statuses(), start=1)
        ]

    def _files(self) -> Iterator[Task]:
        """Ensembles and the report are files that other commands write."""
        for name, digest, scores in self._results.ensembles():
            if self._is_new(f"ensemble {name}", sent := Sent(0, digest)):
                yield Task(f"ensemble {name}", sent, partial(self._tracker.show_ensemble, name, scores))
        for path, digest in self._results.artifacts():
            if self._is_new(path.name, sent := Sent(0, digest)):
                yield Task(path.name, sent, partial(self._tracker.add_artifact, path))


def _nothing(*ignored: Any) -> None:
    """It was told already."""
