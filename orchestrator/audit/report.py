"""What an audit found, as lines, findings, a table of 80 columns and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from orchestrator.audit.evidence import Evidence
from orchestrator.audit.suspects import PartAudit, Suspect
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import StorageError
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.core.text import counted, on_one_line, shortened
from orchestrator.study.study import Study

FORMAT = 1
_LOOK = "look at each in the gallery"
_WAY_OUT = f"{_LOOK}; --out FILE.csv drafts fixes, and tune --label-fixes applies those that you confirm"


def lines_of(studies: Sequence[Study], evidence: Evidence, audits: Sequence[PartAudit]) -> list[str]:
    """What was looked at, and what of."""
    names = ", ".join(on_one_line(str(study.path)) for study in studies)
    what = "study" if len(studies) == 1 else "studies"
    trials = counted(evidence.trials, "complete trial")
    lines = [f"{what}: {names} ({trials}, {len(evidence.frame)} rows)"]
    for found in audits:
        how = "judged group by group" if found.of_group else "judged row by row"
        wrong = sum(len(item.rows) for item in found.likely_wrong)
        lines.append(
            f"{on_one_line(found.part.name)}: {how}; {wrong} of {len(found.rows)} labels are more likely "
            f"wrong than right; confident learning counts {found.confident}"
        )
    return lines


def audit_findings(
    audits: Sequence[PartAudit], frame: pd.DataFrame, draft: Path | None = None
) -> list[Finding]:
    """Of each part but the joint label, whose parts say which of them is wrong: copies whose labels differ,
    groups, then rows. draft: the file of drafted fixes, where one is asked for."""
    way_out = _WAY_OUT
    if draft is not None:
        way_out = f"{_LOOK}, confirm what is wrong in {draft}, and give that to tune --label-fixes"
    return [
        replace(finding, way_out=way_out)
        for item in audits
        if not item.part.is_joint
        for finding in (_copies(item, frame), _near(item, frame), _groups(item, frame), _rows(item, frame))
        if finding is not None
    ]


def _copies(item: PartAudit, frame: pd.DataFrame) -> Finding | None:
    suspects = [suspect for suspect in item.likely_wrong if suspect.is_copy]
    said = f"identical copies of {counted(len(suspects), 'image')} have different labels"
    pairs = [(suspect.rows[0], suspect.beside[0]) for suspect in suspects if suspect.beside]
    return _finding("FO124", said, item, suspects, frame, pairs)


def _near(item: PartAudit, frame: pd.DataFrame) -> Finding | None:
    """Of pairs, whatever else is judged together with their rows. They are worth a look, and no proof."""
    if not item.near:
        return None
    named = shortened([" ~ ".join(str(frame["path"].iloc[row]) for row in pair) for pair in item.near])
    said = f"{counted(len(item.near), 'pair')} of near duplicates with different labels: {named}"
    rows = list(dict.fromkeys(row for pair in item.near for row in pair))
    found = f"{on_one_line(item.part.name)}: {said}"
    return coded("FO124", Level.WARNING, found, _WAY_OUT, rows=rows, pairs=item.near)


def _groups(item: PartAudit, frame: pd.DataFrame) -> Finding | None:
    suspects = [suspect for suspect in item.likely_wrong if _is_group(item, suspect)]
    said = (
        f"the label that all rows share is more likely wrong than right in {counted(len(suspects), 'group')}"
    )
    return _finding("FO142", said, item, suspects, frame)


def _rows(item: PartAudit, frame: pd.DataFrame) -> Finding | None:
    others = [suspect for suspect in item.likely_wrong if not suspect.is_copy]
    suspects = [suspect for suspect in others if not _is_group(item, suspect)]
    count = sum(len(suspect.rows) for suspect in suspects)
    said = f"{counted(count, 'label')} {'is' if count == 1 else 'are'} more likely wrong than right"
    return _finding("FO141", said, item, suspects, frame)


def _is_group(item: PartAudit, suspect: Suspect) -> bool:
    """Whether it is a whole group of several rows."""
    return item.of_group and len(suspect.rows) > 1 and not (suspect.beside or suspect.is_copy)


def _finding(
    code: str,
    said: str,
    item: PartAudit,
    suspects: Sequence[Suspect],
    frame: pd.DataFrame,
    pairs: Sequence[tuple[int, int]] = (),
) -> Finding | None:
    """None where nobody is suspected."""
    if not suspects:
        return None
    first = shortened([str(frame["path"].iloc[suspect.rows[0]]) for suspect in suspects])
    rows = [row for suspect in suspects for row in suspect.rows]
    found = f"{on_one_line(item.part.name)}: {said}, first {first}"
    return coded(code, Level.WARNING, found, _WAY_OUT, rows=rows, pairs=pairs)


def suspects_table(suspects: Sequence[Suspect], frame: pd.DataFrame) -> Table:
    """One line a suspect; the end of a long path is what tells images apart."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", "target", "given > likely", "wrong", "rows", "first image"):
        is_number = name in ("", "wrong", "rows")
        table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
    for number, item in enumerate(suspects, 1):
        change = f"{item.part.classes[item.given]} > {item.part.classes[item.likely]}"
        path = on_one_line(str(frame["path"].iloc[item.rows[0]]))
        wrong = "copies" if item.is_copy else f"{item.wrong:.2f}"
        cells = (str(number), item.part.name, change, wrong, str(len(item.rows)), path)
        table.add_row(*(Text(on_one_line(cell)) for cell in cells))
    return table


def audit_record(
    studies: Sequence[Study],
    evidence: Evidence,
    audits: Sequence[PartAudit],
    suspects: Sequence[Suspect],
    findings: Sequence[Finding],
) -> dict[str, Any]:
    """Of audit.json; docs/how-to/audit.md describes it."""
    paths = [str(path) for path in evidence.frame["path"]]
    return {
        "format": FORMAT,
        "studies": [str(study.path) for study in studies],
        "complete_trials": evidence.trials,
        "targets": [_part_record(item, paths) for item in audits],
        "suspects": [suspect_record(item, paths) for item in suspects],
        "findings": [
            {
                "code": item.code,
                "level": item.level.value,
                "title": item.topic,
                "found": item.found,
                "way_out": item.way_out,
                "paths": [paths[row] for row in item.rows],
            }
            for item in findings
        ],
    }


def _part_record(item: PartAudit, paths: Sequence[str]) -> dict[str, Any]:
    """Every row's own numbers, so that another order or another bound can be tried."""
    judged, classes = item.judged, item.part.classes
    return {
        "target": item.part.name,
        "classes": list(classes),
        "of_group": item.of_group,
        "likely_wrong": sum(len(suspect.rows) for suspect in item.likely_wrong),
        "confident_learning": item.confident,
        "rows": [
            {"path": paths[row], "given": classes[given], "likely": classes[likely], "wrong": round(wrong, 4)}
            for row, given, likely, wrong in zip(
                item.rows.tolist(), judged.labels.tolist(), judged.likely.tolist(), judged.wrong.tolist(),
                strict=True,
            )
        ],
    }  # fmt: skip


def suspect_record(item: Suspect, paths: Sequence[str]) -> dict[str, Any]:
    return {
        "target": item.part.name,
        "given": item.part.classes[item.given],
        "likely": item.part.classes[item.likely],
        "wrong": round(item.wrong, 4),
        "p_given": round(item.p_given, 4),
        "p_likely": round(item.p_likely, 4),
        "copies": item.is_copy,
        "near": [paths[row] for row in item.near],
        "learnt": _number(item.learnt),
        "variability": _number(item.variability),
        "paths": [paths[row] for row in item.rows],
        "beside": [paths[row] for row in item.beside],
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def write_audit(folder: Path, page: str, record: dict[str, Any]) -> None:
    """audit.html and audit.json, each whole or not at all. Raises StorageError."""
    files = {"audit.html": page, "audit.json": json.dumps(record, indent=1)}
    for name, text in files.items():
        try:
            with atomic_write(folder / name) as file:
                file.write(text.encode("utf-8", "replace"))
        except OSError as error:
            raise StorageError(
                f"{folder / name} cannot be written: {error.strerror}; name --folder"
            ) from error
