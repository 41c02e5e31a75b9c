from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import ImageReadError, StorageError, TrainableError
from tests.support.drawn_images import write_dataset
from trainables.image_classifier import ImageClassifier
from trainables.images import image_store, large
from trainables.images.file_kinds import UndecodableError
from trainables.images.image_store import build_store, facts_of, open_store, store_path
from trainables.images.pixels import Decoding
from trainables.images.preprocess import BOX
from trainables.images.reading import read_image, read_images


@pytest.fixture
def own(tmp_path: Path) -> Dataset:
    return write_dataset(tmp_path, rows=18)


def test_the_store_holds_each_row_decoded_and_resized(own: Dataset) -> None:
    images = open_store(own, 20)
    assert images.shape == (18, 20, 20, 3) and images.dtype == np.uint8
    for row in (0, 17):
        bgr = cv2.imread(str(Path(own.root) / own.paths[row]))
        expected = cv2.resize(bgr, (20, 20), interpolation=cv2.INTER_AREA)[..., ::-1]
        assert np.array_equal(images[row], expected)


def test_a_store_is_read_only_and_leaves_nothing_beside_it(own: Dataset) -> None:
    images = open_store(own, 20)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0
    assert not list(Path(own.cache_dir).glob("*.part"))


def test_sizes_fingerprints_and_rows_have_stores_of_their_own(own: Dataset) -> None:
    others = [replace(own, fingerprint="another"), replace(own, paths=own.paths[::-1])]
    paths = {store_path(own, 20), store_path(own, 24), *(store_path(other, 20) for other in others)}
    assert len(paths) == 4


def test_a_finished_store_is_not_built_again(own: Dataset) -> None:
    path = build_store(own, 20)
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert build_store(own, 20) == path
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_a_store_that_was_deleted_is_made_again(own: Dataset) -> None:
    before = np.array(open_store(own, 20))
    store_path(own, 20).unlink()
    assert np.array_equal(open_store(own, 20), before)
    store_path(own, 20).with_suffix(".json").unlink()
    store_path(own, 20).unlink()
    assert np.array_equal(open_store(own, 20), before)


def test_an_image_changed_in_place_is_noticed(own: Dataset) -> None:
    build_store(own, 20)
    target = Path(own.root) / own.paths[3]
    cv2.imwrite(str(target), np.full((40, 40, 3), 7, np.uint8))
    os.utime(target, ns=(1, 1))
    build_store(own, 20)
    assert (open_store(own, 20)[3] == 7).all()


def test_progress_ends_at_the_number_of_images(own: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_store, "CHUNK", 4)
    seen: list[tuple[int, int]] = []
    build_store(own, 20, lambda done, total: seen.append((done, total)))
    assert seen[0] == (4, 18) and seen[-1] == (18, 18) and seen == sorted(seen)


def damage(dataset: Dataset) -> None:
    root = Path(dataset.root)
    (root / dataset.paths[2]).write_bytes(b"not an image")
    (root / dataset.paths[5]).unlink()
    (root / dataset.paths[7]).write_bytes(b"")


def test_every_unreadable_image_is_in_one_error_and_no_file_is_left(own: Dataset) -> None:
    damage(own)
    with pytest.raises(ImageReadError) as caught:
        build_store(own, 20)
    message = str(caught.value)
    assert "3 of 18" in message and len(message.splitlines()) <= 2
    assert all(own.paths[row] in message for row in (2, 5, 7)) and own.paths[3] not in message
    assert f"{own.paths[5]} (missing)" in message
    assert [path.suffix for path in Path(own.cache_dir).iterdir()] == [".lock"]


def test_many_unreadable_images_still_make_two_lines(tmp_path: Path) -> None:
    own = write_dataset(tmp_path, rows=36)
    lost = replace(own, paths=tuple(f"gone{row}.jpg" for row in range(36)))
    with pytest.raises(ImageReadError, match=r"36 of 36.* and 16 more") as caught:
        build_store(lost, 20)
    assert len(str(caught.value).splitlines()) == 2


def test_half_a_jpeg_is_unreadable(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = tmp_path / "whole.jpg"
    cv2.imwrite(str(whole), rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    half = tmp_path / "half.jpg"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert read_image(whole, 16).shape == (16, 16, 3)
    with pytest.raises(UndecodableError, match="truncated"):
        read_image(half, 16)


def test_what_a_phone_appends_to_a_jpeg_does_not_make_it_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "motion.jpg"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    alone = read_image(path, 20)
    path.write_bytes(path.read_bytes() + bytes(3 * path.stat().st_size))
    assert np.array_equal(alone, read_image(path, 20))


def test_a_grey_or_transparent_image_becomes_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((8, 8), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "alpha.png"), np.full((8, 8, 4), 90, np.uint8))
    # 90 at a share of 90/255 before white: 90 * 90/255 + 255 * 165/255
    for name, value in (("grey.png", 90), ("alpha.png", 197)):
        image = read_image(tmp_path / name, 16)
        assert image.shape == (16, 16, 3) and (image == value).all()


def test_a_full_disk_is_an_error_and_leaves_no_file(own: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StorageError, match="no room"):
        build_store(own, 20)
    assert not list(Path(own.cache_dir).glob("*.part")) and not list(Path(own.cache_dir).glob("*.npy"))


def with_boxes(dataset: Dataset, right: float = 30.0) -> Dataset:
    """A box for every row but the first."""
    values = {"box_left": 4.0, "box_top": 2.0, "box_right": right, "box_bottom": 22.0}
    columns = {name: np.full(len(dataset.paths), values[name]) for name in BOX}
    columns["box_top"][0] = np.nan
    return replace(dataset, columns=columns)


def test_a_store_of_before_there_was_one_decoder_is_not_used_again(own: Dataset) -> None:
    name = hashlib.sha256(f"1 {own.fingerprint} 20".encode())
    name.update("\n".join(own.paths).encode())
    old = Path(own.cache_dir) / f"images-{name.hexdigest()[:20]}-20px.npy"
    assert old != store_path(own, 20) == store_path(own, "20x20") == store_path(with_boxes(own), 20)


def test_a_store_may_be_higher_than_wide_or_wider(own: Dataset) -> None:
    for size, sides in (("24x18", (24, 18)), ("18x50", (18, 50))):
        images = open_store(own, size)
        assert images.shape == (18, *sides, 3)
        bgr = cv2.imread(str(Path(own.root) / own.paths[5]))
        method = cv2.INTER_AREA if size == "24x18" else cv2.INTER_LINEAR
        assert np.array_equal(images[5], cv2.resize(bgr, sides[::-1], interpolation=method)[..., ::-1])


def test_preprocessing_comes_before_resizing(own: Dataset) -> None:
    images = open_store(own, 20, "center_crop(30x24)")
    bgr = cv2.imread(str(Path(own.root) / own.paths[5]))[5:35, 6:30]
    assert np.array_equal(images[5], cv2.resize(bgr, (20, 20), interpolation=cv2.INTER_AREA)[..., ::-1])


def test_boxes_come_from_the_row_of_each_image(own: Dataset) -> None:
    own = with_boxes(own)
    images = open_store(own, 20, "box()")
    bgr = cv2.imread(str(Path(own.root) / own.paths[5]))[2:22, 4:30]
    assert np.array_equal(images[5], cv2.resize(bgr, (20, 20), interpolation=cv2.INTER_AREA)[..., ::-1])
    assert np.array_equal(images[0], open_store(own, 20)[0])
    rows = slice(3, 9)
    columns = {name: column[rows] for name, column in own.columns.items()}
    found, bad = read_images(own.paths[rows], Path(own.root), 20, "box()", columns)
    assert not bad and np.array_equal(found, images[rows])


def test_preprocessing_and_its_columns_have_stores_of_their_own(own: Dataset) -> None:
    own, moved = with_boxes(own), with_boxes(own, right=31.0)
    paths = [
        store_path(own, 20),
        store_path(own, "20x24"),
        store_path(own, "24x20"),
        store_path(own, 20, "box()"),
        store_path(moved, 20, "box()"),
        store_path(own, 20, "box(0.1)"),
        store_path(own, 20, "center_crop(8)"),
    ]
    assert len(set(paths)) == len(paths)
    assert store_path(own, 20, "center_crop(8)") == store_path(moved, 20, " center_crop( 8 )")


def test_a_missing_column_or_an_empty_box_is_an_error_and_leaves_no_file(own: Dataset) -> None:
    with pytest.raises(TrainableError, match="box_left"):
        build_store(own, 20, preprocess="box()")
    with pytest.raises(TrainableError, match=r"row001\.png: its box .* holds no pixel"):
        build_store(with_boxes(own, right=3.0), 20, preprocess="box()")
    assert not list(Path(own.cache_dir).glob("*.npy")) and not list(Path(own.cache_dir).glob("*.part"))


BUILDER = """
import pickle, sys
from trainables.images.image_store import open_store
print(open_store(pickle.load(sys.stdin.buffer), 20).sum())
"""


def test_processes_that_build_at_once_share_one_store(own: Dataset) -> None:
    repository = Path(__file__).parents[3]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BUILDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=repository
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(pickle.dumps(own))
        process.stdin.close()
        process.stdin = None
    sums = {process.communicate(timeout=240)[0] for process in processes}
    assert sums == {f"{open_store(own, 20).sum()}\n".encode()}
    assert len(list(Path(own.cache_dir).glob("*.npy"))) == 1


# ---- one folder, several machines -----------------------------------------------------------------


def test_a_copy_of_the_images_with_other_times_leaves_the_store_as_it_is(
    own: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Machines that share a cache over a network must not take turns in replacing what the other has open."""
    path = build_store(own, 20)
    before = path.stat()
    for number, seconds in enumerate((1e9, 1.1e9)):
        there = Path(shutil.copytree(own.root, tmp_path_factory.mktemp(f"copies{number}") / "faces"))
        for image in there.glob("*.png"):
            os.utime(image, (seconds, seconds))
        for dataset in (replace(own, root=str(there)), own):
            assert build_store(dataset, 20) == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_store_of_before_contents_were_kept_is_made_anew(own: Dataset) -> None:
    path = build_store(own, 20)
    state = path.with_suffix(".json")
    made = json.loads(state.read_text())
    state.write_text(json.dumps({"files": made["files"][-1]}))  # as older versions wrote it
    before = path.stat().st_ino
    build_store(own, 20)
    assert json.loads(state.read_text()) == made and path.stat().st_ino != before


def test_sizes_and_times_that_are_known_are_not_read_again(
    own: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_store(own, 20)
    monkeypatch.setattr(image_store, "contents_digest", lambda *_: pytest.fail("it read every image"))
    build_store(own, 20)


# ---- what decoding leaves open ---------------------------------------------------------------------


def test_each_decoding_has_a_store_of_its_own(own: Dataset) -> None:
    ways = [Decoding(), Decoding("black"), Decoding("ff0000"), Decoding(value_range="12bit")]
    assert len({store_path(own, 20, decoding=way) for way in ways}) == 4
    assert store_path(own, 20, decoding=Decoding("000000")) == store_path(own, 20, decoding=Decoding("black"))


def test_boxes_and_crops_are_in_pixels_of_the_file_also_where_it_was_reduced(
    own: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8), (160, 120))
    path = tmp_path / "large.jpg"
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 98])
    row = {"box_left": 20.0, "box_top": 40.0, "box_right": 100.0, "box_bottom": 104.0}
    ways = ("box()", "center_crop(64)", "crop(left=0.5)")
    whole = [read_image(path, 16, way, row) for way in ways]
    monkeypatch.setattr(large, "BOUND", 5000)
    for way, expected in zip(ways, whole, strict=True):
        found = read_image(path, 16, way, row)
        assert np.abs(found.astype(int) - expected).mean() < 3
    with pytest.raises(TrainableError, match=r"left 300.* an image 160 wide and 120 high"):
        read_image(path, 16, "box()", {**row, "box_left": 300.0, "box_right": 400.0})


def test_every_file_that_cannot_be_read_has_its_reason_wherever_it_is_met(own: Dataset) -> None:
    """Alike where a search makes ready and where `check` looks."""
    damage(own)
    (Path(own.root) / own.paths[9]).write_text("<html>404</html>")
    values = {"backbone": ["test_resnet"], "image_size": [20]}
    messages = []
    for look in (
        ImageClassifier.prepare,
        lambda dataset, values: ImageClassifier.check_images(values, dataset),
    ):
        with pytest.raises(ImageReadError) as caught:
            look(own, values)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    for row, reason in ((2, "text, not an image"), (5, "missing"), (7, "empty"), (9, "an HTML page")):
        assert f"{own.paths[row]} ({reason}" in messages[0]


@pytest.mark.parametrize("what", ["state", "no facts", "list", "cut", "fifo"])
def test_a_store_that_is_damaged_is_made_anew(own: Dataset, what: str) -> None:
    path = build_store(own, 16)
    whole, state = path.read_bytes(), path.with_suffix(".json")
    if what == "state":
        state.write_bytes(state.read_bytes()[:30])
    elif what == "no facts":
        state.write_text(json.dumps({**json.loads(state.read_text()), "facts": 3}))
    elif what == "list":
        state.write_text("[]")
    elif what == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        state.unlink()
        os.mkfifo(state)
    assert build_store(own, 16) == path
    assert path.read_bytes() == whole and facts_of(path).images == len(own.paths)
