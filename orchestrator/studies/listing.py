"""Every study of a folder at one glance; one that is damaged is a line, not an end."""

from __future__ import annotations

import fnmatch
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.text import suggestion
from orchestrator.study.driver_lock import is_driven
from orchestrator.study.files import REMOVED
from orchestrator.study.journal import FILE, time_begun
from orchestrator.study.remarks import Remarks, read_remarks
from orchestrator.study.study import Study
from orchestrator.study.summary import newest_estimate

RUNNING, DAMAGED = "running", "damaged"
"""States of a study besides those of `Study.state`."""


@dataclass(frozen=True)
class ListedStudy:
    """Where it is damaged, `fault` says how, and what could not be read has its default."""

    name: str
    path: Path
    state: str  # RUNNING, DAMAGED, finished, interrupted, stopped; open: its driver was killed
    size: int  # bytes of its folder, a file with several names counted once
    changed: float  # unix seconds: when its journal was last written
    begun: float | None = None  # unix seconds
    space: str = ""
    data: str = ""  # the name of the table or folder
    rows: str = ""  # fingerprint of the rows
    metric: str = ""
    mode: str = ""
    best: float | None = None  # mean over folds of its best complete trial
    trial: int | None = None  # that trial
    complete: int = 0  # trials
    proposed: int = 0
    planned: int = 0
    estimate: str = ""  # of its newest ensemble, with its interval
    storage: str = ""  # where its checkpoints lie besides; "" in its folder
    fault: str = ""
    remarks: Remarks = field(default_factory=Remarks)

    def to_json(self) -> dict[str, Any]:
        """Every field as JSON has it."""
        said = {
            "notes": [vars(item) for item in self.remarks.notes],
            "leaderboard_scores": [vars(item) for item in self.remarks.scores],
        }
        fields = {name: value for name, value in vars(self).items() if name != "remarks"}
        return {**fields, "path": str(self.path), **said}


def study_folders(runs: Path) -> list[Path]:
    """What has a journal, readable or not, by name; Raises OSError where `runs` cannot be listed."""
    if not runs.is_dir():
        return []
    found = (path for path in runs.iterdir() if not path.name.startswith(REMOVED))
    return sorted(path for path in found if os.path.lexists(path / FILE))


def list_studies(runs: Path, progress: Progress | None = None) -> list[ListedStudy]:
    """The newest first."""
    folders, found = study_folders(runs), []
    for number, folder in enumerate(folders, 1):
        found.append(listed(folder))
        if progress is not None:
            progress(number, len(folders))
    return in_order(found, "begun")


def listed(folder: Path) -> ListedStudy:
    """Nothing is imported and no link followed out of the folder."""
    known: dict[str, Any] = {
        "name": folder.name,
        "path": folder,
        "size": size_on_disk(folder),
        "changed": _changed(folder / FILE),
        "remarks": read_remarks(folder),
    }
    try:
        return ListedStudy(**known, **_read(Study(folder)))
    except (OrchestratorError, OSError) as error:
        begun = _begun(folder)
        return ListedStudy(**known, state=DAMAGED, begun=begun, fault=str(error))


def _read(study: Study) -> dict[str, Any]:
    header, complete = study.header, study.complete_trials()
    best = complete[0] if complete else None
    state = RUNNING if study.state == "open" and is_driven(study.path) else study.state
    return {
        "state": state,
        "begun": study.started,
        "space": header.space_name or (Path(header.space_file).stem if header.space_file else ""),
        "data": "demo faces" if header.demo else Path(str(header.manifest.get("source", ""))).name,
        "rows": header.rows_fingerprint,
        "metric": header.metric,
        "mode": header.mode,
        "best": None if best is None else best.score,
        "trial": None if best is None else best.number,
        "complete": len(complete),
        "proposed": len(study.configs),
        "planned": study.trials,
        "estimate": newest_estimate(study.path) or "",
        "storage": header.storage or "",
    }


def size_on_disk(folder: Path) -> int:
    """Bytes of the files below it, each once whatever its names; links are not followed."""
    return sum(stats[0].st_size for stats in files_below(folder).values())


def files_below(folder: Path) -> dict[tuple[int, int], list[os.stat_result]]:
    """Of each file, by device and inode, one entry for each name that it has below the folder."""
    found: dict[tuple[int, int], list[os.stat_result]] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                about = (Path(place) / name).lstat()
            except OSError:  # deleted since by who drives the study
                continue
            found.setdefault((about.st_dev, about.st_ino), []).append(about)
    return found


def _changed(journal: Path) -> float:
    try:
        return journal.lstat().st_mtime
    except OSError:
        return 0.0


def _begun(folder: Path) -> float | None:
    try:
        return time_begun(folder)
    except OSError:
        return None


# ---- order and choice -----------------------------------------------------------------------------

ORDERS: dict[str, Callable[[ListedStudy], Any]] = {
    "begun": lambda item: -(item.begun or 0.0),
    "changed": lambda item: -item.changed,
    "name": lambda item: item.name,
    "best": lambda item: (item.metric, _badness(item)),  # scores of different metrics do not compare
    "size": lambda item: -item.size,
    "trials": lambda item: -item.complete,
    "state": lambda item: item.state,
}
"""What a list may be sorted by: the newest, largest, best first."""


def in_order(found: Iterable[ListedStudy], order: str) -> list[ListedStudy]:
    """order: a key of ORDERS."""
    return sorted(found, key=lambda item: (ORDERS[order](item), item.name))


def _badness(item: ListedStudy) -> float:
    if item.best is None:
        return math.inf
    return -item.best if item.mode == "max" else item.best


def chosen(found: Sequence[ListedStudy], patterns: Sequence[str], **wanted: str | None) -> list[ListedStudy]:
    """Those whose name matches one of the patterns (all where there are none) and whose fields, such as
    state, space, data or metric, match a pattern each."""
    return [
        item
        for item in found
        if (not patterns or any(fnmatch.fnmatchcase(item.name, pattern) for pattern in patterns))
        and all(
            value is None or fnmatch.fnmatchcase(str(getattr(item, name)), value)
            for name, value in wanted.items()
        )
    ]


def nothing_found(runs: Path, found: Sequence[ListedStudy], patterns: Sequence[str]) -> str:
    """What to say where a list is empty."""
    if not found:
        return f"no study in {runs}; run `python -m orchestrator.tune --space SPACE` first, or name --runs"
    close = suggestion(patterns[0], [item.name for item in found]) if patterns else ""
    return f"none of the {len(found)} studies in {runs} is like that{close}"


# ---- for notebooks --------------------------------------------------------------------------------


def studies(runs: Path | str = "runs") -> pd.DataFrame:
    """A row per study, the newest first: the fields of `ListedStudy`, times as timestamps in UTC, the number
    of notes and of leaderboard scores."""
    found = list_studies(Path(runs))
    rows = [
        {**item.to_json(), "notes": len(item.remarks.notes), "leaderboard_scores": len(item.remarks.scores)}
        for item in found
    ]
    columns = list(ListedStudy.__dataclass_fields__)[:-1]
    frame = pd.DataFrame(rows, columns=[*columns, "notes", "leaderboard_scores"])
    for name in ("begun", "changed"):
        frame[name] = pd.to_datetime(frame[name].astype("float64"), unit="s", utc=True)
    return frame
