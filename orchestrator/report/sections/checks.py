"""What to know of a study before its score is believed."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.finding import Finding, Level
from orchestrator.core.text import counted
from orchestrator.pages.blocks import Block, Findings, Table, Text
from orchestrator.report.context import ReportContext

TITLE = "Checks"
QUESTION = "Is there anything that makes this score worth less than it says?"


def blocks(context: ReportContext) -> tuple[Block, ...]:
    """The first study's findings in the order of the checks; then those of studies beside it."""
    found: list[Block] = []
    for snapshot, findings in zip(context.snapshots, context.findings, strict=True):
        title = snapshot.name if context.others else ""
        found += [Text((_summary(findings),), title=title), *_told(findings), *_fine(findings)]
    return tuple(found)


def _told(findings: Sequence[Finding]) -> tuple[Block, ...]:
    told = [item for item in findings if item.level is not Level.OK]
    return (Findings(told),) if told else ()


def _fine(findings: Sequence[Finding]) -> tuple[Block, ...]:
    """One line each: what was looked at and is as it should be, or could not be looked at."""
    rows = tuple((item.code, item.topic, item.found) for item in findings if item.level is Level.OK)
    return (Table("Looked at, and nothing found", ("code", "check", "seen"), rows),) if rows else ()


def _summary(findings: Sequence[Finding]) -> str:
    if not findings:
        return "No check was made."
    odd = sum(item.level is Level.WARNING for item in findings)
    grave = sum(item.level is Level.BLOCKS for item in findings)
    looked = counted(len(findings), "check")
    if not odd and not grave:
        return f"{looked}: nothing to worry about."
    return (
        f"{looked}: {grave or 'none'} must be mended, {odd} worth a look. Each number has a page of its own "
        "in the documentation (docs/reference/checks)."
    )
