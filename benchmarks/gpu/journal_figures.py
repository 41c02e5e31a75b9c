"""What a study's journal says of its race: how busy slots were, and which epochs were lost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.failure_causes import gpu_wanted

Line = Mapping[str, Any]


def read_journal(study: Path) -> list[dict[str, Any]]:
    """Whole lines; nothing of a study that did not begin."""
    path = study / "journal.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


@dataclass(frozen=True)
class RaceFigures:
    slots: int  # the most fold runs that were under way at a time
    busy: float  # share of these slots' time, from the first epoch's begin to the last report, in epochs
    epochs: int  # different ones that were trained
    repeated: int  # trained again, because what had been was gone
    of_failed: int  # trained for trials that then failed
    out_of_memory: int  # legs that ended so
    wordless: int  # of these, those whose words don't tell how much memory was asked for
    failed_legs: int  # that ended in any way but well
    finished: bool  # the study came to its end


def figures_of(lines: Iterable[Line]) -> RaceFigures:
    rows = list(lines)
    ended = [row for row in rows if row["event"] == "epoch_ended"]
    failures = [row for row in rows if row["event"] == "leg_failed"]
    failed = {row["trial"] for row in rows if row["event"] == "decided" and row["action"] == "FAIL"}
    done = {(row["trial"], row["fold"], row["epoch"]) for row in ended}
    slots = _most_under_way(rows)
    return RaceFigures(
        slots,
        _busy(ended, slots),
        len(done),
        len(ended) - len(done),
        sum(trial in failed for trial, _, _ in done),
        sum(row["failure"] == "memory" for row in failures),
        sum(row["failure"] == "memory" and gpu_wanted(row["error"]) is None for row in failures),
        len(failures),
        any(row["event"] == "closed" and row["outcome"] == "finished" for row in rows),
    )


def _busy(ended: list[Line], slots: int) -> float:
    if not ended:
        return 0.0
    began = min(row["time"] - row["seconds"] for row in ended)
    wall = max(row["time"] for row in ended) - began
    return float(sum(row["seconds"] for row in ended) / max(slots * wall, 1e-9))


def _most_under_way(rows: list[Line]) -> int:
    """Of fold runs: a leg ends with its last epoch, with a failure or by a decision."""
    open_legs: set[tuple[int, int]] = set()
    ends: dict[tuple[int, int], int] = {}
    most = 0
    for row in rows:
        key = (row.get("trial"), row.get("fold"))
        if row["event"] == "leg_started":
            open_legs.add(key)
            ends[key] = row["end"]
            most = max(most, len(open_legs))
        elif (row["event"] == "epoch_ended" and row["epoch"] >= ends[key]) or _stops(row):
            open_legs.discard(key)
    return most


def _stops(row: Line) -> bool:
    return row["event"] == "leg_failed" or (row["event"] == "decided" and row["action"] in ("STOP", "FAIL"))
