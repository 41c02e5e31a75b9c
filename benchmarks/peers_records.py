"""The records that all methods of `benchmarks.peers` are judged by, written by several processes.

Each process notes when a fold run was built and when each of its epochs began and ended. `Kept` is the folder
into which the methods that have no store of their own put the weights of a fold run whenever an epoch was its
best so far: with the time, so that what was there at minute m is known afterwards.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FOLDER = "PEERS_RECORDS"
"""The variable that names the folder of the records."""


@dataclass(frozen=True)
class Span:
    """Seconds of unix time that a process spent on one thing."""

    kind: str  # "build" or "epoch"
    begin: float
    end: float
    fold: int
    process: int


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a fold run after its best epoch so far."""

    time: float  # unix, once they were stored
    trial: str
    fold: int
    epoch: int
    score: float
    file: str


class Kept:
    """A folder of checkpoints, written by several processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def keep(
        self, trial: str, config: Mapping[str, Any], fold: int, epoch: int, score: float, weights: bytes
    ) -> None:
        """Stored when this returns."""
        about = self.folder / f"{trial}.json"
        if not about.exists():
            about.write_text(json.dumps(config))
        file = f"{trial}-f{fold}-e{epoch:02d}.safetensors"
        (self.folder / file).write_bytes(weights)
        kept = Checkpoint(time.time(), trial, fold, epoch, score, file)
        append(self.folder / f"kept-{os.getpid()}.jsonl", asdict(kept))

    def checkpoints(self) -> list[Checkpoint]:
        """In the order of time."""
        return sorted(
            (Checkpoint(**line) for line in lines_of(self.folder, "kept")), key=lambda item: item.time
        )

    def config(self, trial: str) -> dict[str, Any]:
        config: dict[str, Any] = json.loads((self.folder / f"{trial}.json").read_text())
        return config


def spans(folder: Path) -> list[Span]:
    """Of all processes, in the order in which they began."""
    return sorted((Span(**line) for line in lines_of(folder, "spans")), key=lambda item: item.begin)


def append(path: Path, record: Mapping[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def lines_of(folder: Path, name: str) -> list[dict[str, Any]]:
    """Of all files name-*.jsonl. A process that was killed may have left half a line, which is dropped."""
    whole = [
        text.rpartition("\n")[0].splitlines()
        for text in (path.read_text() for path in sorted(folder.glob(f"{name}-*.jsonl")))
    ]
    return [json.loads(line) for lines in whole for line in lines]
