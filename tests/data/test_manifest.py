"""The manifest: every layout it reads, and every row it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from orchestrator.core.errors import InputError, ManifestError
from orchestrator.data.manifest import Manifest, joined_folds, load_manifest
from orchestrator.data.table_files import write_parquet
from orchestrator.data.targets import categorical

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
STEMS = ("mask1", "mask2", "mask3", "mask4", "mask5", "incorrect_mask", "normal")
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real faces are not at {SHARED}")


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"image")


def table(folder: Path, text: str, name: str = "rows.csv", images: bool = True) -> Path:
    """A CSV whose first column is the path of an image, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    for line in text.splitlines()[1:] if images else []:
        if line.split(",")[0]:
            touch(folder / line.split(",")[0])
    return folder / name


@pytest.fixture
def competition(tmp_path: Path) -> Path:
    """Three people, seven photos each with mixed suffixes, and an evaluation part of three photos."""
    lines = ["id,gender,race,age,path"]
    for number, (gender, age) in enumerate([("male", 22), ("female", 45), ("female", 60)]):
        name = f"00000{number}_{gender}_Asian_{age}"
        lines.append(f"00000{number},{gender},Asian,{age},{name}")
        for place, stem in enumerate(STEMS):
            touch(tmp_path / "train" / "images" / name / f"{stem}{('.jpg', '.png', '.JPEG')[place % 3]}")
        touch(tmp_path / "train" / "images" / name / "._mask1.jpg")
    (tmp_path / "train" / "train.csv").write_text("\n".join(lines) + "\n")
    table(tmp_path / "eval", "ImageID,ans\nc.jpg,0\na.jpg,0\nb.jpg,0\n", "info.csv", images=False)
    for name in "abc":
        touch(tmp_path / "eval" / "images" / f"{name}.jpg")
    return tmp_path


# ---- layouts --------------------------------------------------------------------------------------


def test_the_competitions_training_part_has_a_row_per_photo_grouped_by_person(competition: Path) -> None:
    manifest = load_manifest(competition / "train")
    frame = manifest.frame
    assert len(frame) == 21 and list(frame.columns[:3]) == ["path", "group", "role"]
    assert frame["group"].tolist()[::7] == ["000000", "000001", "000002"], "leading zeros are part of a name"
    assert (
        frame.groupby("group")["mask"].value_counts().unstack()[["worn", "wrong", "none"]].to_numpy().tolist()
        == [[5, 1, 1]] * 3
    )
    assert set(frame["role"]) == {"train"} and frame["age"].tolist()[::7] == [22, 45, 60]
    assert frame["path"].tolist() == sorted(frame["path"])
    assert all((manifest.root / path).is_file() for path in frame["path"])
    assert manifest.root.is_absolute() and manifest.notes == ()


@pytest.mark.parametrize("source", ["", "train", "train/train.csv"])
def test_the_training_part_is_found_from_above_from_its_folder_and_from_its_table(
    competition: Path, source: str
) -> None:
    manifest = load_manifest(competition / source, group_column="id")
    assert manifest.fingerprint == load_manifest(competition / "train").fingerprint


def test_the_evaluation_part_keeps_the_templates_order_and_has_role_test(competition: Path) -> None:
    frame = load_manifest(competition / "eval").frame
    assert frame["ImageID"].tolist() == ["c.jpg", "a.jpg", "b.jpg"]
    assert frame["path"].tolist() == ["images/c.jpg", "images/a.jpg", "images/b.jpg"]
    assert set(frame["role"]) == {"test"} and "ans" not in frame


def test_missing_folders_and_photos_are_named_in_one_error(competition: Path) -> None:
    images = competition / "train" / "images"
    (images / "000001_female_Asian_45").rename(images / "elsewhere")
    next((images / "000002_female_Asian_60").glob("normal.*")).unlink()
    with pytest.raises(ManifestError) as caught:
        load_manifest(competition)
    message = str(caught.value)
    assert "2 folders or photos" in message
    assert "images/000001_female_Asian_45/" in message and "images/000002_female_Asian_60/normal" in message


def test_a_file_that_is_none_of_the_seven_photos_is_left_out_and_said(competition: Path) -> None:
    touch(competition / "train" / "images" / "000000_male_Asian_22" / "mask6.jpg")
    manifest = load_manifest(competition)
    assert len(manifest) == 21
    assert "mask6.jpg" in manifest.notes[0]


def test_a_person_listed_twice_is_refused(competition: Path) -> None:
    csv = competition / "train" / "train.csv"
    csv.write_text(csv.read_text() + "000009,male,Asian,22,000000_male_Asian_22\n")
    with pytest.raises(ManifestError, match="000000_male_Asian_22 is listed more than once"):
        load_manifest(competition)


def test_a_table_gives_paths_groups_and_roles_from_the_columns_that_are_named(tmp_path: Path) -> None:
    source = table(tmp_path, "file,person,part,age\nb/2.png,7,test,61\na/1.png,07,train,20\n")
    manifest = load_manifest(source, path_column="file", group_column="person", role_column="part")
    assert manifest.frame[["path", "group", "role", "age"]].to_numpy().tolist() == [
        ["b/2.png", "7", "test", 61],
        ["a/1.png", "07", "train", 20],
    ]
    assert manifest.root == tmp_path and manifest.notes == ()


def test_people_whose_names_look_like_numbers_stay_apart(tmp_path: Path) -> None:
    source = table(tmp_path, "path,group\na.png,1.1\nb.png,1.10\nc.png,1e0\nd.png,1\n")
    assert load_manifest(source).frame["group"].tolist() == ["1.1", "1.10", "1e0", "1"]


def test_words_for_nothing_are_words_and_only_empty_cells_are_missing(tmp_path: Path) -> None:
    source = table(tmp_path, "path,group,mask\na.png,NA,none\nb.png,null,worn\nc.png,None,wrong\n")
    frame = load_manifest(source).frame
    assert frame["group"].tolist() == ["NA", "null", "None"]
    assert categorical("mask", ["worn", "wrong", "none"]).encode(frame).tolist() == [2, 0, 1]


def test_a_table_without_a_group_says_that_each_image_stands_alone(tmp_path: Path) -> None:
    manifest = load_manifest(table(tmp_path, "path,label\na.png,x\nb.png,y\n"))
    assert manifest.frame["group"].nunique() == 2
    assert "names no group" in manifest.notes[0]
    assert "in the space (group=...)" in manifest.notes[0] and "--group-pattern" in manifest.notes[0]


def test_a_parquet_table_reads_like_the_same_csv(tmp_path: Path) -> None:
    source = table(tmp_path, "path,group,age\na.png,p1,30\nb.png,p2,\n")
    frame = pd.DataFrame({"path": ["a.png", "b.png"], "group": ["p1", "p2"], "age": [30.0, np.nan]})
    frame.to_parquet(tmp_path / "rows.parquet")
    assert load_manifest(tmp_path / "rows.parquet").fingerprint == load_manifest(source).fingerprint


def test_absolute_paths_are_taken_relative_to_their_common_folder(tmp_path: Path) -> None:
    for name in ("x/a.png", "y/b.png"):
        touch(tmp_path / "far" / name)
    text = f"path,group\n{tmp_path}/far/x/a.png,1\n{tmp_path}/far/y/b.png,2\n"
    manifest = load_manifest(table(tmp_path / "near", text, images=False))
    assert manifest.root == tmp_path / "far" and manifest.frame["path"].tolist() == ["x/a.png", "y/b.png"]


def test_utkface_names_become_ages_genders_and_races(tmp_path: Path) -> None:
    for name in ("26_1_2_20170116.jpg", "116_0_0_20170117.jpg.chip.jpg", "9_1_4_1.png"):
        touch(tmp_path / name)
    frame = load_manifest(tmp_path).frame
    assert frame[["path", "age", "gender", "race"]].to_numpy().tolist() == [
        ["116_0_0_20170117.jpg.chip.jpg", 116, "male", "White"],
        ["26_1_2_20170116.jpg", 26, "female", "Asian"],
        ["9_1_4_1.png", 9, "female", "Others"],
    ]


def test_malformed_utkface_names_are_named(tmp_path: Path) -> None:
    for name in ("26_1_2_20170116.jpg", "61_1_20170109.jpg", "holiday.jpg"):
        touch(tmp_path / name)
    with pytest.raises(
        ManifestError, match=r"2 file names.*61_1_20170109.jpg, holiday.jpg.*rename or remove"
    ):
        load_manifest(tmp_path)


def test_a_folder_per_class_labels_by_folder_at_any_depth(tmp_path: Path) -> None:
    for name in ("cat/1.jpg", "cat/more/2.jpg", "dog/1.jpg", "dog/readme.txt", "empty/notes.txt"):
        touch(tmp_path / name)
    frame = load_manifest(tmp_path).frame
    assert frame[["path", "label"]].to_numpy().tolist() == [
        ["cat/1.jpg", "cat"],
        ["cat/more/2.jpg", "cat"],
        ["dog/1.jpg", "dog"],
    ]


def test_folders_named_train_and_test_are_not_taken_for_classes(tmp_path: Path) -> None:
    for name in ("train/cat/1.jpg", "train/dog/1.jpg", "test/cat/2.jpg"):
        touch(tmp_path / name)
    frame = load_manifest(tmp_path).frame
    assert frame[["label", "role"]].to_numpy().tolist() == [
        ["cat", "test"],
        ["cat", "train"],
        ["dog", "train"],
    ]
    assert len(load_manifest(tmp_path / "train")) == 2
    touch(tmp_path / "cow" / "1.jpg")
    with pytest.raises(ManifestError, match="parts test, train and beside them cow, which would pass for"):
        load_manifest(tmp_path)


OLD_NAMES = pd.DataFrame(
    {
        "path": ["a.png", "b.png"], "group": ["1", "2"], "role": ["train", "extra"],
        "joins_fold": [None, 1.0], "joins_plan": pd.Series([None, "0123456789abcdef"], dtype=object),
        "tint": ["red", "blue"],
    }
)  # fmt: skip


def test_rows_of_version_0_1_for_one_fold_keep_their_fingerprint_under_the_present_names(
    tmp_path: Path,
) -> None:
    made = "fd4fc39298ba847a41c062772046d3690a5f5244403cd37f01a2dbef6ece0a85"  # by that version
    record = {"root": str(tmp_path), "name": "rows", "notes": [], "fingerprint": made}
    write_parquet(tmp_path / "rows.parquet", OLD_NAMES, record)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    for read in (Manifest.read(tmp_path / "rows.parquet"), load_manifest(tmp_path / "rows.parquet")):
        assert read.fingerprint == made
        assert joined_folds(read.frame).tolist() == [-1, 1]
        assert [*read.frame.columns] == ["path", "group", "role", "only_fold", "fold_plan_digest", "tint"]


def test_a_csv_of_version_0_1_with_rows_for_one_fold_is_read(tmp_path: Path) -> None:
    source = table(tmp_path, "path,group,role,joins_fold\na.png,1,extra,0\n")
    assert joined_folds(load_manifest(source).frame).tolist() == [0]


def test_an_image_may_join_several_folds_with_a_row_for_each(tmp_path: Path) -> None:
    text = "path,group,role,only_fold\na.png,1,extra,0\na.png,1,extra,2\nb.png,2,train,\n"
    manifest = load_manifest(table(tmp_path, text))
    assert joined_folds(manifest.frame).tolist() == [0, 2, -1]
    assert joined_folds(manifest.frame.drop(columns="only_fold")).tolist() == [-1, -1, -1]


# ---- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("path,group\n", "no row"),
        ("file,group\n,1\n", "no column names images (it has file, group)"),
        ("path,group\na.png,1\n,2\n", "column 'path' is empty in row 2"),
        ("path,group\na.png,1\na.png,2\n", "repeat a path: a.png"),
        ("path,group\na.png,1\n./a.png,2\n", "repeat a path: a.png"),
        ("path,group\na.png,1\nb.png,\n", "group column 'group' is empty for b.png"),
        ("path,role\na.png,train\nb.png,valid\n", "'valid' for b.png; a role is one of train, extra, test"),
        ("path,role\na.png,train\nb.png,\n", "empty for b.png"),
        ("path,role,only_fold\na.png,extra,0\na.png,extra,0\n", "1 rows repeat a path: a.png"),
        ("path,role,only_fold\na.png,extra,0\na.png,extra,\n", "1 rows repeat a path: a.png"),
        (
            "path,role,only_fold\na.png,train,0\n",
            "'only_fold' is 0 for a.png, which has role train; it takes the number of a fold",
        ),
        ("path,role,only_fold\na.png,extra,0.5\n", "'only_fold' is 0.5 for a.png"),
        ("path,role,only_fold\na.png,extra,-1\n", "'only_fold' is -1 for a.png"),
        ("path,role,only_fold\na.png,extra,all\n", "'only_fold' is 'all' for a.png"),
        (
            "path,group,role\na.png,7,train\nb.png,7,test\n",
            "group '7' has rows with the roles test and train",
        ),
        ("path,group,role\na.png,7,train\nb.png,7,extra\n", "roles extra and train"),
        ("path,group,path\na.png,7,b\n", "column 'path' appears more than once"),
        ("path,group\na.png,7,9\n", "line 2 has 3 cells, the header has 2"),
    ],
)
def test_a_table_with_a_fault_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load_manifest(table(tmp_path, text))
    assert message in str(caught.value) and str(caught.value).count("\n") == 0


def test_images_that_do_not_exist_are_counted_and_the_first_named(tmp_path: Path) -> None:
    rows = "".join(f"x/{number}.png,{number}\n" for number in range(6))
    source = table(tmp_path, "path,group\n" + rows)
    for number in range(1, 6):
        (tmp_path / f"x/{number}.png").unlink()
    with pytest.raises(ManifestError, match=r"5 of 6 images.*x/1.png, x/2.png, x/3.png and 2 more"):
        load_manifest(source)


@pytest.mark.parametrize("name", ["absent.csv", "absent", "notes.txt", "broken.parquet", "latin.csv", "bare"])
def test_a_source_that_cannot_be_read_is_an_input_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "broken.parquet").write_bytes(b"not parquet")
    (tmp_path / "latin.csv").write_bytes("path\nFran\xe7ois.jpg\n".encode("latin-1"))
    (tmp_path / "bare").mkdir()
    with pytest.raises(InputError, match=name):
        load_manifest(tmp_path / name)


def test_a_named_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    source = table(tmp_path, "path,group\na.png,1\n")
    for option in ({"group_column": "person"}, {"role_column": "part"}):
        with pytest.raises(ManifestError, match="is missing; it has path, group"):
            load_manifest(source, **option)  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match=r"column grup is missing; .*; did you mean group\?"):
        load_manifest(source, group_column="grup")


def test_a_table_called_train_csv_is_a_table_when_it_names_images(tmp_path: Path) -> None:
    touch(tmp_path / "images" / "a.png")
    source = table(tmp_path, "path,label\nimages/a.png,x\n", "train.csv")
    assert load_manifest(source).frame["label"].tolist() == ["x"]
    renamed = table(tmp_path, "file,label\nimages/a.png,x\n", "train.csv")
    assert load_manifest(renamed, path_column="file").frame["path"].tolist() == ["images/a.png"]


def test_a_file_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "cat" / "1.jpg")
    try:
        touch(tmp_path / "dog" / "n\udcff.jpg")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    with pytest.raises(ManifestError, match=r"not UTF-8: 'dog/n\\udcff.jpg'; rename"):
        load_manifest(tmp_path)


# ---- fingerprint and files ------------------------------------------------------------------------


def test_the_fingerprint_is_of_the_rows_and_not_of_where_they_lie(tmp_path: Path) -> None:
    text = "path,group,age\na.png,1,30\nb.png,2,40\n"
    here = load_manifest(table(tmp_path / "here", text))
    there = load_manifest(table(tmp_path / "there", text))
    older = load_manifest(table(tmp_path / "older", text.replace("40", "41")))
    assert here.root != there.root and here.fingerprint == there.fingerprint != older.fingerprint


def test_the_fingerprint_ignores_dtypes_and_the_order_of_columns() -> None:
    paths = ["a.png", "b.png"]
    one = pd.DataFrame({"path": paths, "group": ["1", "2"], "role": "train", "age": [30, 40]})
    two = one[["age", "role", "group", "path"]].astype({"age": "float64", "role": "category"})
    fingerprints = {Manifest(frame, Path("/x"), "m").fingerprint for frame in (one, two)}
    # Written down: a version of pandas or of this code that changes it would orphan every frozen fold plan.
    assert fingerprints == {"579ffa82030bc65fe3511a9b5003473fa998eebe8bc3b8d6557f17938e8da3ac"}


def test_a_written_manifest_reads_back_and_loads_from_anywhere(competition: Path, tmp_path: Path) -> None:
    for source in ("train", "eval"):
        manifest = load_manifest(competition / source)
        path = tmp_path / "study" / f"{source}.parquet"
        manifest.write(path)
        back = Manifest.read(path)
        assert back.fingerprint == manifest.fingerprint and back.root == manifest.root
        assert back.frame["path"].tolist() == manifest.frame["path"].tolist()
        assert (back.name, back.notes) == (manifest.name, manifest.notes)
        assert load_manifest(path).fingerprint == manifest.fingerprint
    assert not list((tmp_path / "study").glob("*.part"))


def test_a_manifest_whose_rows_were_changed_is_refused(competition: Path, tmp_path: Path) -> None:
    manifest = load_manifest(competition)
    manifest.write(tmp_path / "m.parquet")
    whole = pq.read_table(tmp_path / "m.parquet")
    pq.write_table(whole.slice(1), tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match="fingerprint"):
        Manifest.read(tmp_path / "m.parquet")
    pq.write_table(whole.replace_schema_metadata({}), tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match="not a manifest"):
        Manifest.read(tmp_path / "m.parquet")
    with pytest.raises(ManifestError, match="does not exist"):
        Manifest.read(tmp_path / "absent.parquet")


@needs_shared
def test_the_real_faces_load() -> None:
    train = load_manifest(SHARED / "mask_faces", group_column="id")
    assert len(train) == 5600 and train.frame["group"].nunique() == 800
    hidden = load_manifest(SHARED / "mask_faces" / "eval")
    assert len(hidden) == 2100 and hidden.frame["ImageID"].is_unique
    faces = load_manifest(SHARED / "utkface" / "labels.csv", group_column="group")
    assert len(faces) == 8000 and faces.frame["group"].nunique() < 8000
