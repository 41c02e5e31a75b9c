"""What a stage finds, as lines of JSON that outlive it: whatever was measured before a crash is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.gpu.limits import FAIL, LIMITS, NOT_RUN, PASS

DONE, CUT, OVER, BROKEN = "done", "cut", "over its limit", "broken"
"""How a stage ended. Cut: not begun, or not all of it, for want of time. Over: ended from outside."""


@dataclass(frozen=True)
class Figure:
    """One ratio, both of whose sides were measured in this run."""

    subject: str  # what was trained: "resnet18, 112 px, batch 64"
    what: str  # "fold run, augmented on the device"
    ratio: float
    against: str  # "the network alone, fed from device memory"
    value: float | None = None  # what the ratio was made of, in `unit`
    unit: str = ""


@dataclass(frozen=True)
class Check:
    """One judged number, or the reason why there is none."""

    name: str  # a key of LIMITS
    status: str  # PASS, FAIL, NOT RUN
    value: float | None = None
    note: str = ""


@dataclass(frozen=True)
class StageResult:
    """A stage's findings and its end."""

    stage: str
    ended: str  # DONE, CUT, OVER, BROKEN
    seconds: float
    checks: tuple[Check, ...] = ()
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""  # the line that says what ended it

    @property
    def failed(self) -> bool:
        return self.ended in (OVER, BROKEN) or any(check.status == FAIL for check in self.checks)


class Recorder:
    """Where a stage puts what it finds, at once."""

    def __init__(self, path: Path, dry: bool) -> None:
        self._path, self._dry = path, dry

    def figure(
        self, subject: str, what: str, ratio: float, against: str, value: float | None = None, unit: str = ""
    ) -> None:
        self._write("figure", asdict(Figure(subject, what, ratio, against, value, unit)))

    def check(self, name: str, value: float, note: str = "") -> None:
        """Judged by its limit; a dry run judges only what a CPU can show."""
        limit = LIMITS[name]
        status = PASS if limit.holds(value) else FAIL
        if self._dry and not limit.on_cpu:
            status, note = NOT_RUN, "a CPU cannot show it" + (f"; {note}" if note else "")
        self._write("check", asdict(Check(name, status, value, note)))

    def not_run(self, name: str, why: str) -> None:
        assert name in LIMITS
        self._write("check", asdict(Check(name, NOT_RUN, None, why)))

    def note(self, text: str) -> None:
        self._write("note", {"text": text})

    def fact(self, name: str, value: Any) -> None:
        self._write("fact", {"name": name, "value": value})

    def fault(self, text: str) -> None:
        """Something that should have worked did not; the stage goes on with its other parts and is BROKEN."""
        self._write("fault", {"text": text})

    def cut(self, what: str) -> None:
        """A part that time did not allow."""
        self._write("cut", {"text": what})

    def _write(self, kind: str, record: Mapping[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps({"kind": kind, **record}) + "\n")


def read_records(path: Path) -> list[dict[str, Any]]:
    """Whole lines; the torn last one of a process that was ended is no finding."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def result_of(
    stage: str,
    judged: Iterable[str],
    ended: str,
    seconds: float,
    records: Iterable[Mapping[str, Any]],
    error: str = "",
) -> StageResult:
    """judged: the checks that the stage owes; one that it did not give was NOT RUN, with the reason."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in [dict(record) for record in records]:
        found.setdefault(row.pop("kind"), []).append(row)
    if ended == DONE and "fault" in found:
        ended, error = BROKEN, "; ".join(row["text"] for row in found["fault"])
    elif ended == DONE and "cut" in found:
        ended = CUT
    checks = {row["name"]: Check(**row) for row in found.get("check", [])}
    why = "no time was left" if ended == CUT else f"its stage is {ended}"
    for name in judged:
        checks.setdefault(name, Check(name, NOT_RUN, None, why))
    cut = [row["text"] for row in found.get("cut", [])]
    return StageResult(
        stage,
        ended,
        round(seconds, 1),
        tuple(checks.values()),
        tuple(Figure(**row) for row in found.get("figure", [])),
        (
            *(row["text"] for row in found.get("note", [])),
            *(f"left out for want of time: {text}" for text in cut),
        ),
        {row["name"]: row["value"] for row in found.get("fact", [])},
        error,
    )


def as_json(value: Any) -> Any:
    """JSON has no NaN and no infinity: null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value
