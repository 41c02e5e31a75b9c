"""A search as JSON, an event a line, for a program that runs the command (docs/reference/events.md)."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TextIO

from orchestrator.core.events import Decision, EpochEnded, Event, FoldRunKey, decided, to_json
from orchestrator.progress.frames import Frames
from orchestrator.progress.state import ProgressFigures, StudyContext
from orchestrator.race.contract import Race

VERSION = 1
"""Of the events: fields may be added; one that goes or changes its meaning makes the next version."""
PROGRESS_EVERY_S = 1.0
STEP_EVERY_S = 1.0
NOT_FOR_PROGRAMS = ("traceback", "digests")
"""Fields of the journal's events that are left out here."""


class JsonLines:
    """Writes events; a reader that has gone away ends nothing."""

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.time) -> None:
        """out: None for standard output. clock: unix seconds."""
        self._out, self._clock = out or sys.stdout, clock
        self._lost = False
        self._steps: dict[str, float] = {}  # step -> when it was last told

    def write(self, event: str, **fields: Any) -> None:
        if self._lost:
            return
        record = {"v": VERSION, "time": round(self._clock(), 3), "event": event, **fields}
        try:
            self._out.write(json.dumps(plain(record), allow_nan=False) + "\n")
            self._out.flush()
        except OSError:
            self._lose()

    def message(self, text: str) -> None:
        self.write("message", text=text)

    def step(self, name: str, done: int, total: int) -> None:
        """One long step: as it begins (0 of 0), once a second, and as it ends."""
        now, is_end = self._clock(), bool(total) and done >= total
        last = self._steps.get(name)
        if is_end and last is None:
            return  # it has ended already
        if is_end:
            self._steps.pop(name)
        elif last is not None and total and now - last < STEP_EVERY_S:
            return
        else:
            self._steps[name] = now
        self.write("step", step=name, done=done, total=total, ended=is_end)

    def _lose(self) -> None:
        """The study goes on, and its journal says everything; at the end Python would write once more."""
        self._lost = True
        if self._out is sys.stdout:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class JsonView:
    """Writes what happens in a study: the journal's events, what follows from them, and how far it is."""

    def __init__(
        self,
        race: Race,
        study: StudyContext,
        out: JsonLines,
        *,
        elapsed: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._race, self._study, self._out, self._clock = race, study, out, clock
        self._frames = Frames(race, study, clock(), elapsed)
        self._told_at = -math.inf

    def on_event(self, event: Event, decisions: Sequence[Decision], now: float) -> None:
        frame = self._frames.on_event(event, decisions, now)
        self._out.write(**_named(to_json(event)))
        for item in decisions:
            if item.is_noted:
                self._out.write(**_named(to_json(decided(item))))
        if isinstance(event, EpochEnded) and now - self._told_at >= PROGRESS_EVERY_S:
            self._told_at = now
            self._tell(frame.progress, now)

    def on_ready(self, key: FoldRunKey, now: float) -> None:
        self._frames.on_ready(key, now)
        self._out.write("worker_ready", trial=key.trial, fold=key.fold)

    def message(self, text: str) -> None:
        self._out.message(text)

    def __enter__(self) -> JsonView:
        study, race = self._study, self._race
        self._out.write(
            "study", name=study.name, metric=study.metric, mode=study.mode, trials=len(race.statuses()),
            folds=study.folds, max_epochs=study.max_t, slots=study.slots, resumed=study.resumed,
            spent=race.spent_fold_epochs, planned=race.planned_fold_epochs,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        now = self._clock()
        self._tell(self._frames.at(now, fresh=True).progress, now)

    def _tell(self, figures: ProgressFigures, now: float) -> None:
        self._out.write(
            "progress", spent=figures.spent, planned=figures.planned, part=figures.part, done=figures.done,
            eta_s=figures.eta_s(now), elapsed_s=figures.elapsed_s,
        )  # fmt: skip


def _named(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in NOT_FOR_PROGRAMS}


def plain(value: Any) -> Any:
    """As JSON knows it: nan becomes null, a path its text, a number of numpy one of ours."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
