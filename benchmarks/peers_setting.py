"""What one run of `benchmarks.peers` is told, and what its process makes of it first."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.peers_data import PeerData, open_data
from benchmarks.peers_records import Kept

CORES = 2


@dataclass(frozen=True)
class Setting:
    """One method on one data set with one seed."""

    method: str
    data: str
    seed: int
    minutes: float
    runs: str  # where data and decoded images lie
    folder: str  # of this run alone
    started: float = 0.0  # unix; the clock of all marks

    def write(self) -> Path:
        path = Path(self.folder) / "setting.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self)))
        return path

    @classmethod
    def of_command_line(cls) -> Setting:
        record: Mapping[str, object] = json.loads(Path(sys.argv[1]).read_text())
        return cls(**record)  # type: ignore[arg-type]

    @property
    def path(self) -> Path:
        return Path(self.folder)

    @property
    def seconds_left(self) -> float:
        return self.started + 60 * self.minutes - time.time()

    def open_data(self) -> PeerData:
        return open_data(self.data, Path(self.runs))

    def kept(self) -> Kept:
        return Kept(self.path / "kept")
