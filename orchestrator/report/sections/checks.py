"""What to know of a study before its score is believed."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.finding import Finding, Level
from orchestrator.core.text import counted
from orchestrator.pages.blocks import Block, Findings, Link, Table, Text
from orchestrator.report.context import ReportContext
from orchestrator.study_checks.checks import NOT_LOOKED_AT

TITLE = "Checks"
QUESTION = "Is there anything that makes this score worth less than it says?"


_CURVES = Link("the curves of each fold", anchor="curves")
_TRIALS = Link("the trials", anchor="trials")
_CLASSES = Link("the classes and folds", anchor="data")
SEE = {
    "FO001": _TRIALS,
    "FO002": _CURVES,
    "FO004": _TRIALS,
    "FO005": Link("the ensemble", anchor="ensemble"),
    "FO007": _CLASSES,
    "FO009": Link("the rows", anchor="data"),
    "FO010": _CURVES,
    "FO012": Link("the calibration", anchor="errors"),
    "FO016": _CLASSES,
    "FO018": _CURVES,
    "FO020": Link("the classes", anchor="errors"),
}
"""Where a report shows more of what a finding is about."""


def blocks(context: ReportContext) -> tuple[Block, ...]:
    """The first study's findings in the order of the checks; then those of studies beside it."""
    found: list[Block] = []
    for snapshot, findings in zip(context.snapshots, context.findings, strict=True):
        title = snapshot.name if context.others else ""
        is_main = snapshot is context.main
        found += [Text((_summary(findings),), title=title), *_told(findings, is_main), *_fine(findings)]
    return tuple(found)


def _told(findings: Sequence[Finding], is_main: bool) -> tuple[Block, ...]:
    """Only of the first study has the page sections to see more in."""
    told = [item for item in findings if item.level is not Level.OK]
    return (Findings(told, see=SEE if is_main else {}),) if told else ()


def _fine(findings: Sequence[Finding]) -> tuple[Block, ...]:
    """One line each: what was looked at and is as it should be, and what could not be looked at."""
    fine = [item for item in findings if item.level is Level.OK]
    unseen = [item for item in fine if item.found.startswith(NOT_LOOKED_AT)]
    seen = [(item.code, item.topic, item.found) for item in fine if item not in unseen]
    why = [(item.code, item.topic, item.found.removeprefix(NOT_LOOKED_AT)) for item in unseen]
    tables = (
        Table("Looked at, and nothing found", ("code", "check", "seen"), tuple(seen)),
        Table("Not looked at", ("code", "check", "why"), tuple(why)),
    )
    return tuple(item for item in tables if item.rows)


def _summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "No check was made."
    odd = sum(item.level is Level.WARNING for item in findings)
    grave = sum(item.level is Level.BLOCKS for item in findings)
    unseen = sum(item.found.startswith(NOT_LOOKED_AT) for item in findings)
    looked = counted(len(findings), "check")
    if unseen:
        looked += f" ({unseen} could not look)"
    if not odd and not grave:
        return f"{looked}: nothing to worry about."
    return (
        f"{looked}: {grave or 'none'} must be mended, {odd} worth a look. Each number has a page of its own "
        "in the documentation (docs/reference/checks)."
    )
