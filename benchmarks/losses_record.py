"""What `benchmarks.losses` has counted so far, in a file that an interrupted run goes on with."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.core.atomic_file import atomic_write

ROOT = Path(__file__).parents[1]


@dataclass
class Part:
    """Losses of one kind."""

    kind: str
    wanted: int = 0
    losses: list[dict[str, Any]] = field(default_factory=list)  # study, epochs in its journal, what was told
    studies: list[dict[str, Any]] = field(default_factory=list)  # that ended: their name, and what is wrong

    @property
    def missing(self) -> int:
        return self.wanted - len(self.losses)

    def next_study(self) -> str:
        """A name that no run has used: one that was interrupted leaves its own behind."""
        return f"{self.kind}-{time.strftime('%H%M%S')}-{len(self.losses):03d}"


@dataclass
class Record:
    """Every part, and where it was measured."""

    path: Path
    seed: int
    parts: dict[str, Part] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, seed: int) -> Record:
        made = cls(path, seed)
        if path.exists():
            found = json.loads(path.read_text())
            if found["seed"] != seed:
                raise SystemExit(f"{path} is of seed {found['seed']}; give that, or another --out")
            made.parts = {kind: Part(**part) for kind, part in found["parts"].items()}
        return made

    def part(self, kind: str, wanted: int) -> Part:
        part = self.parts.setdefault(kind, Part(kind))
        part.wanted = wanted
        return part

    @property
    def faults(self) -> list[str]:
        return [
            f"{study['study']}: {fault}"
            for part in self.parts.values()
            for study in part.studies
            for fault in study["faults"]
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "date": time.strftime("%Y-%m-%d"),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
            "commit": _commit(),
            "seed": self.seed,
            "parts": {kind: asdict(part) for kind, part in self.parts.items()},
        }

    def write(self) -> None:
        with atomic_write(self.path) as file:
            file.write(json.dumps(self.to_json(), indent=1).encode())


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
