"""Planted copies of each kind are found, and clean sets have no pair."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.planted_copies import COPIES, scene
from orchestrator.core.image_measures import ImageMeasures
from orchestrator.data.quality.near_duplicates import find_duplicates
from trainables.images.measuring import measures_of

SCENES = 40
LEAST = {"border 5%": 0.9, "crop 10%": 0.85, "5 degrees": 0.7}  # of the copies that are found


def measured(folder: Path, pictures: list[NDArray[np.uint8]]) -> ImageMeasures:
    paths = [f"{number}.bmp" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        cv2.imwrite(str(folder / path), picture[..., ::-1])
    return measures_of(folder, paths)


@pytest.fixture(scope="module")
def originals() -> list[NDArray[np.uint8]]:
    return [scene(seed) for seed in range(SCENES)]


@pytest.mark.parametrize("kind", COPIES)
def test_planted_copies_are_found_and_nothing_else(
    tmp_path: Path, originals: list[NDArray[np.uint8]], kind: str
) -> None:
    rng = np.random.default_rng(5)
    copies = [COPIES[kind](picture, rng) for picture in originals]
    found = find_duplicates(measured(tmp_path, originals + copies))
    first, second = found.near_pairs.T
    assert (second - first == SCENES).all()
    together = found.clusters[:SCENES] == found.clusters[SCENES:]  # some resized copies have the same pixels
    assert together.mean() >= LEAST.get(kind, 0.97)


def test_exact_copies_share_a_code_and_are_no_near_pair(
    tmp_path: Path, originals: list[NDArray[np.uint8]]
) -> None:
    found = find_duplicates(measured(tmp_path, [*originals[:5], originals[3], originals[3]]))
    assert found.exact.tolist() == [0, 1, 2, 3, 4, 3, 3]
    assert len(found.near_pairs) == 0 and found.clusters.tolist() == found.exact.tolist()


def test_near_and_exact_copies_are_one_cluster(tmp_path: Path, originals: list[NDArray[np.uint8]]) -> None:
    rng = np.random.default_rng(0)
    near = COPIES["JPEG 30"](originals[1], rng)
    found = find_duplicates(measured(tmp_path, [near, originals[0], originals[1], near, originals[1]]))
    assert found.clusters.tolist() == [0, 1, 0, 0, 0]
    assert found.near_pairs.tolist() == [[0, 2]]  # one row stands for its copies


def test_files_that_cannot_be_read_are_alone(tmp_path: Path, originals: list[NDArray[np.uint8]]) -> None:
    measured(tmp_path, originals[:1])
    (tmp_path / "1.bmp").write_bytes(b"no picture")
    (tmp_path / "2.bmp").write_bytes(b"no picture")
    found = find_duplicates(measures_of(tmp_path, ["0.bmp", "1.bmp", "2.bmp"]))
    assert found.exact.tolist() == found.clusters.tolist() == [0, 1, 2]


def test_progress_counts_to_one_total_and_never_backwards(
    tmp_path: Path, originals: list[NDArray[np.uint8]]
) -> None:
    copies = [COPIES["JPEG 30"](picture, np.random.default_rng(0)) for picture in originals]
    told: list[tuple[int, int]] = []
    find_duplicates(
        measured(tmp_path, originals + copies), progress=lambda done, total: told.append((done, total))
    )
    done = [one for one, _ in told]
    assert {total for _, total in told} == {2 * SCENES} and done == sorted(done) and done[-1] == 2 * SCENES


@pytest.mark.parametrize("rows", [0, 1])
def test_sets_without_a_pair_have_no_duplicates(tmp_path: Path, rows: int) -> None:
    found = find_duplicates(measured(tmp_path, [scene(1)] * rows))
    assert len(found.near_pairs) == 0 and found.exact.tolist() == list(range(rows))


def test_a_morph_is_no_one_cluster(tmp_path: Path) -> None:
    """Each picture is a near duplicate of the next; the first and the last share nothing."""
    first, last = scene(1).astype(float), scene(2).astype(float)
    steps = [(first * (1 - share) + last * share).astype(np.uint8) for share in np.linspace(0, 1, 24)]
    found = find_duplicates(measured(tmp_path, steps))
    linked = {tuple(pair) for pair in found.near_pairs.tolist()}
    assert sum((row, row + 1) in linked for row in range(23)) >= 20
    assert found.clusters[0] != found.clusters[-1]


def test_embeddings_propose_and_never_decide(tmp_path: Path, originals: list[NDArray[np.uint8]]) -> None:
    """A crop beyond what windows see is found with them; other pictures of one embedding are no pair."""
    measures = measured(tmp_path, [originals[0], originals[0][12:84, 12:116], *originals[1:4]])
    assert find_duplicates(measures).near_pairs.tolist() == []
    embeddings = np.array([[1, 0], [1, 0.01], [0, 1], [0, 1], [np.nan, 1]], np.float32)
    assert find_duplicates(measures, embeddings=embeddings).near_pairs.tolist() == [[0, 1]]


def test_progress_reaches_the_end(tmp_path: Path, originals: list[NDArray[np.uint8]]) -> None:
    told: list[float] = []
    find_duplicates(measured(tmp_path, originals[:9]), progress=lambda done, total: told.append(done / total))
    assert told == sorted(told) and told[-1] == 1.0


# ---- clean sets -----------------------------------------------------------------------------------


def _noise(rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)


def _ramp(rng: np.random.Generator) -> NDArray[np.uint8]:
    down, across = rng.uniform(-2, 2, 2)
    values = np.add.outer(down * np.arange(64), across * np.arange(64)) + rng.uniform(100, 150)
    return np.repeat(np.clip(values, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _near_constant(rng: np.random.Generator) -> NDArray[np.uint8]:
    level = rng.integers(0, 250)
    return np.clip(level + rng.normal(0, 1.5, (64, 64, 3)), 0, 255).astype(np.uint8)


def _text(rng: np.random.Generator) -> NDArray[np.uint8]:
    page = np.full((200, 150, 3), 255, np.uint8)
    for line in range(14):
        words = "".join(chr(97 + letter) if letter < 26 else " " for letter in rng.integers(0, 31, 24))
        cv2.putText(page, words, (6, 14 + 13 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (0, 0, 0), 1)
    return page


def _blobs(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Cells on a plate: soft spots, all alike."""
    field = np.zeros((96, 96), np.float32)
    field[tuple(rng.integers(0, 96, (2, 30)))] = 1
    field = cv2.GaussianBlur(field, (0, 0), 4)
    return np.repeat((60 + 150 * field / field.max()).astype(np.uint8)[..., None], 3, axis=2)


def _scene(rng: np.random.Generator) -> NDArray[np.uint8]:
    return scene(int(rng.integers(10**6)), 72, 96)


CLEAN: list[tuple[str, Callable[[np.random.Generator], NDArray[np.uint8]], int]] = [
    *(("scenes", _scene, seed) for seed in range(6)),
    *(("noise", _noise, seed) for seed in range(2)),
    *(("ramps", _ramp, seed) for seed in range(4)),
    *(("near constant", _near_constant, seed) for seed in range(2)),
    *(("text", _text, seed) for seed in range(3)),
    *(("blobs", _blobs, seed) for seed in range(3)),
]


@pytest.mark.parametrize(("what", "draw", "seed"), CLEAN, ids=[f"{what} {seed}" for what, _, seed in CLEAN])
def test_clean_sets_have_no_pair(
    tmp_path: Path, what: str, draw: Callable[[np.random.Generator], NDArray[np.uint8]], seed: int
) -> None:
    rng = np.random.default_rng([seed, 11])
    found = find_duplicates(measured(tmp_path, [draw(rng) for _ in range(60)]))
    assert found.near_pairs.tolist() == []
