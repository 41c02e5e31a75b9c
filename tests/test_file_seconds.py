"""The table of slow test files names files that exist, and what it lacks is told."""

from __future__ import annotations

from pathlib import Path

from tests.support.file_seconds import SECONDS, WORTH_LISTING, unlisted

ROOT = Path(__file__).parents[1]


def test_every_file_of_the_table_exists_and_is_worth_its_line() -> None:
    assert SECONDS
    assert [file for file in SECONDS if not (ROOT / file).is_file()] == []
    assert min(SECONDS.values()) >= WORTH_LISTING


def test_a_slow_file_that_is_not_in_the_table_is_told() -> None:
    known = next(iter(SECONDS))
    half = WORTH_LISTING / 2
    assert unlisted([("tests/a.py::one", half), ("tests/a.py::two[x::y]", half), (f"{known}::one", 99)]) == {
        "tests/a.py": WORTH_LISTING
    }
    assert unlisted([("tests/a.py::one", half), ("tests/b.py::two", half)]) == {}
