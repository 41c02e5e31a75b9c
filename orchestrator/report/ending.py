"""The last step of `tune` and `ensemble`: what the checks found in the terminal, and the report."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.console import Console

from orchestrator.cli.signals import take_interrupt
from orchestrator.core.text import on_one_line
from orchestrator.report.writing import checked, write_report
from orchestrator.snapshot import take_snapshot
from orchestrator.study_checks import print_found


def look_back(
    study: Path,
    console: Console,
    *,
    report: bool = True,
    ensemble: Path | None = None,
    trust: bool = False,
    seed: int = 0,
) -> Path | None:
    """Checks a study, prints what was found, and writes its report where that is asked for.

    What came of the search is on disk by then, so nothing that fails here is raised: one line tells of it.
    Ctrl-C ends this step alone, so that what comes after it is done. Returns the report's path; None where
    none was written. Raises KeyboardInterrupt for a termination.
    """
    try:
        snapshots = [take_snapshot(study, trust=trust, ensemble=ensemble)]
        findings = checked(snapshots, seed)
        print_found(findings[0], console)
        if not report:
            return None
        out = write_report(snapshots, findings=findings, seed=seed)
    except KeyboardInterrupt:
        take_interrupt()
        _say_none(study, "interrupted", console)
        return None
    except Exception as error:  # a night's search must not end in an error of its own report
        _say_none(study, on_one_line(str(error)) or type(error).__name__, console)
        return None
    console.print(f"report: {out}", markup=False, soft_wrap=True)
    return out


def _say_none(study: Path, why: str, console: Console) -> None:
    again = shlex.join(["python", "-m", "orchestrator.report", "--study", str(study)])
    console.print(f"note: no report was written ({why}); try again: {again}", markup=False, soft_wrap=True)
