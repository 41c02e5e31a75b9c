"""With --safe-csv a spreadsheet takes no cell of a submission for a formula."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from orchestrator.ensemble.__main__ import main
from orchestrator.ensemble.submission.template import read_template, rendered, without_formulas


@pytest.mark.parametrize(
    "cell, safe",
    [
        ("=HYPERLINK(A1)", "'=HYPERLINK(A1)"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd", "'+cmd"),
        ("-a.png", "'-a.png"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_only_what_would_be_a_formula_is_marked(tmp_path: Path, cell: str, safe: str) -> None:
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "label"], ["a", cell], ["b", "x"]])
    written = rendered(without_formulas(read_template(tmp_path / "t.csv"))).decode()
    assert [row[1] for row in csv.reader(written.splitlines())] == ["label", safe, "x"]


@pytest.mark.parametrize("more, note", [((), "=1+1"), (("--safe-csv",), "'=1+1")])
def test_the_command_marks_them_where_it_is_asked_to(
    made: Path, data: Path, tmp_path: Path, more: tuple[str, ...], note: str
) -> None:
    assert main(["--study", str(made / "tint"), "--out", str(tmp_path / "e")]) == 0
    (tmp_path / "new").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(data.parent / "p00-0.png", tmp_path / "new" / name)
    (tmp_path / "t.csv").write_text("id,note,tint\na.png,=1+1,red\nb.png,x,blue\n")
    files = ["--template", str(tmp_path / "t.csv"), "--submission", str(tmp_path / "s.csv")]
    assert main(["--ensemble", str(tmp_path / "e"), "--predict", str(tmp_path / "new"), *files, *more]) == 0
    rows = list(csv.reader((tmp_path / "s.csv").read_text().splitlines()))
    assert [row[1] for row in rows] == ["note", note, "x"]
