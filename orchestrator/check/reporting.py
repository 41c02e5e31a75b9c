"""A check's stages, run and told: in the terminal, as check.html and as check.json."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.text import Text

from orchestrator.check.look import Look
from orchestrator.check.output_folder import PAGE, output_folder, write_check
from orchestrator.check.record import CheckRecord
from orchestrator.check.stages import run_stages
from orchestrator.cli.parser import version
from orchestrator.core.finding import Finding, Level
from orchestrator.pages.blocks import BESIDE, Page, PageSection, Table
from orchestrator.pages.evidence import rows_on
from orchestrator.pages.render import render
from orchestrator.pages.terminal import findings_line, print_findings, print_tables
from orchestrator.pages.thumbnails import thumbnail_uris
from orchestrator.progress import progress_bar

_ORDER = (Level.BLOCKS, Level.WARNING)


def report(look: Look, source: str, space: str, lines: list[str], console: Console) -> int:
    """1 where something must be mended, else 0. lines: all that `look.say` said. InputError, StorageError."""
    given = look.arguments
    root = str(look.manifest.root)
    folder = output_folder(given.out, given.runs, look.manifest.name, source, root)
    sections, findings = list[PageSection](), list[Finding]()
    for stage, result in run_stages(look):
        for line in result.lines:
            look.say(line)
        print_tables(result.blocks, console)
        for note in (item for item in result.findings if item.level is Level.OK):
            look.say(f"{note.code} {note.topic}: {note.found}")  # a fact: nothing is to be done
        findings += (item for item in result.findings if item.level is not Level.OK)
        sections += [PageSection(stage.title, result.blocks)] if result.blocks else []
    findings.sort(key=lambda item: (_ORDER.index(item.level), item.code))
    print_findings(findings, console)
    page = Page(
        f"Check of {source}", tuple(lines), tuple(findings), tuple(sections), look.caption,
        all_evidence=BESIDE,
    )  # fmt: skip
    record = _record(look, source, space, page)
    write_check(folder, record, _html(page, look))
    console.print(Text(findings_line(findings), style="bold"))
    console.print(Text(f"page: {folder / PAGE}"))
    return record.exit_code


def _html(page: Page, look: Look) -> str:
    with progress_bar("drawing pictures") as progress:
        pictures = thumbnail_uris(rows_on(page), look.thumbnails, progress)
    return render(page, pictures, version())


def _record(look: Look, source: str, space: str, page: Page) -> CheckRecord:
    evidence = {
        row for item in page.findings for row in (*item.rows, *(r for pair in item.pairs for r in pair))
    }
    return CheckRecord(
        source,
        str(look.manifest.root),
        look.manifest.fingerprint,
        dict(Counter(look.roles.tolist())),
        space,
        page.lines,
        page.findings,
        tuple(block for section in page.sections for block in section.blocks if isinstance(block, Table)),
        {row: look.paths[row] for row in sorted(evidence)},
    )
