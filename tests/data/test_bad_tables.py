"""What a table or a folder cannot say is refused in a line with the value, the place and the way out."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data.importers.contract import Reading
from orchestrator.data.manifest import load_manifest

COMPOSED = "caf\u00e9"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


def draw(folder: Path, *images: str, **texts: str) -> None:
    """Images, and tables by stem: train="..." is train.csv."""
    for name, text in {
        **dict.fromkeys(images, "image"),
        **{f"{key}.csv": value for key, value in texts.items()},
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("images", "table", "message"),
    [
        (
            ["i/0.jpg", "i/1.jpg", "i/3.jpg"],
            "image_id,label\n0,a\n1,b\n2,a\n3,b\nx4,a\n",
            "column image_id names images, but 2 of 5 are not below {root} (3 images there, such as "
            "i/0.jpg): '2' in row 3, 'x4' in row 5; add them, take the rows out, or name their folder with "
            "--images DIR",
        ),
        (
            ["p1/a1.jpg", "p2/a1.jpg", "p1/a2.jpg", "p2/a3.jpg"],
            "image_id,label\na1,a\na2,b\na3,a\n",
            "column image_id: 1 of 3 values match two files, first 'a1' in row 1: p1/a1.jpg and p2/a1.jpg; "
            "remove or rename one of them",
        ),
        (
            ["train/a1.jpg", "test/a1.jpg", "train/a2.jpg"],
            "image_id,label\na1,a\na2,b\n",
            "column image_id: 1 of 2 values match two files, first 'a1' in row 1: test/a1.jpg and "
            "train/a1.jpg; "
            "say which are meant, such as --images {root}/train",
        ),
        (
            ["train/a1.jpg", "test/a1.jpg", "train/a2.jpg", "test/a2.jpg"],
            "image_id,label\na1,a\na2,b\n",
            "column image_id: 2 of 2 values match two files, first 'a1' in row 1: test/a1.jpg and "
            "train/a1.jpg; "
            "say which are meant, such as --images {root}/test or --images {root}/train",
        ),
        (
            ["set/test/x/a1.jpg", "set/train/x/a1.jpg", "set/train/y/a2.jpg"],
            "image_id,label\na1,a\na2,b\n",
            "column image_id: 1 of 2 values match two files, first 'a1' in row 1: set/test/x/a1.jpg and "
            "set/train/x/a1.jpg; say which are meant, such as --images {root}/set/train",
        ),
        (
            ["i/a_1.png", "i/a_2.png"],
            "a_1 1 1\na_2 1 2\n",
            "no column names images (it has a_1 1 1): their values are no files below {root} (2 images "
            "there, such as i/a_1.png); say which with --path-column COLUMN, and where they lie with "
            "--images DIR; if it is a list without a header, write it as CSV with one",
        ),
        (
            ["p/a1.jpg", "p/a1.png", "p/a2.jpg", "p/a2.png"],
            "image_id,label\na1,a\na2,b\n",
            "column image_id: 2 of 2 values match two files, first 'a1' in row 1: p/a1.jpg and p/a1.png; "
            "say which are meant, such as --suffix .jpg or --suffix .png",
        ),
        (
            ["a/1.png", "a/2.png", "b/1_m.png", "b/2_m.png"],
            "image,mask,label\n1,1_m,x\n2,2_m,y\n",
            "2 columns name images: image (a/<image>.png), mask (b/<mask>.png); say which with "
            "--path-column, such "
            "as --path-column image",
        ),
        (
            ["i/a.png", "i/b.png"],
            "image,label\na,x\nb,y\na,z\n",
            "1 rows repeat a path: i/a.png (label 'x' and 'z'); keep one row per image",
        ),
        (
            [f"i/{COMPOSED}.png", f"i/{DECOMPOSED}.png"],
            f"image,label\n{COMPOSED},x\n",
            f"column image: 1 of 1 values match two files, first {COMPOSED!r} in row 1: i/{DECOMPOSED}.png "
            f"(U+0301) and i/{COMPOSED}.png (U+00E9); remove or rename one of them",
        ),
        (
            ["i/a.png"],
            "image,label\nq,x\nr,y\n",
            "no column names images (it has image, label): their values are no files below {root} (1 image "
            "there, such as i/a.png); say which with --path-column COLUMN, and where they lie with "
            "--images DIR",
        ),
        (
            ["i/a.png", "i/b.png"],
            "image,label\na,x\n,y\nb,z\n",
            "column image names images, but 1 of 3 are not below {root} (2 images there, such as i/a.png): "
            "an empty cell in row 2; add them, take the rows out, or name their folder with --images DIR",
        ),
        (
            ["i/a_red.png", "i/a_blue.png", "i/b_red.png", "i/b_blue.png", "i/b_dim.png"],
            "image,label\na,x\nb,y\n",
            "column image holds the beginnings of the images' names, which end in _blue.png, _red.png; say "
            "which are meant, such as --suffix _blue.png",
        ),
        (
            ["i/a.png", "i/b.png"],
            "image,label\na_mass,0\na_any,1\nb_mass,0\nb_any,0\n",
            "column image has more behind the images' names (a_mass), so it has a row for each label of an "
            "image; write one row for each image, with a column for each label",
        ),
        (
            ["train.hdf5"],
            "image,label\na,x\nb,y\n",
            "no column names images (it has image, label): their values are no files below {root} (0 images "
            "there); say which with --path-column COLUMN, and where they lie with --images DIR; train.hdf5 "
            "may hold images, which have to be written as files first",
        ),
        (
            [],
            "label,p0,p1,p2,p3,p4,p5,p6,p7\na,0,0,0,0,0,0,0,0\n",
            "no column names images (it has label, p0, p1, p2, p3, p4, p5, p6 and 1 more): their values are "
            "no files below {root} (0 images there); say which with --path-column COLUMN, and where they lie "
            "with --images DIR; pixels in cells have to be written as image files first",
        ),
        (
            ["i/a.png"],
            "url,label\nhttps://host/x/q.png,x\nhttps://host/x/r.png,y\n",
            "column url holds addresses, which are not downloaded (https://host/x/q.png), and files of "
            "those names are not all below {root} (1 image there, such as i/a.png); name the folder that "
            "has them with --images DIR",
        ),
        (
            ["i/a.png"],
            "path,label\nD:\\x\\q.png,x\nD:\\x\\r.png,y\n",
            "column path holds paths of another machine (D:\\x\\q.png), and files of those names are not "
            "all below {root} (1 image there, such as i/a.png); name the folder that has them with "
            "--images DIR",
        ),
        (
            ["a.png", "b.png"],
            "path,split\na.png,test\nb.png,trian\n",
            "column 'split' is 'trian' for b.png; a split is train, val or test; correct it, or say in a "
            "column role what each row is for",
        ),
        (
            ["a.png", "b.png"],
            "path,split,part\na.png,test,train\nb.png,train,test\n",
            "columns 'split' and 'part' both name splits and differ for a.png; remove one of them, or "
            "rename it",
        ),
    ],
)
def test_a_table_is_refused_with_its_reason(
    images: list[str], table: str, message: str, tmp_path: Path
) -> None:
    draw(tmp_path, *images, train=table)
    with pytest.raises(ManifestError) as caught:
        load_manifest(tmp_path / "train.csv")
    assert str(caught.value) == f"{tmp_path / 'train.csv'}: {message.format(root=tmp_path)}"


def test_a_suffix_that_no_image_has_is_among_what_may_be_wrong(tmp_path: Path) -> None:
    draw(tmp_path, "i/a.png", "i/b.png", train="id,label\na,x\nb,y\n")
    with pytest.raises(ManifestError, match=r"--images DIR.*; or correct --suffix .jpg, or leave it out$"):
        load_manifest(tmp_path / "train.csv", reading=Reading(suffix="jpg"))


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        (
            Reading(class_pattern=r"^([a-z]+)_"),
            "{root}: 1 of 2 file names don't match --class-pattern '^([a-z]+)_': dog.jpg; correct it, or "
            "move these files away",
        ),
        (
            Reading(group_pattern=r"_(\d+)"),
            "{root}: 1 of 2 file names don't match --group-pattern '_(\\\\d+)': dog.jpg; correct it, or "
            "move these files away",
        ),
        (
            Reading(suffix="jpg"),
            "--suffix says how a table names its images, and {root} has no such table; leave it "
            "out, or name the table",
        ),
        (Reading(labels=Path("absent.csv")), "absent.csv cannot be read: No such file or directory"),
    ],
)
def test_a_folder_is_refused_with_its_reason(reading: Reading, message: str, tmp_path: Path) -> None:
    draw(tmp_path, "cat_1.jpg", "dog.jpg")
    with pytest.raises(ManifestError) as caught:
        load_manifest(tmp_path, reading=reading)
    assert str(caught.value) == message.format(root=tmp_path)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("^[a-z]+_", "has no group; put what is the class in brackets, as in '^([a-z]+)_'"),
        ("(", "is no regular expression: missing ), unterminated subpattern at position 0"),
    ],
)
def test_a_pattern_that_is_none_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(ManifestError) as caught:
        Reading(class_pattern=pattern)
    assert str(caught.value) == f"--class-pattern {pattern!r} {message}"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            "file,label\n1.jpg,dog\n2.jpg,dog\n",
            "column 'label' is 'dog' for cat/1.jpg, whose own data say 'cat'; correct one of them, or "
            "rename the column",
        ),
        (
            "file,subject\n1.jpg,a\n1.jpg,b\n2.jpg,a\n",
            "rows 1 and 2 are both of cat/1.jpg and differ: subject is 'a' and 'b'; keep one of them",
        ),
        (
            "file,subject\n8.jpg,a\n9.jpg,b\n",
            "no column names the images (cat/1.jpg, ...) and none is in both; it has file, subject",
        ),
        (
            "file,name,subject\n1,2,a\n2,1,b\n",
            "columns file and name both name images; remove one of them",
        ),
    ],
)
def test_a_table_of_labels_is_refused_with_its_reason(labels: str, message: str, tmp_path: Path) -> None:
    draw(tmp_path, "photos/cat/1.jpg", "photos/dog/2.jpg", more=labels)
    with pytest.raises(ManifestError) as caught:
        load_manifest(tmp_path / "photos", reading=Reading(labels=tmp_path / "more.csv"))
    assert str(caught.value) == f"--labels {tmp_path / 'more.csv'}: {message}"


def test_labels_that_are_no_text_are_refused(tmp_path: Path) -> None:
    draw(tmp_path, "i/1.jpg")
    labels = tmp_path / "labels.mat"
    labels.write_bytes(b"MATLAB 5.0 MAT-file" + bytes(99))
    with pytest.raises(ManifestError) as caught:
        load_manifest(tmp_path / "i", reading=Reading(labels=labels))
    assert str(caught.value) == f"{labels} holds no text; a table is CSV, TSV, JSON lines or Parquet"


def test_names_of_classes_that_no_column_has_are_refused(tmp_path: Path) -> None:
    draw(tmp_path, "photos/cat/1.jpg", "photos/dog/2.jpg")
    (tmp_path / "names.json").write_text('{"0": "cats", "1": "dogs"}')
    with pytest.raises(ManifestError) as caught:
        load_manifest(tmp_path / "photos", reading=Reading(labels=tmp_path / "names.json"))
    assert str(caught.value) == (
        f"--labels {tmp_path / 'names.json'}: it names the classes 0, 1, and no column has only these; the "
        "data have label"
    )


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (
            "1",
            "{root}: 2 tables name its images: a.csv, b.csv; name one of them, for example --data "
            "{root}/a.csv",
        ),
        (
            "x",
            "{root} holds 2 tables that name no images here: a.csv, b.csv; name one of them and the folder "
            "of its images, for example --data {root}/a.csv --images DIR",
        ),
    ],
)
def test_two_tables_beside_images_are_a_question(cell: str, message: str, tmp_path: Path) -> None:
    draw(tmp_path, "images/1.jpg", a=f"name\n{cell}\n", b=f"name\n{cell}\n")
    with pytest.raises(ManifestError) as caught:
        load_manifest(tmp_path)
    assert str(caught.value) == message.format(root=tmp_path)


def test_one_file_in_two_classes_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, "cat/1.jpg", "dog/2.jpg")
    (tmp_path / "dog" / "3.jpg").symlink_to("../cat/1.jpg")
    with pytest.raises(ManifestError) as caught:
        load_manifest(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: cat/1.jpg and dog/3.jpg are the same file, so one image has label 'cat' and 'dog'; "
        "remove one of the links"
    )


def test_a_folder_of_images_that_is_none_is_refused(tmp_path: Path) -> None:
    draw(tmp_path, train="image\n1\n")
    with pytest.raises(ManifestError, match=r"^--images .*/nowhere is no folder; correct it$"):
        load_manifest(tmp_path, reading=Reading(images=(tmp_path / "nowhere",)))
