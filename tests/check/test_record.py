"""check.json comes back as it was written; a folder that holds anything else is left alone."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from orchestrator.check.output_folder import PAGE, RECORD, output_folder, write_check
from orchestrator.check.record import FORMAT, VERSION, CheckRecord, read_check
from orchestrator.core.errors import InputError, StorageError
from orchestrator.core.finding import Level
from orchestrator.core.finding_codes import coded
from orchestrator.pages.blocks import Table


def a_record(source: str = "faces.csv") -> CheckRecord:
    findings = (
        coded("FO101", Level.BLOCKS, "1 cannot be read: ü.png", "replace it", rows=[3]),
        coded("FO121", Level.WARNING, "2 copies", "keep one", pairs=[(0, 1), (0, 2)]),
    )
    table = Table("classes", ("class", "rows", "share"), (("red", 3, 0.25), ("<b>", 0, math.inf)), "A note.")
    paths = {0: "a.png", 1: "b.png", 2: "c.png", 3: "ü.png"}
    return CheckRecord(source, "/faces", "12ab", {"train": 4}, "", ("rows: 4",), findings, (table,), paths)


def test_a_record_is_read_back(tmp_path: Path) -> None:
    write_check(tmp_path / "new", a_record(), "<html>")
    found = read_check(tmp_path / "new" / RECORD)
    assert found.findings == a_record().findings and found.paths == a_record().paths
    assert found.tables[0].rows[0] == ("red", 3, 0.25) and math.isnan(float(found.tables[0].rows[1][2]))
    assert (found.source, found.root, found.rows, found.lines) == (
        "faces.csv",
        "/faces",
        {"train": 4},
        ("rows: 4",),
    )
    assert (tmp_path / "new" / PAGE).read_text() == "<html>"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [PAGE, RECORD]


def test_its_schema_names_format_version_and_exit_code(tmp_path: Path) -> None:
    write_check(tmp_path, a_record(), "")
    record = json.loads((tmp_path / RECORD).read_text())
    assert (record["format"], record["version"], record["exit_code"]) == (FORMAT, VERSION, 1)
    assert record["findings"][0] == {
        "code": "FO101",
        "level": "blocks",
        "title": "unreadable images",
        "found": "1 cannot be read: ü.png",
        "way_out": "replace it",
        "rows": [{"row": 3, "path": "ü.png"}],
        "pairs": [],
    }
    assert record["findings"][1]["pairs"][1] == [{"row": 0, "path": "a.png"}, {"row": 2, "path": "c.png"}]


@pytest.mark.parametrize(
    "text, says",
    [
        ("{", "is no record of a check"),
        ("[]", "is no record of a check"),
        ('{"format": "another", "version": 1}', "its format is 'another'"),
        (json.dumps({"format": FORMAT, "version": 99}), "has version 99, and this program reads 1"),
        (json.dumps({"format": FORMAT, "version": VERSION, "data": {}}), "is no record of a check"),
    ],
)
def test_what_is_no_record_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(InputError, match="check") as caught:
        read_check(tmp_path / RECORD)
    assert says in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_check(tmp_path / "missing.json")


def test_each_data_set_has_a_folder_of_its_own_and_a_new_check_replaces_its_old_one(tmp_path: Path) -> None:
    assert output_folder(None, tmp_path, "faces", "faces.csv", "/faces") == tmp_path / "check-faces"
    write_check(tmp_path / "check-faces", a_record(), "old")
    assert output_folder(None, tmp_path, "faces", "faces.csv", "/faces") == tmp_path / "check-faces"
    assert output_folder(None, tmp_path, "faces", "faces.csv", "/others") == tmp_path / "check-faces-2"
    assert output_folder(None, tmp_path, "../my <faces>", "x", "y") == tmp_path / "check-my-faces"
    assert output_folder(None, tmp_path, "..", "x", "y") == tmp_path / "check-data"


@pytest.mark.parametrize("content", ["notes.txt", RECORD])
def test_a_folder_that_is_somebody_elses_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / content).write_text("{}")
    with pytest.raises(InputError, match="holds no check of these data"):
        output_folder(tmp_path, tmp_path, "faces", "faces.csv", "/faces")
    with pytest.raises(InputError, match="holds no check of these data"):
        output_folder(tmp_path / content, tmp_path, "faces", "faces.csv", "/faces")
    assert output_folder(tmp_path / "new", tmp_path, "faces", "faces.csv", "/faces") == tmp_path / "new"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="name another folder with --out"):
        write_check(tmp_path / "file" / "below", a_record(), "")
