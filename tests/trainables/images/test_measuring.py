"""One pass over image files: what is measured of each, and that it is not measured twice."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from benchmarks.planted_copies import scene
from orchestrator.core.errors import StorageError
from orchestrator.core.image_measures import STATISTICS, ImageList, ImageMeasures
from orchestrator.core.measuring import measure_images
from trainables.images import measuring
from trainables.images.hashes import hashes_of
from trainables.images.measuring import known_measures

pytestmark = pytest.mark.torch


def files(folder: Path, **pictures: np.ndarray) -> ImageList:
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    return ImageList(str(folder), tuple(f"{name}.png" for name in pictures), str(folder / "cache"))


def value(measures: ImageMeasures, name: str, row: int) -> float:
    return float(measures.statistics[name][row])


def test_the_same_pixels_have_one_digest_whatever_the_file(tmp_path: Path) -> None:
    images = files(tmp_path, a=scene(1), b=scene(2))
    Image.fromarray(scene(1)).save(tmp_path / "c.bmp")
    one = scene(1)
    one[5, 5, 0] ^= 1
    Image.fromarray(one).save(tmp_path / "d.bmp")
    found = measure_images(replace(images, paths=(*images.paths, "c.bmp", "d.bmp")))
    assert found.digests[0] == found.digests[2] and len(set(found.digests)) == 3
    assert found.kind.tolist() == ["png", "png", "bmp", "bmp"]
    assert (found.height[0], found.width[0]) == (96, 128)


def test_equal_bytes_of_another_shape_are_other_pixels(tmp_path: Path) -> None:
    flat = np.full((4, 9, 3), 70, np.uint8)
    found = measure_images(files(tmp_path, a=flat, b=flat.reshape(6, 6, 3)))
    assert found.digests[0] != found.digests[1]


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_measured(tmp_path: Path) -> None:
    images = files(tmp_path, a=scene(1), b=scene(2))
    (tmp_path / "b.png").write_bytes(b"<html>gone</html>")
    found = measure_images(replace(images, paths=(*images.paths, "missing.png")))
    assert found.errors.tolist() == ["", "an HTML page, not an image: what a download left there", "missing"]
    assert found.readable.tolist() == [True, False, False]
    assert found.digests[1] == "" and not found.hashes[1].any() and np.isnan(value(found, "entropy", 1))


def test_exif_turns_the_picture_and_names_camera_and_time(tmp_path: Path) -> None:
    images = files(tmp_path, a=scene(1))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "ACME", "ACME One\0"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    Image.fromarray(np.ascontiguousarray(np.rot90(scene(1)))).save(tmp_path / "t.png", exif=exif)
    found = measure_images(replace(images, paths=("a.png", "t.png")))
    assert found.digests[0] == found.digests[1]  # a quarter turn back and forth
    assert (found.camera.tolist(), found.taken.tolist()) == (["", "ACME One"], ["", "2024-05-06 07:08:09"])
    assert found.statistics["turned"].tolist() == [0, 1]


def test_statistics_of_plain_pictures_are_what_they_must_be(tmp_path: Path) -> None:
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, 32:] = 255
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    found = measure_images(files(tmp_path, halves=halves, red=red))
    expected = {"brightness": 0.5, "brightness_p01": 0, "brightness_p99": 1, "contrast": 0.5, "entropy": 1}
    for name, number in expected.items():
        assert value(found, name, 0) == pytest.approx(number, abs=0.01), name
    assert value(found, "colour", 0) == 0 and value(found, "colour", 1) == 200
    assert value(found, "edge_std", 0) > 0 == value(found, "edge_std", 1)
    assert value(found, "brightness", 1) == pytest.approx(200 / 255 * 0.241**0.5, abs=0.005)
    assert value(found, "histogram_std", 0) == pytest.approx(np.std([0.5, 0.5] + [0] * 254))
    assert set(found.statistics) == set(STATISTICS)


def test_edges_are_pillows(tmp_path: Path) -> None:
    from PIL import ImageFilter, ImageStat

    grey = Image.fromarray(scene(3, 60, 60)).convert("L")
    inner = grey.filter(ImageFilter.FIND_EDGES).crop((1, 1, 59, 59))
    found = measure_images(files(tmp_path, a=scene(3, 60, 60)))
    assert value(found, "edge_std", 0) == pytest.approx(ImageStat.Stat(inner).var[0] ** 0.5, rel=0.06)


def test_a_blurred_picture_has_weaker_edges(tmp_path: Path) -> None:
    found = measure_images(files(tmp_path, a=scene(1), b=cv2.GaussianBlur(scene(1), (0, 0), 4)))
    for name in ("edge_std", "fine_edge_std"):
        assert value(found, name, 1) < 0.6 * value(found, name, 0)


def test_hashes_and_thumbnails_are_of_the_picture_squeezed_to_a_square(tmp_path: Path) -> None:
    found = measure_images(files(tmp_path, a=scene(1), b=scene(2)))
    grey = cv2.cvtColor(scene(2), cv2.COLOR_RGB2GRAY)
    square = cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(found.hashes[1], hashes_of(square[None])[0])
    assert found.thumbnails.shape == (2, measuring.THUMBNAIL, measuring.THUMBNAIL)
    assert abs(float(found.thumbnails[1].mean()) - float(grey.mean())) < 2


def test_a_second_pass_reads_what_the_first_one_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = files(tmp_path, **{f"p{seed}": scene(seed) for seed in range(3)})
    assert known_measures(images) is None
    first = measure_images(images)
    monkeypatch.setattr(measuring, "decode", lambda *_: pytest.fail("decoded again"))
    again = measure_images(images)
    assert again.digests.tolist() == first.digests.tolist()
    assert known_measures(images) is not None


def test_a_changed_file_is_measured_again(tmp_path: Path) -> None:
    images = files(tmp_path, a=scene(1))
    first = measure_images(images)
    files(tmp_path, a=scene(2))
    os.utime(tmp_path / "a.png", ns=(1, 1))
    assert measure_images(images).digests[0] != first.digests[0]


def test_a_damaged_archive_is_measured_again(tmp_path: Path) -> None:
    images = files(tmp_path, a=scene(1))
    first = measure_images(images)
    (archive,) = Path(images.cache_dir).glob("measures-*.npz")
    archive.write_bytes(archive.read_bytes()[:-100])
    assert measure_images(images).digests.tolist() == first.digests.tolist()


def test_what_a_file_leaves_open_is_decoded_as_the_space_says(tmp_path: Path) -> None:
    clear = np.zeros((16, 16, 4), np.uint8)
    images = files(tmp_path, a=clear)
    white, black = measure_images(images), measure_images(images, values={"background": ["black", "white"]})
    assert (value(white, "brightness", 0), value(black, "brightness", 0)) == (pytest.approx(1, abs=0.01), 0)
    assert white.statistics["transparent"].tolist() == [1]


def test_the_pass_says_how_far_it_is(tmp_path: Path) -> None:
    images = files(tmp_path, a=scene(1), b=scene(2))
    told: list[tuple[int, int]] = []
    measure_images(images, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (2, 2)


def test_a_cache_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    images = files(tmp_path, a=scene(1))
    (tmp_path / "cache").write_text("a file, where the folder should be")
    with pytest.raises(StorageError, match="cache"):
        measure_images(images)


def test_a_trainable_that_measures_nothing_is_helped_by_the_shipped_one(tmp_path: Path) -> None:
    own = "tests.support.memoriser:Memoriser"
    images = files(tmp_path, a=scene(1))
    assert measure_images(images, own).digests.tolist() == measure_images(images).digests.tolist()
