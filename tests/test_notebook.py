"""The notebook of docs/ runs as it stands there and prints what it says it prints."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from tests.support.notebook import NOTEBOOK, executed, printed, without_numbers

# It may take two minutes beside other tests, and longer on a slower machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_it_prints_what_is_stored_in_it(tmp_path: Path) -> None:
    stored = nbformat.read(NOTEBOOK, as_version=4)
    now = executed(tmp_path)
    assert [without_numbers(text) for text in printed(now)] == [
        without_numbers(text) for text in printed(stored)
    ]
    assert (tmp_path / "runs" / "mask" / "ensemble" / "ensemble.json").is_file()


def test_it_has_fifteen_cells_and_says_nothing_of_the_machine_it_ran_on() -> None:
    stored = nbformat.read(NOTEBOOK, as_version=4)
    assert len(stored.cells) == 15
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code) and sum(bool(cell.outputs) for cell in code) >= 8
    text = NOTEBOOK.read_text()
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|usr|Users)/", text)
    assert not re.search(r"\d\d:\d\d|20\d\d-\d\d", text), "times change with every run"
