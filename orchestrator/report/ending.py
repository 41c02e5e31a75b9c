"""The last step of `tune` and `ensemble`: what the checks found in the terminal, and the report."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from orchestrator.cli.signals import take_interrupt
from orchestrator.core.finding import Finding, Level
from orchestrator.core.text import on_one_line
from orchestrator.report.writing import checked, write_report
from orchestrator.snapshot import take_snapshot
from orchestrator.study_checks import print_found


@dataclass(frozen=True)
class Ending:
    """What came of looking back."""

    report: Path | None = None  # None where none was written
    blocking: tuple[str, ...] = ()  # codes of findings that forbid to use the study as it is

    def next_line(self, command: str) -> str:
        """The last line of all: what to do now."""
        if not self.blocking:
            return f"next: {command}"
        return f"not before {' and '.join(self.blocking)} above: next: {command}"


def look_back(
    study: Path,
    console: Console,
    *,
    report: bool = True,
    ensemble: Path | None = None,
    trust: bool = False,
    seed: int = 0,
) -> Ending:
    """Checks a study, prints what was found, and writes its report where that is asked for.

    What came of the search is on disk by then, so nothing that fails here is raised: one line tells of it.
    Ctrl-C ends this step alone, so that what comes after it is done. Raises KeyboardInterrupt for a
    termination.
    """
    blocking: tuple[str, ...] = ()
    try:
        snapshots = [take_snapshot(study, trust=trust, ensemble=ensemble)]
        findings = checked(snapshots, seed)
        print_found(findings[0], console)
        blocking = _blocking(findings[0])
        if not report:
            return Ending(None, blocking)
        out = write_report(snapshots, findings=findings, seed=seed)
    except KeyboardInterrupt:
        take_interrupt()
        _say_none(study, "interrupted", console)
        return Ending(None, blocking)
    except Exception as error:  # a night's search must not end in an error of its own report
        _say_none(study, on_one_line(str(error)) or type(error).__name__, console)
        return Ending(None, blocking)
    console.print(f"report: {out}", markup=False, soft_wrap=True)
    return Ending(out, blocking)


def _blocking(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.code for item in findings if item.level is Level.BLOCKS and item.code))


def _say_none(study: Path, why: str, console: Console) -> None:
    again = shlex.join(["python", "-m", "orchestrator.report", "--study", str(study)])
    console.print(f"note: no report was written ({why}); try again: {again}", markup=False, soft_wrap=True)
