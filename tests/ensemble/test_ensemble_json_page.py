"""docs/reference/ensemble_json.md names every field that is written, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.ensemble_command import build, record

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "ensemble_json.md").read_text()


def fields_of(table: int) -> set[str]:
    """The names in the first column of a table, the first of which is 0."""
    found = re.findall(r"\| field \| what it holds \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE)
    rows = found[table].strip().split("\n")
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_its_tables_have_the_fields_of_a_written_record(runs: Path) -> None:
    written = record(build(runs))
    assert fields_of(0) == set(written)
    term = written["routes"][0]["terms"][0]
    assert fields_of(1) == set(term)
    member, (model, *_) = term["members"][0], term["members"][0]["models"]
    says = dict(re.findall(r"^\| `(members|vote|estimates)` \| (.*) \|$", PAGE, flags=re.MULTILINE))
    line = next(row for row in PAGE.split("\n") if row.startswith("| `members`"))
    assert set(member) <= set(re.findall(r"`(\w+)`", line))
    assert set(written["estimates"][0]) <= set(re.findall(r"`(\w+)`", says["estimates"]))
    assert set(term["vote"]) <= set(re.findall(r"`(\w+)`", says["vote"]))
    (prose,) = re.findall(r"A model has (.*?)\. A\nfile", PAGE, flags=re.DOTALL)
    assert set(model) == set(re.findall(r"`(\w+)`", prose))


def test_its_folder_lists_what_lies_there(runs: Path) -> None:
    for path in build(runs).iterdir():
        assert path.name in PAGE or path.name == "README.md", path.name
