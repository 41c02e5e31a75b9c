"""What the checks print at the end of a command."""

from __future__ import annotations

import io

import pytest

from orchestrator.cli.terminal import Terminal
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.study_checks.printing import MOST, print_found

ODD = coded("FO002", Level.WARNING, "fold 1 differs by -0.361 macro_f1", "look at the rows of fold 1")
LONG = coded(
    "FO011",
    Level.WARNING,
    "4 of 12 trials failed: out of memory; on one machine",
    "python -m orchestrator.tune --resume --study a --retry-failed 1 2 3 4 5 6 7 8 9 10 11 12",
)
KNOWN = coded("FO004", Level.NOTE, "trial 2 leads trial 7 by 0.0110", "let them vote")


def printed(*findings: Finding, width: int = 80, on_screen: bool = True) -> list[str]:
    file = io.StringIO()
    console = Terminal(
        file=file, width=width, highlight=False, force_terminal=on_screen, no_color=True, color_system=None
    )
    print_found(findings, console)
    return file.getvalue().splitlines()


def test_a_finding_is_one_line_with_its_number_and_its_way_out_where_there_is_room() -> None:
    head, odd, known = printed(ODD, KNOWN, width=100)
    assert head.startswith("checks: 1 worth a look, 1 note (")
    assert odd == "! FO002 fold 1 differs by -0.361 macro_f1 → look at the rows of fold 1"
    assert known.startswith("i FO004 trial 2")
    assert printed(ODD, width=60)[1] == "! FO002 fold 1 differs by -0.361 macro_f1"


@pytest.mark.parametrize("width", [80, 40])
def test_on_a_screen_no_line_is_wider_and_what_is_cut_shows_it(width: int) -> None:
    lines = printed(LONG, width=width)
    assert len(lines[1:]) == 1 and len(lines[1]) <= width
    assert lines[1].startswith("! FO011 4 of 12 trials failed")
    (cut,) = printed(coded("FO011", Level.WARNING, "x" * 200), width=width)[1:]
    assert len(cut) == width and cut.endswith("…")


def test_in_a_file_a_line_has_all_of_it() -> None:
    (line,) = printed(LONG, on_screen=False)[1:]
    assert line.endswith(f"out of memory; on one machine → {LONG.way_out}")


def test_a_study_that_is_fine_says_nothing() -> None:
    assert printed(fine("FO002", "all is well")) == []


def test_names_from_data_steer_no_terminal() -> None:
    text = "\n".join(printed(coded("FO007", Level.WARNING, "class \x1b[31mred\nblue", "a\tb"), width=200))
    assert "\x1b" not in text and "\\x1b[31mred\\nblue" in text


def test_of_many_the_first_are_printed_and_the_rest_is_in_the_report() -> None:
    lines = printed(*[ODD] * (MOST + 2), width=120)
    assert len(lines) == MOST + 1 and f"the first {MOST} of {MOST + 2}" in lines[0]
