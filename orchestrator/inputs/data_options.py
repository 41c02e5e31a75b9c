"""Which rows a command was asked to read, and where it may keep what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DataOptions:
    """What `tune` and `check` are told about data."""

    data: str | None = None  # a table, a folder; None: the demo faces
    data_root: Path | None = None  # the folder below which the images lie here; None: as the data says
    label_fixes: Path | None = None  # a table of corrected labels
    extra: Sequence[Path] = ()  # tables or folders of rows that join training parts only
    runs: Path = Path("runs")  # studies and caches lie below it
    private: bool = False  # whether files are made for their owner alone
