"""The draft says what each suspect's cells would become; `--label-fixes` takes it once it is confirmed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from orchestrator.audit.draft import draft_fixes, write_draft
from orchestrator.audit.parts import parts_of
from orchestrator.audit.suspects import Suspect
from orchestrator.core.errors import InputError, ManifestError
from orchestrator.data.label_fixes import NO, YES, Fix, apply_fixes, read_fixes
from orchestrator.data.manifest import Manifest
from orchestrator.data.targets import Target, age_bins, categorical, multi_label, one_hot
from orchestrator.data.targets.changes import Changes

FRAME = pd.DataFrame(
    {
        "path": ["a/1.png", "a/2.png", "b/1.png", "b/2.png", "=c.png"],
        "group": ["a", "a", "b", "b", "c"],
        "role": "train",
        "tint": ["red", "red", "blue", "red", "blue"],
        "age": [30, 30, 61, 62, 20],
        "size": [1.0, 1.0, 2.0, 2.0, 1.0],
        "rust": [True, True, False, False, True],
        "mild": [1, 1, 0, 0, 1],
        "bad": [0, 0, 1, 1, 0],
        "listed": ["x y", "x", "y", "y", "x"],
    }
)
TINT = categorical("tint", ["red", "blue"])


def suspect(target: Target, rows: tuple[int, ...], given: int, likely: int, part: int = 0) -> Suspect:
    nan = float("nan")
    return Suspect(parts_of(target)[part], rows, (), given, likely, 0.9, 0.05, 0.9, False, nan, nan)


def cells(fixes: list[Fix]) -> list[tuple[str, str, str | None, object]]:
    return [(fix.target, fix.column, fix.old, fix.new) for fix in fixes]


def test_a_whole_group_is_one_line_and_a_part_of_one_is_a_line_for_each_row() -> None:
    found = draft_fixes(FRAME, [suspect(TINT, (0, 1), 0, 1), suspect(TINT, (2,), 1, 0)])
    assert cells(found) == [("group:a", "tint", "red", "blue"), ("b/1.png", "tint", "blue", "red")]
    assert {fix.confirmed for fix in found} == {""}
    assert found[0].reason == "models give blue 0.90 and red 0.05"


@pytest.mark.parametrize(
    "target, rows, given, likely, part, expected",
    [
        (
            age_bins([30, 60]),
            (2, 3),
            2,
            0,
            0,
            [("b/1.png", "age", "61", None), ("b/2.png", "age", "62", None)],
        ),
        (age_bins([30, 60]), (0, 1), 1, 0, 0, [("group:a", "age", "30", None)]),
        (categorical("size", ["1", "2"]), (4,), 0, 1, 0, [("=c.png", "size", "1", "2")]),
        (multi_label(["rust", "bad"]), (4,), 1, 0, 0, [("=c.png", "rust", "True", "False")]),
        (multi_label(["rust", "bad"]), (4,), 0, 1, 1, [("=c.png", "bad", "0", "1")]),
        (
            one_hot(["mild", "bad"]),
            (4,),
            0,
            1,
            0,
            [("=c.png", "mild", "1", "0"), ("=c.png", "bad", "0", "1")],
        ),
        (
            multi_label("listed", sep=" ", classes=["x", "y"]),
            (4,),
            0,
            1,
            1,
            [("=c.png", "listed", "x", None)],
        ),
    ],
)
def test_the_new_value_is_written_as_the_table_writes_it_or_left_to_a_person(
    target: Target, rows: tuple[int, ...], given: int, likely: int, part: int, expected: list[object]
) -> None:
    assert cells(draft_fixes(FRAME, [suspect(target, rows, given, likely, part)])) == expected


def test_of_values_merged_into_one_class_none_is_made_up() -> None:
    target = categorical("listed", ["x y", "x", "y"])
    merged = type(target)("listed", "listed", target.values, changes=Changes(merged=("x", "y"), into="rest"))
    assert merged.classes == ("x y", "rest")
    assert cells(draft_fixes(FRAME, [suspect(merged, (0,), 0, 1)])) == [("a/1.png", "listed", "x y", None)]


def test_what_a_person_has_decided_is_carried_on_and_not_asked_again() -> None:
    decided = [
        Fix(2, "group:a", "tint", "blue", "red", "seen", YES),
        Fix(3, "b/1.png", "tint", "blue", "red", "is blue", NO),
    ]
    found = draft_fixes(
        FRAME, [suspect(TINT, (0, 1), 0, 1), suspect(TINT, (2,), 1, 0), suspect(TINT, (3,), 0, 1)], decided
    )
    assert found[:2] == decided and cells(found[2:]) == [("b/2.png", "tint", "red", "blue")]


def test_the_file_is_refused_until_a_line_is_confirmed_and_then_changes_that_line_alone(
    tmp_path: Path,
) -> None:
    manifest = Manifest(FRAME.copy(), tmp_path, "set")
    path = tmp_path / "draft.csv"
    write_draft(path, draft_fixes(FRAME, [suspect(TINT, (0, 1), 0, 1), suspect(TINT, (4,), 1, 0)]))
    with pytest.raises(ManifestError, match="none of its 2 lines is confirmed"):
        apply_fixes(manifest, path)
    text = path.read_text()
    assert "=c.png,tint,blue,red," in text, "a path is written as it is"
    path.write_text(text.replace("0.90 and red 0.05,\n", "0.90 and red 0.05,yes\n"))
    fixed, report = apply_fixes(manifest, path)
    assert fixed.frame["tint"].tolist() == ["blue", "blue", "blue", "red", "blue"]
    assert (report.rows, report.unconfirmed) == (2, 1)
    assert [fix.confirmed for fix in read_fixes(path)] == [YES, ""]


def test_a_draft_is_never_written_over_another(tmp_path: Path) -> None:
    (tmp_path / "draft.csv").write_text("worked on")
    with pytest.raises(InputError, match="exists; name another file"):
        write_draft(tmp_path / "draft.csv", [])
    assert (tmp_path / "draft.csv").read_text() == "worked on"


def test_groups_are_called_as_the_data_call_them_not_as_copies_joined_them() -> None:
    """a and c hold copies of one image, so that a study made one group of them."""
    frame = FRAME.assign(given_group=FRAME["group"], group=["a", "a", "b", "b", "a"])
    found = draft_fixes(frame, [suspect(TINT, (0, 1), 0, 1), suspect(TINT, (4,), 1, 0)])
    assert cells(found) == [("group:a", "tint", "red", "blue"), ("=c.png", "tint", "blue", "red")]
