"""Label fixes: what they change, what they tell, and every fix that is refused."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data.label_fixes import apply_fixes
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.data.targets import age_bins, categorical
from orchestrator.inputs.fixes_table import fixes_table
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from tests.data.test_manifest import competition
from tests.support.helpers import journal

__all__ = ["competition"]
HEADER = "path,column,old,new,reason\n"
ROWS = pd.DataFrame(
    {
        "path": ["a/1.png", "a/2.png", "b/1.png", "c/1.png"],
        "group": ["a", "a", "b", "c"],
        "role": ["train", "train", "train", "test"],
        "age": [30, 30, 59, 61],
        "gender": ["male", "male", None, "female"],
        "code": ["007", "1.10", "7", "x"],
        "size": [1.5, np.nan, 3.0, 2.0],
    }
)


def manifest() -> Manifest:
    return Manifest(ROWS.copy(), Path("/nowhere"), "people")


def file(folder: Path, lines: str, header: str = HEADER) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fixes.csv").write_text(header + lines)
    return folder / "fixes.csv"


def test_fixes_change_the_cells_they_name_and_no_other(tmp_path: Path) -> None:
    before = manifest()
    lines = "b/1.png,age,59,61,passport\nb/1.png,gender,,female,was empty\nc/1.png,size,2.0,,unknown\n"
    fixed, report = apply_fixes(before, file(tmp_path, lines))
    assert fixed.frame["age"].tolist() == [30, 30, 61, 61] and fixed.frame["age"].dtype == np.int64
    assert fixed.frame["gender"].tolist() == ["male", "male", "female", "female"]
    assert fixed.frame["size"].isna().tolist() == [False, True, False, True]
    assert fixed.frame[["path", "group", "role", "code"]].equals(ROWS[["path", "group", "role", "code"]])
    assert before.frame.equals(ROWS), "the manifest that was given is untouched"
    assert fixed.fingerprint != before.fingerprint
    assert (report.rows, report.groups, report.columns) == (2, 2, {"age": 1, "gender": 1, "size": 1})


def test_a_group_fixes_all_its_rows(tmp_path: Path) -> None:
    fixed, report = apply_fixes(manifest(), file(tmp_path, "group:a,gender,male,female,every photo\n"))
    assert fixed.frame["gender"].tolist()[:2] == ["female", "female"]
    assert (report.rows, report.groups) == (2, 1)


def test_numbers_match_as_numbers_and_texts_as_texts(tmp_path: Path) -> None:
    lines = "a/1.png,age,30.0,31,x\na/1.png,size,1.5,2.5,x\na/1.png,code,007,008,x\nb/1.png,age,59,abc,x\n"
    fixed, _ = apply_fixes(manifest(), file(tmp_path, lines))
    assert fixed.frame["age"].tolist()[0] == "31", "a word among numbers makes the column text"
    assert fixed.frame["size"].tolist()[0] == 2.5 and fixed.frame["code"].tolist()[0] == "008"
    with pytest.raises(ManifestError, match="is '007', not the old '7'"):
        apply_fixes(manifest(), file(tmp_path, "a/1.png,code,7,8,x\n"))


def test_targets_see_the_fixed_label(tmp_path: Path) -> None:
    fixed, _ = apply_fixes(manifest(), file(tmp_path, "b/1.png,age,59,60,x\ngroup:b,gender,,male,x\n"))
    assert age_bins([30, 60]).encode(manifest().frame).tolist() == [1, 1, 1, 2]
    assert age_bins([30, 60]).encode(fixed.frame).tolist() == [1, 1, 2, 2]
    assert categorical("gender", ["male", "female"]).encode(fixed.frame).tolist() == [0, 0, 0, 1]


def test_swapped_photos_of_the_competition_are_swapped_back(competition: Path, tmp_path: Path) -> None:
    rows = load_manifest(competition / "train")
    normal = rows.frame["path"][rows.frame["photo"] == "normal"].iloc[0]
    wrong = rows.frame["path"][rows.frame["photo"] == "incorrect_mask"].iloc[0]
    lines = f"{normal},mask,none,wrong,swapped\n{wrong},mask,wrong,none,swapped\ngroup:000002,age,60,61,x\n"
    fixed, report = apply_fixes(rows, file(tmp_path, lines))
    mask = dict(zip(fixed.frame["path"], fixed.frame["mask"], strict=True))
    assert (mask[normal], mask[wrong]) == ("wrong", "none")
    assert report.columns == {"mask": 2, "age": 7} and (report.rows, report.groups) == (9, 2)


def test_the_report_is_a_line_and_a_table_of_at_most_ten(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"path": [f"{n}.png" for n in range(20)], "group": [f"g{n // 2}" for n in range(20)]}
    )
    frame = frame.assign(role="train", age=30)
    lines = "".join(f"{n}.png,age,30,[red]{n},because\n" for n in range(20))
    _, report = apply_fixes(Manifest(frame, Path("/nowhere"), "m"), file(tmp_path, lines))
    first, *table = [str(report), *fixes_table(report.fixes).splitlines()]
    assert first == "label fixes: 20 rows in 10 groups; age 20"
    assert len(table) == 10 and table[-1] == "and 12 more"
    assert table[1].split() == ["0.png", "age", "30", "[red]0", "because"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a/9.png,age,30,31,x\n", "fixes.csv:2: path 'a/9.png' is not in manifest 'people'"),
        ("\ngroup:z,age,30,31,x\n", "fixes.csv:3: path 'group:z' is not in"),
        (
            "a/1.png,height,30,31,x\n",
            "2: column 'height' of path 'a/1.png' is not in the manifest; it has age",
        ),
        ("a/1.png,age,29,31,x\n", "2: column 'age' of a/1.png is '30', not the old '29'"),
        ("a/1.png,age,,31,x\n", "is '30', not the old missing"),
        ("b/1.png,gender,male,female,x\n", "is missing, not the old 'male'"),
        ("a/1.png,age,30,31,\n", "2: reason is empty"),
        (",age,30,31,x\n", "2: path is empty"),
        ("a/1.png,,30,31,x\n", "2: column is empty"),
        ("a/1.png,age,30,30,x\n", "2: old and new are both '30'"),
        ("a/1.png,age,30,31,x\na/1.png,age,30,32,x\n", "3: column 'age' of a/1.png is fixed in line 2 too"),
        ("a/1.png,age,30,31,x\ngroup:a,age,30,32,x\n", "3: column 'age' of a/1.png is fixed in line 2 too"),
        ("a/1.png,path,a/1.png,b.png,x\n", "column 'path' says what a row is"),
        ("a/1.png,group,a,b,x\n", "column 'group' says what a row is"),
        ("c/1.png,role,test,train,x\n", "column 'role' says what a row is"),
        ("a/1.png,only_fold,,1,x\n", "column 'only_fold' says what a row is"),
        ("", "has a header and no fix"),
    ],
)
def test_a_fix_that_does_not_fit_is_refused_with_its_line(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        apply_fixes(manifest(), file(tmp_path, lines))
    assert message in str(caught.value) and str(caught.value).count("\n") == 0


def test_what_the_groups_or_folds_came_from_is_no_label(competition: Path, tmp_path: Path) -> None:
    rows = load_manifest(competition / "train")
    person = str(rows.frame["id"].iloc[0])
    with pytest.raises(ManifestError, match="2: column 'id' is what the groups were made from; correct"):
        apply_fixes(rows, file(tmp_path, f"group:{person},id,{person},000009,another person\n"))
    folded = replace(manifest(), frame=ROWS.assign(part=[0, 0, 1, 2]))
    lines = file(tmp_path, "b/1.png,part,1,0,to the others\n")
    assert apply_fixes(folded, lines)[1].rows == 1
    with pytest.raises(
        ManifestError, match="2: column 'part' says in which fold a row is validated; correct"
    ):
        apply_fixes(folded, lines, "part")


def test_the_command_refuses_a_fix_of_the_spaces_fold_column(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space_file.write_text(space_file.read_text().replace("folds=3,", 'folds=3, fold_column="tint",'))
    fixes = file(tmp_path, "p00-0.png,tint,red,blue,looked again\n")
    arguments = ["--space", str(space_file), "--data", str(faces), "--label-fixes", str(fixes)]
    assert main([*arguments, "--smoke", "--inline", "--runs", str(tmp_path / "runs")]) == 2
    assert "'tint' says in which fold" in capsys.readouterr().err


def test_one_row_of_a_group_with_another_value_stops_the_fix(tmp_path: Path) -> None:
    frame = ROWS.assign(gender=["male", "female", "male", "male"])
    rows = Manifest(frame, Path("/nowhere"), "people")
    with pytest.raises(ManifestError, match=r"of group:a \(a/2.png\) is 'female', not the old 'male'"):
        apply_fixes(rows, file(tmp_path, "group:a,gender,male,female,x\n"))


def test_a_missing_column_or_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="column reason is missing"):
        apply_fixes(manifest(), file(tmp_path, "a/1.png,age,30,31\n", "path,column,old,new\n"))
    with pytest.raises(ManifestError, match="cannot be read"):
        apply_fixes(manifest(), tmp_path / "absent.csv")


def test_fixes_cannot_be_applied_twice(tmp_path: Path) -> None:
    path = file(tmp_path, "a/1.png,age,30,31,x\n")
    with pytest.raises(ManifestError, match="take it out if the data are fixed already"):
        apply_fixes(apply_fixes(manifest(), path)[0], path)


def test_a_study_keeps_the_fixed_rows_and_the_fixes_and_resumes_without_the_file(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixes = file(tmp_path / "fixes", "p00-0.png,tint,red,blue,looked again\ngroup:p02,tint,red,blue,sure\n")
    runs = ["--runs", str(tmp_path / "runs"), "--inline"]
    more = ["--space", str(space_file), "--data", str(faces), "--study", "a", "--smoke"]
    assert main([*more, *runs, "--label-fixes", str(fixes)]) == 0
    assert "label fixes: 4 rows in 2 groups; tint 4" in capsys.readouterr().out
    folder, text = tmp_path / "runs" / "a", fixes.read_bytes()
    frame = Study(folder).manifest().frame
    assert frame.set_index("path").loc[["p00-0.png", "p00-1.png", "p02-0.png"], "tint"].tolist() == [
        "blue",
        "red",
        "blue",
    ]
    header = journal(folder)[0]["header"]
    digest = hashlib.sha256(text).hexdigest()
    assert header["label_fixes"] == {"file": str(fixes), "sha256": digest, "fixes": 2, "rows": 4}
    assert (folder / "label_fixes.csv").read_bytes() == text
    fixes.unlink()
    assert main(["--resume", "--trials", "4", *runs]) == 0
    assert main(["--resume", *runs, "--label-fixes", str(fixes)]) == 2
    assert "--label-fixes cannot change study" in capsys.readouterr().err


def test_a_fix_meets_names_that_print_alike(tmp_path: Path) -> None:
    one, other = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    (tmp_path / f"{other}.png").write_bytes(b"image")
    (tmp_path / "t.csv").write_text(f"path,label\n{one}.png,{other}\n")
    (tmp_path / "f.csv").write_text(f"path,column,old,new,reason\n{one}.png,label,{other},tea,seen\n")
    fixed, report = apply_fixes(load_manifest(tmp_path / "t.csv"), tmp_path / "f.csv")
    assert fixed.frame["label"].tolist() == ["tea"] and len(report.fixes) == 1


DRAFT = "path,column,old,new,reason,confirmed\n"


def test_a_draft_changes_only_what_a_person_has_confirmed(tmp_path: Path) -> None:
    lines = "b/1.png,age,59,61,models,yes\na/1.png,age,30,61,models,no\na/2.png,gender,male,female,models,\n"
    fixed, report = apply_fixes(manifest(), file(tmp_path, lines, DRAFT))
    assert fixed.frame["age"].tolist() == [30, 30, 61, 61]
    assert fixed.frame["gender"].tolist() == manifest().frame["gender"].tolist()
    assert (report.rows, len(report.fixes), report.kept, report.unconfirmed) == (1, 1, 1, 1)
    assert str(report).endswith("age 1; not applied: 1 that say no and 1 that nobody has confirmed")


@pytest.mark.parametrize(
    "lines, words",
    [
        (
            "b/1.png,age,59,61,models,\nc/1.png,age,61,30,models,no\n",
            "none of its 2 lines is confirmed; look",
        ),
        (
            "b/1.png,age,59,61,models,maybe\n",
            ":2: confirmed is 'maybe'; write yes to apply the fix, no to keep",
        ),
        ("b/1.png,age,59,,models,yes\n", ":2: b/1.png is confirmed, but new is empty; write the right value"),
    ],
)
def test_a_draft_that_nobody_has_worked_on_is_refused(lines: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=words):
        apply_fixes(manifest(), file(tmp_path, lines, DRAFT))


def test_what_is_said_may_be_written_in_capitals_and_a_line_not_confirmed_may_name_no_value(
    tmp_path: Path,
) -> None:
    lines = "b/1.png,age,59,61,models, YES \na/1.png,age,30,,models,\n"
    assert apply_fixes(manifest(), file(tmp_path, lines, DRAFT))[1].rows == 1
