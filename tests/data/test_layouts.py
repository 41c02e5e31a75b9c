"""Each layout in the table of docs/reference/data.md: its files are drawn and read with its options."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.cli.options import READING, add_shared
from orchestrator.cli.parser import CommandParser
from orchestrator.data.manifest import load_manifest
from orchestrator.data.scalars import to_scalars
from orchestrator.inputs.data_options import reading_of

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "data.md").read_text()
LINES = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in PAGE.partition("## Images on several servers")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| layout ")
]


def draw(folder: Path, files: str) -> None:
    """`a/1.png` or `labels.csv: path,label / 1.png,x`, each in backticks."""
    for item in re.findall(r"`([^`]+)`", files):
        name, _, text = item.partition(": ")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = text.replace(r"\t", "\t").replace("\\\\", "\\").split(" / ")
        path.write_text("\n".join(lines) + "\n" if text else "image")


def test_the_table_is_found() -> None:
    assert len(LINES) > 30 and all(len(line) == 5 for line in LINES)


@pytest.mark.parametrize(
    ("layout", "files", "options", "rows", "first"), LINES, ids=[line[0] for line in LINES]
)
def test_a_layout_is_read_as_the_page_says(
    layout: str,
    files: str,
    options: str,
    rows: str,
    first: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    draw(folder, files)
    monkeypatch.chdir(folder)
    parser = CommandParser()
    add_shared(parser, "--data", *READING)
    given = parser.parse_args(options.strip("`").split())
    manifest = load_manifest(given.data, reading=reading_of(given))
    found = {str(name): to_scalars(manifest.frame[name])[0] for name in manifest.frame.columns}
    expected = dict(item.split("=", 1) for item in first.strip("`").split())
    assert {name: str(found.get(name)).replace(" ", "_") for name in expected} == expected
    assert len(manifest) == int(rows)
    assert all((manifest.root / path).is_file() for path in manifest.frame["path"])
