"""Folders that are classes, and folders that would pass for some."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data.importers.contract import Reading
from orchestrator.data.manifest import load_manifest


def draw(root: Path, *images: str) -> Path:
    for image in images:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        (root / image).write_text("image")
    return root


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (
            ["images/cat_1.jpg", "images/dog_1.jpg", "annotations/trimaps/cat_1.png"],
            "{root}: folder 'images' beside annotations would pass for a class; name the folder whose images "
            "are meant, for example --data {root}/images, or rename it if it is a class",
        ),
        (
            ["sick/1.png", "well/2.png", "cells/sick/1.png", "cells/well/2.png"],
            "{root}: folder 'cells' holds sick, well once more and would pass for a class beside them; name "
            "it alone, --data {root}/cells, or move it away",
        ),
        (
            ["my colour/cat/1.png", "my colour/dog/2.png", "grey/cat/1.png", "grey/dog/2.png"],
            "{root}: each of the folders grey, my colour holds cat, dog, so either may be the classes; name "
            "one, for example --data {root}/grey, or say which is the class, for example "
            "--class-pattern '^([^/]+)/'",
        ),
    ],
    ids=["a folder of all images", "the classes once more", "two levels"],
)
def test_folders_that_would_pass_for_classes_are_refused(
    images: list[str], message: str, tmp_path: Path
) -> None:
    root = draw(tmp_path, *images)
    with pytest.raises(ManifestError) as refused:
        load_manifest(root)
    assert str(refused.value) == message.format(root=root)


def test_the_way_out_of_two_levels_reads_either(tmp_path: Path) -> None:
    draw(tmp_path, "colour/cat/1.png", "colour/dog/2.png", "grey/cat/1.png", "grey/dog/2.png")
    named = load_manifest(tmp_path, reading=Reading(class_pattern="^([^/]+)/"))
    assert named.frame["label"].tolist() == ["colour", "colour", "grey", "grey"]
    assert load_manifest(tmp_path / "grey").frame["label"].tolist() == ["cat", "dog"]


@pytest.mark.parametrize(
    "images",
    [
        ["tumor/p1/1.png", "tumor/p2/1.png", "normal/p1/1.png", "normal/p2/1.png"],  # patients of each class
        ["photos/1.png", "drawings/1.png"],
        ["train/cat/images/1.png", "train/dog/images/1.png"],
    ],
)
def test_folders_below_classes_and_classes_of_pictures_are_no_second_answer(
    images: list[str], tmp_path: Path
) -> None:
    assert len(set(load_manifest(draw(tmp_path, *images)).frame["label"])) == 2
