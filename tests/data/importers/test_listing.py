"""A tree is walked once: its images, and what else lies in it, counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data.importers.listing import list_tree
from orchestrator.data.manifest import load_manifest


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"image")


def test_images_are_listed_in_order_and_the_rest_is_counted(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.JPG", "a/1.jfif", "a/x.AVIF", "a/y.jp2", "a/notes.txt", "a/z.csv", "a/t.csv")
    touch(tmp_path, ".hidden/1.jpg", "__MACOSX/a/1.jpg", "a/._1.jpg", "a/Thumbs.db", "a/desktop.ini")
    touch(tmp_path, "a/.ipynb_checkpoints/1.jpg")
    (tmp_path / "a" / "gone.jpg").symlink_to("nowhere.jpg")
    listing = list_tree(tmp_path)
    assert listing.images == ("a/1.jfif", "a/x.AVIF", "a/y.jp2", "b/2.JPG")
    assert listing.notes() == (
        f"{tmp_path}: left out 6 hidden files and folders",
        f"{tmp_path}: left out 3 files that are no images (2 .csv, 1 .txt)",
        f"{tmp_path}: left out 1 link to nothing: a/gone.jpg",
    )


def test_studies_and_ensembles_beside_the_images_are_none_of_the_data(tmp_path: Path) -> None:
    """After a search the same folder is read as before it."""
    touch(tmp_path, "cats/1.jpg", "dogs/2.jpg", "cats/notes.txt")
    before = load_manifest(tmp_path)
    touch(tmp_path, "runs/pets/journal.jsonl", "runs/pets/oof/t0000.parquet", "runs/pets/sheet.png")
    touch(tmp_path, "best/ensemble.json", "best/weights/0.safetensors")
    after = load_manifest(tmp_path)
    assert after.notes == before.notes and after.frame.equals(before.frame)
    assert f"{tmp_path}: left out 1 file that is no image (1 .txt)" in after.notes
    assert list_tree(tmp_path / "runs" / "pets").images == ("sheet.png",)  # named by itself, it is read


def test_links_that_lead_in_circles_end_and_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "latest").symlink_to(".")
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "self").symlink_to("self")
    manifest = load_manifest(tmp_path)
    assert manifest.frame["path"].tolist() == ["a/1.jpg", "b/2.jpg"]
    assert f"{tmp_path}: left out 3 links to a folder around it: a/latest, b/self, b/up" in manifest.notes


def test_a_file_that_links_lead_to_is_one_row_under_its_own_name(tmp_path: Path) -> None:
    touch(tmp_path, "photos/a/9.jpg", "photos/b/1.jpg", "store/2.jpg")
    (tmp_path / "photos" / "a" / "1.jpg").symlink_to("9.jpg")
    for name in ("again", "more"):
        (tmp_path / "photos" / "b" / name).symlink_to(tmp_path / "store")
    manifest = load_manifest(tmp_path / "photos")
    assert manifest.frame["path"].tolist() == ["a/9.jpg", "b/1.jpg", "b/again/2.jpg"]
    assert "2 links to images that are there already count once: a/1.jpg, b/more/2.jpg" in manifest.notes[0]


def test_a_class_whose_files_are_no_images_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/1.jpg", "c/1.npy", "d/1.dcm", "d/2.heic", "cover.png")
    manifest = load_manifest(tmp_path)
    assert manifest.frame["label"].tolist() == ["a", "b", "d", "d"], (
        "what cannot be decoded is refused by name"
    )
    assert f"{tmp_path}: 1 folder without an image counts as no class: c" in manifest.notes
    assert f"{tmp_path}: left out 1 image beside the folders: cover.png" in manifest.notes


def test_a_folder_is_asked_once_and_no_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, *[f"{folder}/{number}.jpg" for folder in "ab" for number in range(20)])
    asked: list[str] = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: asked.append(str(path)) or real(path))
    monkeypatch.setattr(os, "stat", None)
    list_tree(tmp_path)
    assert len(asked) == 3


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.jpg", "b/1.jpg")

    def refused(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(ManifestError, match=r"cannot be listed: Permission denied; correct its rights"):
        list_tree(tmp_path)
