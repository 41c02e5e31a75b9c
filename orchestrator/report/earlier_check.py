"""What `check --data` found of a study's rows, where its check.json lies beside the study. Read by the format
that docs describe, and leniently: what is no such file, or of another version, is passed over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.finding import Finding, Level
from orchestrator.data.manifest import Manifest
from orchestrator.study.header import StudyHeader

NAMES = "check-*/check.json"
_FORMAT, _VERSION = "orchestrator check", 1
_MOST_BYTES = 50_000_000


@dataclass(frozen=True)
class EarlierCheck:
    page: Path  # its HTML file
    written: float  # unix seconds
    same_rows: bool  # its fingerprint is the study's; else it is of the same source and as many rows
    lines: tuple[str, ...]  # facts
    findings: tuple[Finding, ...]  # without the rows of their evidence, which its page shows


def find_check(runs: Path, header: StudyHeader, manifest: Manifest) -> EarlierCheck | None:
    """The newest check of a study's rows in `runs`; one of the same rows comes before one of the same source
    with as many rows, which it may have read together with rows to predict."""
    found = []
    for path in runs.glob(NAMES):
        try:
            record = _record(path)
            match = _match(record, header, manifest)
            if match is not None:
                written = path.stat().st_mtime
                found.append((match, written, _made(path, record, match, written)))
        except (OSError, KeyError, TypeError, ValueError, AttributeError):
            continue  # somebody's other file, or a damaged one: a report needs no check
    return max(found, key=lambda item: item[:2])[2] if found else None


def _record(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError("too large for the record of a check")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if record["format"] != _FORMAT or record["version"] != _VERSION:
        raise ValueError("no record of a check that can be read here")
    return record


def _match(record: Mapping[str, Any], header: StudyHeader, manifest: Manifest) -> bool | None:
    """Whether it is of the very rows; None where it is of others."""
    data = record["data"]
    if header.rows_fingerprint and data["fingerprint"] == header.rows_fingerprint:
        return True
    source = header.manifest.get("source")
    if not source or Path(str(data["source"])).absolute() != Path(str(source)).absolute():
        return None
    roles = manifest.frame["role"].value_counts()
    same = all(int(data["rows"].get(role, 0)) == int(roles.get(role, 0)) for role in ("train", "extra"))
    return False if same else None


def _made(path: Path, record: Mapping[str, Any], same_rows: bool, written: float) -> EarlierCheck:
    findings = tuple(
        Finding(Level(item["level"]), str(item["title"]), str(item["found"]), str(item["way_out"]),
                str(item["code"]))
        for item in record["findings"]
    )  # fmt: skip
    lines = tuple(map(str, record["lines"]))
    return EarlierCheck(path.with_name("check.html"), written, same_rows, lines, findings)
