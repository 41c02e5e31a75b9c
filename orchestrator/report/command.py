"""What the command `report` does once its options are read."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.cli.terminal import Terminal, log_warnings
from orchestrator.core.errors import InputError
from orchestrator.core.text import bytes_text
from orchestrator.report.writing import checked, refuse_other_file, write_report
from orchestrator.snapshot import StudySnapshot, take_snapshot
from orchestrator.study.finding import find_study
from orchestrator.study_checks import print_found
from orchestrator.study_checks.fitted_baseline import fit_baseline, quick_baseline


def run(arguments: argparse.Namespace) -> None:
    """Raises InputError, StorageError."""
    log_warnings()
    console = Terminal(highlight=False, width=None if sys.stdout.isatty() else 80)
    if arguments.data_root is not None and not arguments.data_root.is_dir():
        raise InputError(f"--data-root {arguments.data_root} is no folder; name the one of the images")
    if arguments.out is not None:
        refuse_other_file(arguments.out)  # before the work
    snapshots = _snapshots(arguments)
    findings = checked(snapshots, arguments.seed, fit_baseline if arguments.baseline else quick_baseline)
    out = write_report(
        snapshots, arguments.out, findings=findings, data_root=arguments.data_root, seed=arguments.seed
    )
    print_found(findings[0], console)
    for line in _lines(snapshots, out):
        console.print(line, markup=False, soft_wrap=True)


def _snapshots(arguments: argparse.Namespace) -> list[StudySnapshot]:
    names: Sequence[str | None] = arguments.study or [None]
    paths = list(dict.fromkeys(find_study(name, arguments.runs) for name in names))
    return [take_snapshot(path, trust=arguments.trust) for path in paths]


def _lines(snapshots: Sequence[StudySnapshot], out: Path) -> list[str]:
    notes = [f"note: {note}" for snapshot in snapshots for note in dict.fromkeys(snapshot.notes)]
    size = bytes_text(out.stat().st_size)
    return [*notes, f"report: {out} ({size}, one file)", f"open: {out.resolve().as_uri()}"]
