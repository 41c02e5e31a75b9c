"""What the checks print at the end of a command."""

from __future__ import annotations

import io

import pytest

from orchestrator.cli.terminal import Terminal
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.study_checks.printing import MOST, print_found

ODD = coded("FO002", Level.WARNING, "fold 1 differs by -0.361 macro_f1", "look at the rows of fold 1")
KNOWN = coded("FO004", Level.NOTE, "trial 2 leads trial 7 by 0.0110", "let them vote")


def printed(*findings: Finding, width: int = 80) -> list[str]:
    file = io.StringIO()
    print_found(findings, Terminal(file=file, width=width, highlight=False))
    return file.getvalue().splitlines()


def test_what_is_worth_a_look_has_a_line_with_its_number_and_way_out() -> None:
    head, odd, known = (line.rstrip() for line in printed(ODD, KNOWN, width=100))
    assert head == "checks: 1 worth a look, 1 note"
    assert " ".join(odd.split()) == "! FO002 fold 1 differs by -0.361 macro_f1 → look at the rows of fold 1"
    assert known.lstrip().startswith("i FO004 trial 2")


def test_a_study_that_is_fine_says_nothing() -> None:
    assert printed(fine("FO002", "all is well")) == []


@pytest.mark.parametrize("width", [80, 40])
def test_a_long_line_is_broken_between_words_and_nothing_is_lost(width: int) -> None:
    command = "python -m orchestrator.tune --resume --study a --retry-failed 1 2 3 4 5 6 7 8 9 10 11 12"
    lines = printed(coded("FO011", Level.WARNING, "4 of 12 trials failed", command), width=width)
    assert all(len(line) <= width for line in lines)
    assert " ".join(" ".join(lines[1:]).split()).endswith(command)


def test_names_from_data_steer_no_terminal() -> None:
    text = "\n".join(printed(coded("FO007", Level.WARNING, "class \x1b[31mred\nblue", "a\tb")))
    assert "\x1b" not in text and "\\x1b[31mred\\nblue" in text


def test_of_many_the_first_are_printed_and_the_rest_is_in_the_report() -> None:
    lines = printed(*[ODD] * (MOST + 2), width=120)
    assert len(lines) == MOST + 1 and "the report has all" in lines[0]
