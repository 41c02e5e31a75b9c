"""Rows of other sources: they join training parts, never validation; copies and strange folds are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.core.errors import FoldPlanError, ManifestError
from orchestrator.data.extra_rows import (
    add_extra,
    dataset_folds,
    load_extra,
    refuse_copies,
    refuse_other_folds,
    train_digest,
)
from orchestrator.data.folds import build_fold_plan
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.inputs.dataset import make_dataset
from orchestrator.inputs.rows import rows_line
from orchestrator.space import SearchSpace, categorical
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from tests.support.helpers import journal

TINT = categorical("tint", ["red", "blue"])
SPACE = SearchSpace(
    trainable="tests.pixel_trainable:PixelTrainable", target=TINT, params={"lr": 0.5}, folds=3, max_t=2
)


def source(folder: Path, names: list[str], header: str = "path,group,tint", prefix: str = "x") -> Path:
    """A table of small files whose bytes are their folder's and their own names."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [header]
    for number, name in enumerate(names):
        (folder / name).write_bytes(f"{folder.name}/{name}".encode())
        lines.append(f"{name},{prefix}{number},{('red', 'blue')[number % 2]}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    return folder / "rows.csv"


@pytest.fixture
def main_rows(tmp_path: Path) -> Manifest:
    return load_manifest(source(tmp_path / "main", [f"{n:02d}.png" for n in range(18)], prefix="p"))


@pytest.fixture
def extra_rows(tmp_path: Path) -> Manifest:
    return load_manifest(source(tmp_path / "far" / "extra", ["a.png", "b.png", "c.png"]))


def labelled(rows: Manifest, k: int, digest: str) -> Manifest:
    """Each row once for each fold, as labels of fold models are."""
    tables = [rows.frame.assign(role="extra", only_fold=fold, fold_plan_digest=digest) for fold in range(k)]
    return Manifest(pd.concat(tables, ignore_index=True), rows.root, "pseudo")


# ---- joining --------------------------------------------------------------------------------------


def test_extra_rows_come_last_with_their_role_and_paths_that_lead_to_them(
    main_rows: Manifest, extra_rows: Manifest
) -> None:
    both = add_extra(main_rows, extra_rows)
    assert both.root == main_rows.root and len(both) == 21
    assert both.frame["path"].tolist()[18:] == [f"../far/extra/{name}.png" for name in "abc"]
    assert all((both.root / path).is_file() for path in both.frame["path"])
    assert both.frame["role"].tolist() == ["train"] * 18 + ["extra"] * 3
    assert both.frame[list(main_rows.frame)].iloc[:18].equals(main_rows.frame)
    assert both.fingerprint != main_rows.fingerprint


def test_paths_lead_there_from_a_root_that_is_a_link(
    main_rows: Manifest, extra_rows: Manifest, tmp_path: Path
) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    link = tmp_path / "deep" / "er" / "link"
    link.symlink_to(main_rows.root, target_is_directory=True)
    both = add_extra(Manifest(main_rows.frame, link, "linked"), extra_rows)
    assert all((link / path).is_file() for path in both.frame["path"])


def test_columns_are_united_and_what_is_lacking_is_missing(main_rows: Manifest, tmp_path: Path) -> None:
    extra = load_manifest(source(tmp_path / "other", ["a.png"], header="path,group,age"))
    whole = Manifest(main_rows.frame.assign(age=30), main_rows.root, "main")
    both = add_extra(whole, Manifest(extra.frame.assign(age=7, height=1.5), extra.root, "other"))
    assert both.frame["age"].tolist() == [30] * 18 + [7]
    assert both.frame["height"].isna().tolist() == [True] * 18 + [False]
    with pytest.raises(ManifestError, match=r"'tint' has a missing value \(row 19, ../other/a.png\)"):
        TINT.encode(both.frame)


def test_a_written_manifest_with_extra_rows_reads_back(
    main_rows: Manifest, extra_rows: Manifest, tmp_path: Path
) -> None:
    bound = labelled(extra_rows, 3, "0123456789abcdef")
    both = add_extra(main_rows, bound)
    both.write(tmp_path / "m.parquet")
    back = Manifest.read(tmp_path / "m.parquet")
    assert back.fingerprint == both.fingerprint
    assert load_manifest(tmp_path / "m.parquet").fingerprint == both.fingerprint


def test_rows_with_role_test_are_not_trained_on(tmp_path: Path) -> None:
    path = source(tmp_path / "x", ["a.png", "b.png"])
    path.write_text("path,group,role\na.png,1,train\nb.png,2,test\n")
    assert load_extra(path, None).frame[["path", "role"]].to_numpy().tolist() == [["a.png", "extra"]]
    path.write_text("path,group,role\na.png,1,test\nb.png,2,test\n")
    with pytest.raises(ManifestError, match="every row has role test"):
        load_extra(path, None)


def test_a_source_is_grouped_by_the_spaces_column_where_it_has_one(tmp_path: Path) -> None:
    path = source(tmp_path / "x", ["a.png", "b.png"], header="path,person,tint")
    assert load_extra(path, "person").frame["group"].tolist() == ["x0", "x1"]
    assert load_extra(path, "id").frame["group"].tolist() == ["a.png", "b.png"]


def test_a_source_without_a_group_is_grouped_by_the_column_the_judged_rows_groups_came_from(
    tmp_path: Path,
) -> None:
    people = [f"{n:06d}" for n in range(4)]
    frame = pd.DataFrame({"path": [f"{n}.png" for n in people], "group": people, "role": "train"})
    judged = Manifest(frame.assign(id=people, gender="male", age=30), tmp_path, "judged")
    path = source(tmp_path / "x", ["a.png", "b.png"], header="path,id,tint", prefix="00000")
    extra = load_extra(path, None, judged)
    assert extra.frame["group"].tolist() == ["000000", "000001"] and not extra.notes
    with pytest.raises(ManifestError, match=r"2 of its groups are in judged too: 000000, 000001"):
        add_extra(judged, extra)
    named = source(tmp_path / "y", ["a.png", "b.png"], prefix="y")
    assert load_extra(named, None, judged).frame["group"].tolist() == ["y0", "y1"], "its own comes first"


def test_a_source_that_tells_nobody_apart_is_taken_with_a_note(tmp_path: Path) -> None:
    frame = pd.DataFrame({"path": ["1.png"], "group": ["1"], "role": "train", "id": ["1"]})
    path = source(tmp_path / "x", ["a.png", "b.png"], header="path,name,tint")
    extra = load_extra(path, None, Manifest(frame, tmp_path, "judged"))
    assert extra.frame["group"].tolist() == ["a.png", "b.png"]
    assert extra.notes == (
        f"{path} names no group: its images are taken for other groups than those of judged; give "
        "it a column id or group if they may be the same",
    )


def test_labels_of_models_keep_the_groups_they_were_written_with(tmp_path: Path) -> None:
    frame = pd.DataFrame({"path": ["1.png"], "group": ["1"], "role": "train", "id": ["1"]})
    (tmp_path / "a.png").write_bytes(b"a")
    bound = pd.DataFrame({"path": ["a.png"], "group": ["pseudo:1"], "role": "extra", "id": ["1"]})
    Manifest(bound.assign(only_fold=0, fold_plan_digest="x"), tmp_path, "pseudo").write(
        tmp_path / "p.parquet"
    )
    extra = load_extra(tmp_path / "p.parquet", "id", Manifest(frame, tmp_path, "judged"))
    assert extra.frame["group"].tolist() == ["pseudo:1"]


def test_a_group_in_both_is_refused_and_told_how_to_go_on(main_rows: Manifest, tmp_path: Path) -> None:
    clash = load_manifest(source(tmp_path / "clash", ["a.png", "b.png"], prefix="p"))
    with pytest.raises(
        ManifestError, match=r"2 of its groups.*p0, p1.*\n.*ids of its own.*rows-p0"
    ) as caught:
        add_extra(main_rows, clash)
    assert str(caught.value).count("\n") == 1


def test_the_same_source_twice_is_refused(main_rows: Manifest, extra_rows: Manifest) -> None:
    once = add_extra(main_rows, extra_rows)
    with pytest.raises(ManifestError, match=r"3 rows repeat a path: \.\./far/extra/a\.png"):
        add_extra(once, extra_rows)


# ---- folds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", [None, "fold"])
def test_train_rows_have_the_same_folds_with_and_without_extra_rows(
    main_rows: Manifest, extra_rows: Manifest, column: str | None
) -> None:
    numbers = Manifest(main_rows.frame.assign(fold=np.arange(18) % 12), main_rows.root, "main")
    words = Manifest(extra_rows.frame.assign(fold=["x", "y", "z"]), extra_rows.root, "extra")
    k, strata = (12, ()) if column else (3, (TINT,))
    alone = build_fold_plan(numbers, k, 5, strata, column)
    both = build_fold_plan(add_extra(numbers, words), k, 5, strata, column)
    assert both.folds[:18].tolist() == alone.folds.tolist()
    assert both.folds[18:].tolist() == [-1] * 3
    if column:
        assert alone.folds.tolist() == (np.arange(18) % 12).tolist(), "words elsewhere leave 10 after 9"


def test_extra_rows_join_every_training_part_and_no_validation_part(
    main_rows: Manifest, extra_rows: Manifest
) -> None:
    both = add_extra(main_rows, extra_rows)
    dataset = make_dataset(SPACE, both, build_fold_plan(both, 3, 0, (TINT,)), Path("runs"))
    for fold in range(3):
        assert set(dataset.training_rows(fold)) >= {18, 19, 20}
        assert not set(dataset.validation_rows(fold)) & {18, 19, 20}


def test_a_row_that_joins_one_fold_is_in_that_folds_training_part_alone(
    main_rows: Manifest, extra_rows: Manifest
) -> None:
    plan = build_fold_plan(main_rows, 3, 0, (TINT,))
    digest = train_digest(main_rows.frame["path"], plan.folds)
    both = add_extra(main_rows, labelled(extra_rows, 3, digest))
    plan = build_fold_plan(both, 3, 0, (TINT,))
    refuse_other_folds(both, plan)
    assert plan.folds[18:].tolist() == [-1] * 9
    assert dataset_folds(both, plan)[18:].tolist() == [-2] * 3 + [-3] * 3 + [-4] * 3
    dataset = make_dataset(SPACE, both, plan, Path("runs"))
    for fold in range(3):
        joined = [row for row in dataset.training_rows(fold) if row >= 18]
        assert joined == list(range(18 + 3 * fold, 21 + 3 * fold))


def test_labels_for_other_folds_are_refused(main_rows: Manifest, extra_rows: Manifest) -> None:
    made = build_fold_plan(main_rows, 3, 0, (TINT,))
    digest = train_digest(main_rows.frame["path"], made.folds)
    both = add_extra(main_rows, labelled(extra_rows, 3, digest))
    refuse_other_folds(both, build_fold_plan(both, 3, 0, (TINT,)))
    fewer = Manifest(both.frame.iloc[1:].reset_index(drop=True), both.root, "fewer")
    others = [
        (both, build_fold_plan(both, 2, 0, (TINT,))),
        (both, build_fold_plan(both, 3, 1, (TINT,))),
        (fewer, build_fold_plan(fewer, 3, 0, (TINT,))),
    ]
    for rows, plan in others:
        with pytest.raises(FoldPlanError, match=r"9 rows .*not of this study's.*\n.*pseudo_labels") as caught:
            refuse_other_folds(rows, plan)
        assert str(caught.value).count("\n") == 1
    unsigned = Manifest(both.frame.drop(columns="fold_plan_digest"), both.root, "unsigned")
    with pytest.raises(FoldPlanError, match="9 rows"):
        refuse_other_folds(unsigned, build_fold_plan(unsigned, 3, 0, (TINT,)))
    beyond = add_extra(main_rows, labelled(extra_rows, 4, digest))
    with pytest.raises(FoldPlanError, match="3 rows"):
        refuse_other_folds(beyond, build_fold_plan(beyond, 3, 0, (TINT,)))


def test_the_digest_is_of_pairs_of_path_and_fold_in_any_order() -> None:
    folds = np.array([0, 1, -1], np.int16)
    digest = train_digest(["a", "b", "c"], folds)
    assert digest == train_digest(["b", "a"], np.array([1, 0], np.int16))
    assert digest != train_digest(["a", "b"], np.array([1, 0], np.int16))
    assert digest != train_digest(["a", "b", "c"], np.array([0, 1, 1], np.int16))


# ---- copies ---------------------------------------------------------------------------------------


def test_a_copy_of_a_photo_is_found_whatever_its_name(main_rows: Manifest, extra_rows: Manifest) -> None:
    refuse_copies(main_rows, extra_rows)
    copied = (main_rows.root / "07.png").read_bytes()
    (extra_rows.root / "b.png").write_bytes(copied)
    (extra_rows.root / "c.png").write_bytes(copied[::-1])
    steps: list[tuple[int, int]] = []
    with pytest.raises(ManifestError, match=r"1 of its images.*: b\.png = 07\.png; what is judged"):
        refuse_copies(main_rows, extra_rows, lambda done, total: steps.append((done, total)))
    assert steps[0] == (0, 21) and steps[-1] == (2, 3), "21 sizes, then bytes where a size is shared"


def test_at_most_three_copies_are_named(main_rows: Manifest, extra_rows: Manifest, tmp_path: Path) -> None:
    many = load_manifest(source(tmp_path / "many", [f"{name}.png" for name in "abcde"]))
    for number, path in enumerate(many.frame["path"]):
        (many.root / path).write_bytes((main_rows.root / f"{number:02d}.png").read_bytes())
    with pytest.raises(ManifestError, match=r"5 of its images.*c\.png = 02\.png and 2 more; what"):
        refuse_copies(main_rows, many)


def test_an_image_with_role_test_may_be_labelled_by_models_but_not_known(
    main_rows: Manifest, extra_rows: Manifest
) -> None:
    role = ["test"] + ["train"] * 17
    whole = Manifest(main_rows.frame.assign(role=role), main_rows.root, "main")
    (extra_rows.root / "a.png").write_bytes((main_rows.root / "00.png").read_bytes())
    with pytest.raises(ManifestError, match=r"a\.png = 00\.png"):
        refuse_copies(whole, extra_rows)
    refuse_copies(whole, labelled(extra_rows, 3, "x"))
    (extra_rows.root / "a.png").write_bytes((main_rows.root / "01.png").read_bytes())
    with pytest.raises(ManifestError, match=r"a\.png = 01\.png"):
        refuse_copies(whole, labelled(extra_rows, 3, "x"))


def test_an_image_that_went_missing_is_named(main_rows: Manifest, extra_rows: Manifest) -> None:
    (extra_rows.root / "b.png").unlink()
    with pytest.raises(ManifestError, match=r"b\.png cannot be read"):
        refuse_copies(main_rows, extra_rows)


# ---- the command ----------------------------------------------------------------------------------


def split(faces: Path, folder: Path) -> tuple[Path, Path]:
    """The first 14 people's photos as data, the others' as another source."""
    lines = faces.read_text().splitlines()
    places = []
    for name, rows in (("mine", lines[1:43]), ("theirs", lines[43:])):
        (folder / name).mkdir(parents=True)
        for row in rows:
            image = row.split(",")[0]
            (folder / name / image).write_bytes((faces.parent / image).read_bytes())
        (folder / name / "rows.csv").write_text("\n".join([lines[0], *rows]) + "\n")
        places.append(folder / name / "rows.csv")
    return places[0], places[1]


def weights_of_trial_0(study: Study) -> list[bytes]:
    trial = next(trial for trial in study.complete_trials() if trial.number == 0)
    return [study.store().get(best.weights) for best in trial.bests]


def test_a_study_with_extra_rows_has_the_folds_of_one_without_and_other_models(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, theirs = split(faces, tmp_path)
    shared = [
        "--space",
        str(space_file),
        "--data",
        str(mine),
        "--runs",
        str(tmp_path / "runs"),
        "--inline",
        "--no-report",
    ]
    shared += ["--smoke", "--rule", "exhaustive"]
    assert main([*shared, "--study", "a"]) == 0
    assert main([*shared, "--study", "b", "--extra", str(theirs)]) == 0
    assert "extra: 18 rows of rows join every training part" in capsys.readouterr().out
    a, b = Study(tmp_path / "runs" / "a"), Study(tmp_path / "runs" / "b")
    assert b.fold_plan().folds.tolist() == [*a.fold_plan().folds.tolist(), *[-1] * 18]
    assert a.configs == b.configs
    weights = [weights_of_trial_0(study) for study in (a, b)]
    assert weights[0] != weights[1], "what is trained on matters"
    record = journal(b.path)[0]["header"]["extra"]
    assert [(item["source"], item["rows"]) for item in record] == [(str(theirs), 18)]
    theirs.unlink()
    assert (
        main(
            [
                "--resume",
                "--runs",
                str(tmp_path / "runs"),
                "--trials",
                "4",
                "--inline",
                "--no-report",
                "--study",
                "b",
            ]
        )
        == 0
    )


def test_the_command_refuses_copies_and_extra_rows_on_resume(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, theirs = split(faces, tmp_path)
    lines = theirs.read_text().splitlines()
    (theirs.parent / "copy.png").write_bytes((mine.parent / "p00-0.png").read_bytes())
    theirs.write_text("\n".join([*lines, "copy.png,new,red"]) + "\n")
    runs = ["--runs", str(tmp_path / "runs"), "--inline", "--no-report"]
    arguments = ["--space", str(space_file), "--data", str(mine), "--smoke", "--study", "a", *runs]
    assert main([*arguments, "--extra", str(theirs)]) == 2
    assert "copy.png = p00-0.png" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "a").exists()
    assert main(arguments) == 0
    assert main(["--resume", *runs, "--extra", str(theirs)]) == 2
    assert "--extra cannot change study" in capsys.readouterr().err


def test_the_command_refuses_people_it_knows_by_the_column_of_the_data(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, theirs = split(faces, tmp_path)
    head, *rows = mine.read_text().splitlines()
    named = [f"{row},{row.split(',')[1]}" for row in rows]
    mine.write_text("\n".join([f"{head},name", *named]) + "\n")
    lines = theirs.read_text().replace("path,group,", "path,name,").splitlines()
    theirs.write_text("\n".join([*lines[:-1], lines[-1].replace(",p19,", ",p03,")]) + "\n")
    arguments = ["--space", str(space_file), "--data", str(mine), "--smoke", "--inline", "--no-report"]
    assert main([*arguments, "--runs", str(tmp_path / "runs"), "--extra", str(theirs)]) == 2
    assert "1 of its groups are in rows too: p03" in capsys.readouterr().err


def test_a_missing_label_is_told_with_its_own_file_and_row(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, theirs = split(faces, tmp_path)
    theirs.write_text(theirs.read_text().replace("p14-1.png,p14,red", "p14-1.png,p14,"))
    arguments = ["--space", str(space_file), "--data", str(mine), "--smoke", "--inline", "--no-report"]
    assert main([*arguments, "--runs", str(tmp_path / "runs"), "--extra", str(theirs)]) == 2
    said = capsys.readouterr().err
    assert f"--extra {theirs}: column 'tint' has a missing value (row 2, p14-1.png)" in said


def test_an_image_that_joins_each_fold_counts_as_one(main_rows: Manifest, extra_rows: Manifest) -> None:
    digest = train_digest(main_rows.frame["path"], build_fold_plan(main_rows, 3, 0, (TINT,)).folds)
    both = add_extra(main_rows, labelled(extra_rows, 3, digest))
    plan = build_fold_plan(both, 3, 0, (TINT,))
    line = rows_line(both, make_dataset(SPACE, both, plan, Path("runs")), SPACE)
    assert line == (
        "rows: 18 images of 18 groups; tint: red 9, blue 9; 3 images with role extra, never validated"
    )
