"""What the command `audit` does once its options are read."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from orchestrator.audit.copies import copies_of
from orchestrator.audit.draft import draft_fixes, refuse_existing, write_draft
from orchestrator.audit.evidence import Evidence, gather_evidence, with_ensemble
from orchestrator.audit.page import audit_page
from orchestrator.audit.report import audit_findings, audit_record, lines_of, suspects_table, write_audit
from orchestrator.audit.suspects import Suspect, audit, first_suspects
from orchestrator.cli.parser import version
from orchestrator.cli.terminal import Terminal, log_warnings
from orchestrator.core.errors import InputError
from orchestrator.core.text import counted
from orchestrator.core.thumbnails import read_thumbnails
from orchestrator.data.label_fixes import COPY, Fix, read_fixes
from orchestrator.ensemble_record.finding import find_ensemble
from orchestrator.pages.evidence import rows_on
from orchestrator.pages.render import render
from orchestrator.pages.terminal import findings_line, print_findings
from orchestrator.pages.thumbnails import Pixels, thumbnail_uris
from orchestrator.progress import progress_bar
from orchestrator.study.agreed import compare_agreed
from orchestrator.study.being_read import being_read
from orchestrator.study.finding import find_study
from orchestrator.study.study import Study


def run(arguments: argparse.Namespace) -> None:
    """Raises InputError, NoCompleteTrialError, StorageError."""
    log_warnings()
    console = Terminal(highlight=False, width=None if sys.stdout.isatty() else 80)
    _check_arguments(arguments)
    if arguments.compare is not None:
        _compare(arguments, console)
    else:
        with contextlib.ExitStack() as held:
            _audit(arguments, console, held)


def _check_arguments(arguments: argparse.Namespace) -> None:
    if arguments.compare is None:
        if arguments.out is not None:
            refuse_existing(arguments.out)
        if arguments.folder is not None and arguments.folder.exists():
            raise InputError(f"--folder {arguments.folder} exists; name another folder (nothing was changed)")
        return
    for name in ("study", "ensemble", "out", "folder"):
        if getattr(arguments, name) is not None:
            raise InputError(f"--compare looks at two studies and writes nothing; leave --{name} out")


def _compare(arguments: argparse.Namespace, console: Terminal) -> None:
    before, after = (
        Study(find_study(named, arguments.runs), trust=arguments.trust) for named in arguments.compare
    )
    found = compare_agreed(before, after, seed=arguments.seed, trust=arguments.trust)
    for line in found.lines():
        console.print(line, markup=False, soft_wrap=True)


def _audit(arguments: argparse.Namespace, console: Terminal, held: contextlib.ExitStack) -> None:
    names: Sequence[str | None] = arguments.study or [None]
    studies = [Study(find_study(name, arguments.runs), trust=arguments.trust) for name in names]
    for study in studies:
        held.enter_context(being_read(study.path))
    with progress_bar("reading predictions") as progress:
        evidence = gather_evidence(studies, progress)
    if arguments.ensemble is not None:
        folder = find_ensemble(arguments.ensemble, arguments.runs)
        evidence = with_ensemble(evidence, folder, studies)
    root = Path(evidence.root if arguments.data_root is None else arguments.data_root)
    copies, about_copies = copies_of(evidence, root, arguments.runs / ".cache")
    with progress_bar("judging labels") as progress:
        audits = audit(evidence, copies, arguments.top, progress)
    suspects = first_suspects(audits, arguments.top)
    lines = [
        *lines_of(studies, evidence, audits),
        about_copies,
        *(f"note: {note}" for note in evidence.notes),
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    findings = audit_findings(audits, evidence.frame, arguments.out)
    print_findings(findings, console)
    console.print(findings_line(findings), markup=False)
    if suspects:
        console.print(suspects_table(suspects, evidence.frame))
    folder = arguments.folder or studies[0].path / f"audit-{time.strftime('%Y%m%d-%H%M%S')}"
    page = audit_page(studies, evidence, audits, suspects, findings, lines)
    pictures = _pictures(rows_on(page), evidence, root, console)
    record = audit_record(studies, evidence, audits, suspects, findings)
    write_audit(folder, render(page, pictures, version()), record)
    console.print(
        f"gallery: {folder / 'audit.html'}; all rows: {folder / 'audit.json'}", markup=False, soft_wrap=True
    )
    if arguments.out is not None:
        _draft(arguments.out, evidence, suspects, studies, console)


def _pictures(rows: Sequence[int], evidence: Evidence, root: Path, console: Terminal) -> dict[int, str]:
    """Data URIs; says so where images are gone."""
    paths = evidence.frame["path"].astype(str)

    def read(chunk: Sequence[int], side: int) -> Sequence[Pixels | None]:
        # By the shipped decoder: a study from elsewhere may name code of its own, which nothing here imports.
        return read_thumbnails(str(root), [paths.iloc[row] for row in chunk], side)

    with progress_bar("reading images") as progress:
        found = thumbnail_uris(rows, read, progress)
    if len(found) < len(rows):
        missing = len(rows) - len(found)
        console.print(
            f"note: {missing} of {counted(len(rows), 'picture')} cannot be shown, as images are not below "
            f"{root} or too many for a page; name their folder with --data-root",
            markup=False,
            soft_wrap=True,
        )
    return found


def _draft(
    out: Path, evidence: Evidence, suspects: Sequence[Suspect], studies: Sequence[Study], console: Terminal
) -> None:
    decided = _decided(studies)
    fixes = draft_fixes(evidence.frame, suspects, decided)
    write_draft(out, fixes)
    new = len(fixes) - len(decided)
    carried = f", and {counted(len(decided), 'line')} decided before" if decided else ""
    console.print(
        f"draft: {out} ({counted(new, 'line')} to decide{carried}); look at each, write yes or no in its "
        f"column confirmed, then: tune ... --label-fixes {out}",
        markup=False,
        soft_wrap=True,
    )


def _decided(studies: Sequence[Study]) -> list[Fix]:
    """What a person confirmed or refused in the fixes that the studies began with, each once."""
    found: dict[tuple[str, str], Fix] = {}
    for study in studies:
        if study.header.label_fixes is not None and (study.path / COPY).is_file():
            for fix in read_fixes(study.path / COPY):
                if fix.confirmed:
                    found.setdefault((fix.target, fix.column), fix)
    return list(found.values())
