"""FO013: a check of the same data found that the rows to predict are unlike those trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.json_text import parse_json
from orchestrator.core.regular_files import read_file
from orchestrator.core.text import on_one_line
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO013"
_SHIFT = "FO151"  # of `check`


def look(material: Material) -> Iterator[Finding]:
    snapshot = material.snapshot
    source = str(snapshot.header.manifest.get("source", ""))
    records = records_of(snapshot.path.parent, source, str(material.manifest.root))
    if not records:
        raise UnseenError(
            "there is no check of these data with rows to predict (python -m orchestrator.check --predict)"
        )
    shifts = [item for record in records for item in _findings(record) if item.get("code") == _SHIFT]
    if not shifts:
        yield fine(CODE, "a check of these data did not tell rows to predict from training rows")
        return
    way_out = on_one_line(str(shifts[0].get("way_out", "")))
    yield coded(CODE, Level.WARNING, on_one_line(str(shifts[0].get("found", ""))), way_out)


def records_of(runs: Path, source: str, root: str) -> list[Mapping[str, Any]]:
    """What `check` wrote in `runs` of the same data and rows to predict; one that cannot be read is none."""
    found = []
    for path in sorted(runs.glob("check-*/check.json")):
        try:
            record = parse_json(read_file(path))
        except (OSError, ValueError, InputError):
            continue  # a damaged file, which the next check replaces
        if _is_of(record, source, root):
            found.append(record)
    return found


def _is_of(record: Any, source: str, root: str) -> bool:
    data = record.get("data") if isinstance(record, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("rows"), dict):
        return False
    return (data.get("source"), data.get("root")) == (source, root) and bool(data["rows"].get("test"))


def _findings(record: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = record.get("findings")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
