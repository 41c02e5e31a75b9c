"""Which column of a table names the images, and which file each value is."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data.importers import listing as listing_module
from orchestrator.data.importers import table as table_module
from orchestrator.data.importers.contract import Reading
from orchestrator.data.manifest import load_manifest


def draw(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"image")


def test_what_was_found_is_a_line(tmp_path: Path) -> None:
    draw(tmp_path, "images/Train_0.jpg", "images/Train_1.jpg", "images/Test_0.jpg")
    (tmp_path / "train.csv").write_text("image_id,label\nTrain_1,a\nTrain_0,b\n")
    manifest = load_manifest(tmp_path)
    assert manifest.found == (
        f"images: column image_id, images/<image_id>.jpg, 2 of 2; 1 image below {tmp_path} in no row",
    )
    assert manifest.frame["path"].tolist() == ["images/Train_1.jpg", "images/Train_0.jpg"]
    assert manifest.lines()[0] == manifest.found[0] and manifest.lines()[1].startswith("note: ")


def test_a_frame_is_read_as_its_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(tmp_path, "set/train_images/07.png", "set/train_images/8.png")
    (tmp_path / "set" / "train.csv").write_text("id,label\n8,a\n07,b\n")
    from_file = load_manifest(tmp_path / "set" / "train.csv")
    frame = pd.read_csv(tmp_path / "set" / "train.csv", dtype=str)
    monkeypatch.chdir(tmp_path / "set")
    beside = load_manifest(frame)
    named = load_manifest(frame, reading=Reading(images=(tmp_path / "set" / "train_images",)))
    assert beside.fingerprint == from_file.fingerprint and beside.root == from_file.root
    assert named.frame["path"].tolist() == ["8.png", "07.png"] and named.frame["id"].tolist() == ["8", "07"]
    (tmp_path / "names.json").write_text('{"a": "ash", "b": "beech"}')
    more = load_manifest(frame, reading=Reading(labels=tmp_path / "names.json"))
    assert more.frame["label_name"].tolist() == ["ash", "beech"]
    classes = load_manifest(frame[["id"]], reading=Reading(class_pattern=r"^(\d)"))
    assert classes.frame["label"].tolist() == ["8", "0"]
    with pytest.raises(ManifestError, match="the DataFrame has a column label; leave it out"):
        load_manifest(frame, reading=Reading(class_pattern=r"^(\d)"))


@pytest.mark.parametrize(("disk", "said"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
@pytest.mark.parametrize("column", ["path", "name"])
def test_composed_and_decomposed_names_meet(disk: str, said: str, column: str, tmp_path: Path) -> None:
    own, other = (unicodedata.normalize(form, "각도-café.png") for form in (disk, said))
    draw(tmp_path, f"ü/{own}" if column == "name" else own)
    (tmp_path / "t.csv").write_text(f"{column},label\n{other},x\n")
    manifest = load_manifest(tmp_path / "t.csv")
    assert (manifest.root / manifest.frame["path"][0]).is_file()
    assert manifest.frame["path"][0].endswith(own)


def test_a_link_is_no_second_file_of_a_name(tmp_path: Path) -> None:
    draw(tmp_path, "store/1.png", "store/2.png")
    (tmp_path / "images").symlink_to("store")
    (tmp_path / "t.csv").write_text("id,label\n1,x\n2,y\n")
    assert load_manifest(tmp_path / "t.csv").frame["path"].tolist() == ["store/1.png", "store/2.png"]


def test_two_columns_that_lead_to_the_same_files_are_one_answer(tmp_path: Path) -> None:
    draw(tmp_path, "i/a_1.png", "i/a_2.png")
    (tmp_path / "t.csv").write_text("id,file,label\na_1,i/a_1.png,x\na_2,i/a_2.png,y\n")
    assert load_manifest(tmp_path / "t.csv").found[0].startswith("images: column id, i/<id>.png, 2 of 2")


def test_row_numbers_that_a_saved_frame_brings_along_name_nothing(tmp_path: Path) -> None:
    draw(tmp_path, *[f"i/{number}.png" for number in range(6)])
    text = "\n".join(["Unnamed: 0,image,label", *[f"{row},{5 - row}.png,{row % 2}" for row in range(6)]])
    (tmp_path / "t.csv").write_text(text + "\n")
    assert load_manifest(tmp_path / "t.csv").frame["path"].tolist() == [
        f"i/{5 - row}.png" for row in range(6)
    ]


def test_classes_called_as_files_are_name_no_images(tmp_path: Path) -> None:
    draw(tmp_path, *[f"i/{number}.png" for number in range(6)])
    text = "\n".join(["label,image", *[f"{row % 2},{row}" for row in range(6)]])
    (tmp_path / "t.csv").write_text(text + "\n")
    assert load_manifest(tmp_path / "t.csv").found[0].startswith("images: column image, i/<image>.png")


def test_the_folders_of_another_machine_never_make_two_values_one_file(tmp_path: Path) -> None:
    draw(tmp_path, "1.png")
    (tmp_path / "t.csv").write_text("file,label\n/kaggle/a/1.png,x\n/kaggle/b/1.png,y\n")
    with pytest.raises(ManifestError, match="no column names images"):
        load_manifest(tmp_path / "t.csv")
    draw(tmp_path, "b/1.png", "a/1.png")
    (tmp_path / "1.png").unlink()
    manifest = load_manifest(tmp_path / "t.csv")
    assert manifest.frame["path"].tolist() == ["a/1.png", "b/1.png"]
    assert manifest.found == ("images: column file, <file without kaggle/>, 2 of 2",)


def test_paths_of_which_some_are_there_are_meant_as_they_are_written(tmp_path: Path) -> None:
    draw(tmp_path, "x/1.png", "backup/x/2.png")
    (tmp_path / "t.csv").write_text("path,label\nx/1.png,a\nx/2.png,b\n")
    with pytest.raises(ManifestError, match=r"1 of 2 images are not under .*: x/2\.png; correct the paths"):
        load_manifest(tmp_path / "t.csv")


def test_copies_of_a_line_count_once_and_are_said(tmp_path: Path) -> None:
    draw(tmp_path, "1.png", "2.png")
    (tmp_path / "t.csv").write_text("path,label\n2.png,x\n1.png,x\n2.png,x\n")
    manifest = load_manifest(tmp_path / "t.csv")
    assert manifest.frame["path"].tolist() == ["2.png", "1.png"]
    assert f"{tmp_path / 't.csv'}: 1 row left out that repeat another exactly: 2.png" in manifest.notes


@pytest.mark.parametrize("rows", [2_000, 8_000])
def test_the_questions_to_the_disk_do_not_grow_with_the_rows(
    rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths are made up: listing them is all that the disk is asked."""
    images = tuple(sorted(f"part_{row % 3}/ISIC_{row:07d}.jpg" for row in range(rows)))
    asked: list[Path] = []

    def listed(root: Path) -> listing_module.Listing:
        asked.append(root)
        return listing_module.Listing(root, images)

    monkeypatch.setattr(table_module, "list_tree", listed)
    frame = pd.DataFrame(
        {"image": [f"ISIC_{row:07d}" for row in range(rows)], "target": [0, 1] * (rows // 2)}
    )
    read = table_module.rows_of(frame, tmp_path / "t.csv", tmp_path, Reading())
    assert len(asked) == 1 and len(read.frame) == rows and read.listed
    assert read.frame["path"][rows - 1] == f"part_{(rows - 1) % 3}/ISIC_{rows - 1:07d}.jpg"


def test_paths_that_lead_elsewhere_are_taken_as_they_are_written(tmp_path: Path) -> None:
    draw(tmp_path, "a/1.png", "b/1.png", "t/x.png")
    table = tmp_path / "t" / "t.csv"
    table.write_text(f"image,label\n{tmp_path}/a/1.png,x\n{tmp_path}/b/1.png,y\n")
    manifest = load_manifest(table)
    assert manifest.root == tmp_path and manifest.frame["path"].tolist() == ["a/1.png", "b/1.png"]
    assert manifest.found == ("images: column image, paths as written, 2 of 2",)
    table.write_text("image,mask\n../a/1.png,../b/1.png\n")
    with pytest.raises(ManifestError, match="2 columns name images: image, mask; say which with"):
        load_manifest(table)


def test_classes_that_print_alike_are_one_and_files_that_do_stay_two(tmp_path: Path) -> None:
    one, other = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    draw(tmp_path, f"{one}.png", f"{other}.png")
    (tmp_path / "t.csv").write_text(f"path,label\n{other}.png,{one}\n{one}.png,{other}\n")
    frame = load_manifest(tmp_path / "t.csv").frame
    assert frame["path"].tolist() == [f"{other}.png", f"{one}.png"] and frame["label"].tolist() == [one, one]


def test_groups_are_read_from_names_or_paths_and_never_beside_a_column_group(tmp_path: Path) -> None:
    draw(tmp_path, "p1/s1/1.png", "p1/s2/1.png", "p2/s1/1.png")
    table = tmp_path / "t.csv"
    table.write_text("file,label\np1/s1/1.png,a\np1/s2/1.png,b\np2/s1/1.png,a\n")
    manifest = load_manifest(table, reading=Reading(group_pattern="^(p[0-9])/"))
    assert manifest.frame["group"].tolist() == ["p1", "p1", "p2"]
    assert manifest.found[-1] == "groups: 2 groups by --group-pattern, such as 'p1' in p1/s1/1.png"
    table.write_text("file,label,group\np1/s1/1.png,a,7\n")
    with pytest.raises(ManifestError, match="has a column group; leave it out"):
        load_manifest(table, reading=Reading(group_pattern="^(p[0-9])/"))
