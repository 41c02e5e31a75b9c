"""check.json: what a check found, for programs. One schema, versioned; see docs/reference/check.md."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.core.finding import Finding, Level
from orchestrator.pages.blocks import Cell, Table

FORMAT, VERSION = "orchestrator check", 1


@dataclass(frozen=True)
class CheckRecord:
    """What `check` writes beside its page."""

    source: str  # what --data named
    root: str  # the folder of the images
    fingerprint: str  # of the rows, hex
    rows: Mapping[str, int]  # role -> number
    space: str  # the space file; "" where none was given
    lines: tuple[str, ...]  # facts
    findings: tuple[Finding, ...]
    tables: tuple[Table, ...]
    paths: Mapping[int, str]  # of the rows that are evidence

    @property
    def exit_code(self) -> int:
        return int(any(item.level is Level.BLOCKS for item in self.findings))

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "data": {
                "source": self.source,
                "root": self.root,
                "fingerprint": self.fingerprint,
                "rows": dict(self.rows),
            },
            "space": self.space,
            "exit_code": self.exit_code,
            "lines": list(self.lines),
            "findings": [self._finding(item) for item in self.findings],
            "tables": [_table(table) for table in self.tables],
        }

    def _finding(self, finding: Finding) -> dict[str, Any]:
        return {
            "code": finding.code,
            "level": finding.level.value,
            "title": finding.topic,
            "found": finding.found,
            "way_out": finding.way_out,
            "rows": [{"row": row, "path": self.paths[row]} for row in finding.rows],
            "pairs": [[{"row": row, "path": self.paths[row]} for row in pair] for pair in finding.pairs],
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> CheckRecord:
        """Inverse of `to_json`. Raises KeyError, TypeError or ValueError for what is none."""
        data, paths = record["data"], dict[int, str]()
        return cls(
            data["source"],
            data["root"],
            data["fingerprint"],
            data["rows"],
            record["space"],
            tuple(record["lines"]),
            tuple(_read_finding(item, paths) for item in record["findings"]),
            tuple(_read_table(item) for item in record["tables"]),
            paths,
        )


def read_check(path: Path) -> CheckRecord:
    """What was written to a file. Raises InputError."""
    way_out = "run `python -m orchestrator.check` again"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["format"] != FORMAT:
            raise ValueError(f"its format is {record['format']!r}")
        if record["version"] != VERSION:
            raise InputError(
                f"{path} has version {record['version']!r}, and this program reads {VERSION}; {way_out}"
            )
        return CheckRecord.from_json(record)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; {way_out}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no record of a check ({error}); {way_out}") from error


def _table(table: Table) -> dict[str, Any]:
    rows = [[_written(cell) for cell in cells] for cells in table.rows]
    return {"title": table.title, "columns": list(table.columns), "rows": rows, "note": table.note}


def _written(cell: Cell) -> Cell | None:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def _read_table(item: Mapping[str, Any]) -> Table:
    rows = tuple(tuple(math.nan if cell is None else cell for cell in cells) for cells in item["rows"])
    return Table(item["title"], tuple(item["columns"]), rows, item["note"])


def _read_finding(item: Mapping[str, Any], paths: dict[int, str]) -> Finding:
    evidence = [*item["rows"], *(row for pair in item["pairs"] for row in pair)]
    paths |= {row["row"]: row["path"] for row in evidence}
    pairs = tuple((one["row"], other["row"]) for one, other in item["pairs"])
    rows = tuple(row["row"] for row in item["rows"])
    level = Level(item["level"])
    return Finding(level, item["title"], item["found"], item["way_out"], item["code"], rows, pairs)
