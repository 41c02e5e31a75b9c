"""What is said of decoded images: facts, warnings, and a refusal where nothing can be learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import ImageReadError
from tests.support.drawn_images import write_dataset
from trainables.images.image_facts import ImageFacts, describe
from trainables.images.image_store import build_store, facts_of
from trainables.images.pixels import Decoding
from trainables.preparation import build_stores


def with_images(dataset: Dataset, images: Mapping[int, NDArray[Any]]) -> Dataset:
    for row, image in images.items():
        cv2.imwrite(str(Path(dataset.root) / dataset.paths[row]), image)
    return dataset


@pytest.fixture
def own(tmp_path: Path) -> Dataset:
    """Images 40 high and 36 wide; rows 0 to 2 of class red, 3 and 4 green, 5 blue, and so on."""
    return write_dataset(tmp_path, rows=18)


def told(dataset: Dataset, **decoding: str) -> list[str]:
    given = Decoding(**decoding)
    return describe(facts_of(build_store(dataset, 20, decoding=given)), dataset, given.background)


def flat(value: int) -> NDArray[np.uint8]:
    return np.full((40, 36, 3), value, np.uint8)


def deep(high: int, seed: int = 0) -> NDArray[np.uint16]:
    values = np.random.default_rng(seed).integers(0, high + 1, (40, 36)).astype(np.uint16)
    values[0, 0] = high
    return values


def test_ordinary_images_make_one_line(own: Dataset) -> None:
    (line,) = told(own)
    assert line.startswith("images: 18 decoded, 40 x 36 pixels, values ") and ";" not in line


def test_the_line_counts_what_is_not_ordinary(own: Dataset) -> None:
    see_through = np.dstack([flat(9), np.zeros((40, 36), np.uint8)])
    see_through[5:9, 5:9, 3] = 255
    images = {
        0: see_through,
        1: np.zeros((10, 90, 3), np.uint8),
        2: np.zeros((10, 90, 3), np.uint8),
        3: deep(4000),
    }
    line = told(with_images(own, images), background="black")[0]
    for part in (
        "10 x 36 to 40 x 90 pixels",
        "1 transparent (before black)",
        "1 of more than 8 bits, read 1 as 0 to 4095",
        "2 of one colour throughout",
        "1 with the pixels of another",
    ):
        assert part in line


def test_images_of_one_colour_are_named(own: Dataset) -> None:
    (_, warning) = told(with_images(own, {1: flat(3), 4: flat(200)}))
    assert warning == (
        "warning: 2 of 18 images are of one colour throughout: row001.png, row004.png; look at them, "
        "or take them out"
    )


def test_one_colour_may_come_of_the_background(own: Dataset) -> None:
    drawing = np.zeros((40, 36, 4), np.uint8)
    drawing[10:20, 10:20, 3] = 255
    own = with_images(own, {2: drawing})
    assert len(told(own)) == 1
    (_, warning) = told(own, background="black")
    assert "row002.png" in warning and "try another background than black" in warning


def test_the_same_pixels_with_another_label_are_shown_with_both(own: Dataset) -> None:
    image = cv2.imread(str(Path(own.root) / own.paths[0]))
    (line, warning) = told(with_images(own, {1: image, 3: image}))
    assert "2 with the pixels of another" in line
    assert "1 image with the pixels of another and another label:" in warning
    assert "row000.png (red) = row003.png (green)" in warning
    assert len(told(with_images(own, {3: flat(0) + np.arange(36, dtype=np.uint8)[None, :, None]}))) == 1


def test_copies_in_the_training_part_are_told_of(own: Dataset) -> None:
    image = cv2.imread(str(Path(own.root) / own.paths[0]))
    with_images(own, {1: image, 2: image})  # of one label
    folds = np.arange(18, dtype=np.int16) % 2 + 2
    apart = replace(own, folds=np.where(np.arange(18) < 3, [0, 0, 1] * 6, folds).astype(np.int16))
    (_, warning) = told(apart)
    assert warning == (
        "warning: 3 images validated by models that trained on the same pixels with the same label, which "
        "flatters the score: row000.png = row002.png, row001.png = row002.png, row002.png = row000.png; give "
        "copies one group (check --write-groups FILE writes the data so), or keep one"
    )
    for of_copy in (0, -2 - 1):  # in one fold, and added to another fold's training part alone
        folds = np.where(np.arange(18) == 2, of_copy, apart.folds).astype(np.int16)
        assert len(told(replace(own, folds=folds))) == 1
    folds = np.where(np.arange(18) == 2, -1, apart.folds).astype(np.int16)
    assert "2 images validated by models" in told(replace(own, folds=folds))[1]


def test_labels_of_several_are_compared_as_a_whole(own: Dataset) -> None:
    image = cv2.imread(str(Path(own.root) / own.paths[0]))
    labels = np.zeros((18, 3), np.int64)
    labels[0], labels[1] = (1, 0, 1), (1, 0, 0)
    (_, warning) = told(replace(with_images(own, {1: image}), labels=labels))
    assert "row000.png (red blue) = row001.png (red)" in warning


def test_pixels_that_differ_beside_the_sample_are_not_the_same(own: Dataset) -> None:
    one, other = flat(0), flat(0)
    one[0, 0] = other[0, 0] = 255
    other[6, 5] = 200
    line = told(with_images(own, {1: cv2.resize(one, (20, 20)), 2: cv2.resize(other, (20, 20))}))[0]
    assert "pixels of another" not in line


def test_rows_of_one_file_count_once(own: Dataset) -> None:
    twice = replace(own, paths=(own.paths[0], *own.paths[:17]))
    (line,) = told(twice)
    assert "images: 17 decoded" in line and "pixels of another" not in line


def test_images_that_are_all_the_same_are_refused(own: Dataset) -> None:
    drawing = np.zeros((40, 36, 4), np.uint8)
    for row in range(18):
        image = drawing.copy()
        image[row : row + 9, 10:20, 3] = 255
        with_images(own, {row: image})
    assert len(told(own)) == 1
    with pytest.raises(ImageReadError, match=r"all 18 images have the same pixels.*background='black'"):
        told(own, background="black")


def test_lost_shades_ranges_that_differ_and_values_that_are_cut_are_warned_of(own: Dataset) -> None:
    coarse = with_images(own, {0: deep(9000), 1: deep(3000)})
    (_, shades, ranges) = told(coarse)
    assert "row000.png" in shades and "value_range='minmax'" in shades
    assert "read 1 as 0 to 4095, 1 as 0 to 65535" in ranges and "value_range='16bit'" in ranges
    (_, cut) = told(coarse, value_range="12bit")
    assert "1 image with values beyond value_range" in cut and "row000.png" in cut
    (_, shades) = told(coarse, value_range="14bit")
    assert "row001.png" in shades and "row000.png" not in shades


def test_a_store_that_is_used_again_says_the_same(own: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    first = told(with_images(own, {1: flat(3), 2: flat(3), 3: deep(9000)}))
    monkeypatch.setattr("trainables.images.image_store.read_images", lambda *_: pytest.fail("decoded again"))
    assert told(own) == first and len(first) == 3
    facts = facts_of(build_store(own, 20))
    assert ImageFacts.from_json(facts.as_json()) == facts


def test_several_stores_say_their_facts_once(own: Dataset) -> None:
    lines = build_stores(
        with_images(own, {1: flat(3)}), {"image_size": [20, 24], "background": ["white", "black"]}, None
    )
    assert [line.split(":")[0] for line in lines] == ["images", "warning"]
