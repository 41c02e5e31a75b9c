"""What a user says of a study: notes, and scores that a leaderboard gave. Each is a line of a file in the
study's folder that is only ever appended to; the journal is its driver's alone.

A line that cannot be read (a process was killed, a disk full) is left out, counted, and never cut off.
"""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.core.errors import StudyError
from orchestrator.core.json_text import parse_json
from orchestrator.core.regular_files import read_file
from orchestrator.core.text import counted
from orchestrator.core.typed_fields import check_fields

NOTES = "notes.jsonl"
SCORES = "leaderboard_scores.jsonl"
LONGEST = 10_000  # characters of a note: a page of text, not a file by mistake


@dataclass(frozen=True)
class Note:
    time: float  # unix seconds
    text: str


@dataclass(frozen=True)
class LeaderboardScore:
    """What somebody else's test rows said of a submission, beside what was known out of fold by then."""

    time: float  # unix seconds
    public: float | None
    private: float | None
    metric: str  # of the study, in which `oof` is measured
    oof: float | None  # None where there was no complete trial
    low: float | None  # ends of the interval of `oof`; None without one
    high: float | None
    estimate: str  # which: a key of an ensemble's estimates, or "fold_mean" of the best trial
    ensemble: str = ""  # name of its folder; "": the best trial alone
    trial: int | None = None  # the best trial, where there is no ensemble
    note: str = ""


Remark = TypeVar("Remark", Note, LeaderboardScore)


@dataclass(frozen=True)
class Remarks:
    """faults: a sentence for each file of which something could not be read."""

    notes: tuple[Note, ...] = ()  # oldest first
    scores: tuple[LeaderboardScore, ...] = ()  # oldest first
    faults: tuple[str, ...] = ()


def read_remarks(study: Path) -> Remarks:
    """Of a study's folder, at any time; never raises for what lies there."""
    notes, about_notes = _read(study / NOTES, Note)
    scores, about_scores = _read(study / SCORES, LeaderboardScore)
    return Remarks(tuple(notes), tuple(scores), tuple(filter(None, (about_notes, about_scores))))


def add_note(study: Path, text: str, now: float | None = None) -> Note:
    """On disk when it returns. Raises StudyError for a text that is none, OSError."""
    if not text.strip() or len(text) > LONGEST:
        raise StudyError(f"a note has 1 to {LONGEST} characters, and this one {len(text)}; write it anew")
    made = Note(time.time() if now is None else now, text.strip())
    _append(study / NOTES, asdict(made))
    return made


def add_score(study: Path, score: LeaderboardScore) -> None:
    """On disk when it returns. Raises StudyError for numbers that are none, OSError."""
    given = [value for value in (score.public, score.private) if value is not None]
    if not given or not all(map(math.isfinite, given)):
        raise StudyError("a leaderboard's score is a finite number; give --public, --private or both")
    _append(study / SCORES, asdict(score))


def _append(path: Path, record: Mapping[str, Any]) -> None:
    """One write, so that commands at once don't mix their lines; after a torn line a new one begins."""
    line = json.dumps(record, allow_nan=False) + "\n"
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    file = os.open(path, flags, 0o666)
    try:
        size = os.fstat(file).st_size
        torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
        data = ("\n" * torn + line).encode()
        if os.write(file, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(file)
    finally:
        os.close(file)


def _read(path: Path, kind: type[Remark]) -> tuple[list[Remark], str]:
    """And what to say of lines that are left out; "" where none are."""
    try:
        lines = read_file(path).splitlines()
    except FileNotFoundError:
        return [], ""
    except OSError as error:
        return [], f"{path} cannot be read: {error.strerror}"
    found = [_parsed(line, kind) for line in lines if line.strip()]
    kept = [item for item in found if item is not None]
    lost = len(found) - len(kept)
    return kept, f"{path}: {counted(lost, 'line')} of {len(found)} cannot be read" if lost else ""


def _parsed(line: bytes, kind: type[Remark]) -> Remark | None:
    try:
        record = parse_json(line, parse_constant=_no_number)
        known = {name: record[name] for name in kind.__dataclass_fields__ if name in record}
        check_fields(kind, known)
        return kind(**known)
    except (ValueError, TypeError, KeyError):
        return None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no score")
