"""What --labels adds, what it was joined on, and what was in neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.data.importers.contract import Reading
from orchestrator.data.manifest import Manifest, load_manifest


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """photos/: cat/1.jpg, cat/2.jpg, dog/3.jpg."""
    for name in ("cat/1.jpg", "cat/2.jpg", "dog/3.jpg"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(b"image")
    return tmp_path / "photos"


def read(photos: Path, text: str, name: str = "more.csv", source: Path | None = None) -> Manifest:
    (photos.parent / name).write_text(text)
    return load_manifest(source or photos, reading=Reading(labels=photos.parent / name))


def test_a_table_joins_by_file_names_and_counts_what_is_in_neither(photos: Path) -> None:
    manifest = read(photos, "file,subject\n3,s3\n1,s1\n9,s9\n1,s1\n")
    assert manifest.frame["subject"].tolist() == ["s1", None, "s3"]
    assert manifest.found == (
        "labels: more.csv joined on file (file names): 2 of 3 images; 1 image in no row of it; 1 row of no "
        "image",
    )
    assert set(manifest.frame["role"]) == {"train"}


def test_a_table_joins_by_a_column_that_both_have(photos: Path) -> None:
    manifest = read(photos, "label,kind\ncat,felid\ndog,canid\ncow,bovid\n")
    assert manifest.frame["kind"].tolist() == ["felid", "felid", "canid"]
    assert manifest.found == (
        "labels: more.csv joined on label (column label): 3 of 3 images; 1 row of no image",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("names.json", '{"cat": "Katze", "dog": "Hund"}'),
        ("names.json", '{"Katze": "cat", "Hund": "dog"}'),
        ("names.csv", "class,name\ncat,Katze\ndog,Hund\ncow,Kuh\n"),
    ],
)
def test_names_of_classes_are_a_column_beside_the_classes(name: str, text: str, photos: Path) -> None:
    manifest = read(photos, text, name)
    assert manifest.frame["label"].tolist() == ["cat", "cat", "dog"]
    assert manifest.frame["label_name"].tolist() == ["Katze", "Katze", "Hund"]
    assert manifest.found[0].startswith(f"labels: {name} names the classes of column label, 2 of its")


def test_images_of_a_plain_folder_that_no_row_speaks_of_never_train(photos: Path) -> None:
    manifest = read(photos, "file,label\n2.jpg,tabby\n", source=photos / "cat")
    assert manifest.frame[["path", "role"]].to_numpy().tolist() == [["1.jpg", "test"], ["2.jpg", "train"]]
    parts = read(photos, "file,label,split\n2.jpg,tabby,val\n", source=photos / "cat")
    assert parts.frame["role"].tolist() == ["test", "train"]
    assert parts.found[-1].startswith("split: column split: val 1, test 1;")


def test_a_table_in_the_folder_itself_is_no_table_of_rows_when_it_is_named(photos: Path) -> None:
    (photos / "labels.csv").write_text("file,age\n1.jpg,3\n2.jpg,4\n3.jpg,5\n")
    manifest = load_manifest(photos, reading=Reading(labels=photos / "labels.csv"))
    assert manifest.frame[["label", "age"]].to_numpy().tolist() == [["cat", 3], ["cat", 4], ["dog", 5]]


def test_what_both_say_may_agree_and_is_then_one_column(photos: Path) -> None:
    manifest = read(photos, "file,label\n1.jpg,cat\n2.jpg,cat\n3.jpg,\n")
    assert manifest.frame["label"].tolist() == ["cat", "cat", "dog"]
