"""The report as Markdown: what was judged, every figure with what it is a ratio to, and the machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.gpu.limits import FAIL, LIMITS, shown
from benchmarks.gpu.records import Check, Figure, StageResult
from benchmarks.gpu.report import Report
from orchestrator.core.text import on_one_line

LONGEST = 200  # characters of a fact that is shown


def markdown(report: Report) -> str:
    lines = ["# One GPU", "", f"{report.conclusion}.", "", *_failed(report.stages)]
    if report.dry:
        lines += [
            "A dry run on a CPU with tiny networks: it shows that the command works, and nothing of a GPU.",
            "",
        ]
    lines += [*_machine(report), "", *_checks(report.stages)]
    for stage in report.stages:
        lines += ["", *_stage(stage)]
    return "\n".join(lines) + "\n"


def _failed(stages: Sequence[StageResult]) -> Iterator[str]:
    """What a reader has to see first: the checks that missed their limit, each with what it is."""
    failed = [check for stage in stages for check in stage.checks if check.status == FAIL]
    for check in failed:
        name, status, value, limit, note = _check(check)
        told = f"- {status}: {name}, {value} ({limit}): {LIMITS[name].what}"
        yield told + (f"; {_cell(note)}" if note else "")
    if failed:
        yield ""


def _machine(report: Report) -> Iterator[str]:
    facts: dict[str, Any] = {}
    for stage in report.stages:
        facts |= {key: value for key, value in stage.facts.items() if stage.stage == "card"}
    yield "## Machine"
    yield ""
    yield f"- date: {report.date}; {report.seconds:.0f} s in all"
    yield f"- card: {_listed(facts)}"
    yield f"- host: {_listed(report.host)}"
    yield f"- software: {_listed(report.software)}"
    yield f"- card before: {_listed(report.before) or 'nvidia-smi says nothing'}"
    yield f"- card after: {_listed(report.after) or 'nvidia-smi says nothing'}"


def _listed(facts: Mapping[str, Any]) -> str:
    """Long answers of programs are for the JSON alone."""
    short = {key: _cell(value) for key, value in facts.items() if len(str(value)) <= LONGEST}
    return ", ".join(f"{key} {value}" for key, value in short.items())


def _checks(stages: Sequence[StageResult]) -> Iterator[str]:
    yield "## Checks"
    yield ""
    rows = [check for stage in stages for check in stage.checks]
    yield from _table(("check", "", "value", "limit", "note"), (_check(check) for check in rows))
    yield ""
    yield "What each check is: docs/benchmarks/gpu.md, and beside its value in the JSON."


def _check(check: Check) -> tuple[str, ...]:
    limit = LIMITS[check.name]
    value = "" if check.value is None else shown(check.value, limit.unit)
    return check.name, check.status, value, limit.text(), check.note


def _stage(stage: StageResult) -> Iterator[str]:
    yield f"## {stage.stage}: {stage.ended}, {stage.seconds:.0f} s"
    if stage.error:
        yield ""
        yield f"**{_cell(stage.error)}**"
    if stage.figures:
        yield ""
        yield from _table(("of", "", "ratio", "to", "measured"), (_figure(item) for item in stage.figures))
    if stage.notes:
        yield ""
        yield from (f"- {_cell(note)}" for note in stage.notes)


def _figure(figure: Figure) -> tuple[str, ...]:
    measured = "" if figure.value is None else f"{figure.value:,.0f} {figure.unit}"
    return figure.subject, figure.what, shown(figure.ratio, "x"), figure.against, measured


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(_cell(item) for item in row)} |"


def _cell(value: Any) -> str:
    """Text of other programs stays within its cell."""
    return on_one_line(str(value)).replace("|", "\\|")
