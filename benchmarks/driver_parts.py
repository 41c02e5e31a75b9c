"""What a report costs in the driver, part by part."""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.console import Console

from benchmarks.synthetic_study import Checkpoints, Size, Slots, make_study
from orchestrator.execution.driver import Driver
from orchestrator.progress import StudyContext, StudyView
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.contract import Race
from orchestrator.sampling import make_sampler
from orchestrator.study.study import Study


class Clock:
    """Exclusive seconds by part; a part inside another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside: list[float] = []

    def hang(self, owner: Any, method: str, part: str) -> None:
        """On one object, not on its class."""
        setattr(owner, method, self._timed(getattr(owner, method), part))

    def _timed(self, call: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._inside.append(0.0)
            started = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                took = time.perf_counter() - started
                self.seconds[part] += took - self._inside.pop()
                if self._inside:
                    self._inside[-1] += took

        return timed


def make_view(race: Race, study: Study, size: Size, terminal: bool, out: Any) -> StudyView:
    return StudyView(
        race,
        StudyContext("synthetic", "macro_f1", "max", size.epochs, size.slots, study.configs),
        console=Console(file=out, force_terminal=terminal, width=120, height=40, highlight=False),
    )


def drive(folder: Path, size: Size, sync: bool, terminal: bool = False) -> dict[str, float]:
    """Microseconds a report of each part, reports a second over all, in the first and in the last quarter."""
    study, dataset = make_study(folder, size)
    race = make_race("fold_asha", RaceConfig(trials=size.trials, folds=size.folds, max_t=size.epochs))
    sampler = make_sampler("random", study.space, 0)
    clock, marks = Clock(), [time.perf_counter()]
    with Path(os.devnull).open("w") as out, make_view(race, study, size, terminal, out) as view:
        driver = Driver(race, study, sampler, dataset, view)
        for method, part in (("apply", "race"), ("next", "race")):
            clock.hang(race, method, part)
        clock.hang(study, "append", "journal")
        clock.hang(sampler, "observe", "sampler")
        clock.hang(sampler, "propose", "sampler")
        clock.hang(view, "on_event", "view")
        clock.hang(driver._history, "add", "history")
        clock.hang(driver, "_act", "checkpoints")
        files = Checkpoints(study.path / "checkpoints", dataset)
        clock.hang(files, "store", "files")  # a worker's work
        with contextlib.nullcontext() if sync else patch("os.fsync"):
            for event in Slots(driver, size).epochs():
                files.store(event)
                marks.append(time.perf_counter() - clock.seconds["files"])
        assert race.done
        reports = len(marks) - 1
        found = {part: 1e6 * seconds / reports for part, seconds in clock.seconds.items() if part != "files"}
        found["the rest"] = 1e6 * (marks[-1] - marks[0]) / reports - sum(found.values())
        quarter = reports // 4
        found["rate"] = reports / (marks[-1] - marks[0])
        found["first"] = quarter / (marks[quarter] - marks[0])
        found["last"] = quarter / (marks[-1] - marks[-1 - quarter])
        closing = time.perf_counter()
        driver.close("finished")
        found["close"] = time.perf_counter() - closing
    study.close()
    opening = time.perf_counter()
    study = Study.open(folder / "study")
    found["events"] = float(len(study.events))
    found["open"] = time.perf_counter() - opening
    study.close()
    return found
