"""Tables and findings fit into 80 columns, whatever the data are called."""

from __future__ import annotations

import io

from orchestrator.cli.terminal import Terminal
from orchestrator.core.finding import Level, ok
from orchestrator.core.finding_codes import coded
from orchestrator.pages.blocks import Table
from orchestrator.pages.terminal import COLUMNS, ROWS, findings_line, print_findings, print_tables


def terminal() -> Terminal:
    return Terminal(file=io.StringIO(), width=80, highlight=False, _environ={})


def written(console: Terminal) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_table_fits_and_says_what_is_left_out() -> None:
    console = terminal()
    columns = ("class", *(f"fold {fold}" for fold in range(20)))
    rows = tuple((f"a class of a long name {number}", *range(20)) for number in range(30))
    print_tables([Table("classes", columns, rows, note="A note.")], console)
    said = written(console)
    assert max(map(len, said.splitlines())) <= 80
    assert f"{30 - ROWS} more rows and {21 - COLUMNS} more columns in the page." in " ".join(said.split())
    assert "A note." in said


def test_an_empty_table_and_one_for_the_page_alone_are_not_printed() -> None:
    console = terminal()
    print_tables([Table("empty", ("a",), ()), Table("page", ("a",), ((1,),), in_terminal=False)], console)
    assert written(console) == ""


def test_findings_are_numbered_with_code_title_evidence_and_way_out() -> None:
    console = terminal()
    findings = [
        coded("FO101", Level.BLOCKS, "2 of 60 images cannot be read: a\x1b[2J.png", "replace them"),
        coded("FO111", Level.WARNING, "1 image is dark " + "x" * 100),
    ]
    print_findings(findings, console)
    said = written(console)
    assert max(map(len, said.splitlines())) <= 80
    assert "✗1 FO101 unreadable images" in said and "!2 FO111 dark images" in said
    assert "→ replace them" in said and "\\x1b[2J" in said and "\x1b" not in said


def test_one_line_sums_the_findings_up() -> None:
    found = [coded("FO101", Level.BLOCKS, ""), coded("FO111", Level.WARNING, ""), ok("a", "b")]
    assert findings_line(found) == "findings: 1 must be mended, 1 worth a look"
    assert findings_line(found[1:]) == "findings: none must be mended, 1 worth a look"
    assert findings_line([]) == "findings: none"
