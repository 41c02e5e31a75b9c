"""All pairs of hashes near each other: none is missed, in any orientation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.image_measures import oriented
from orchestrator.core.perceptual_hash import (
    BITS,
    FREQUENCIES,
    IS_ODD,
    bits_of_hashes,
    distances,
    hashes_of_bits,
)
from orchestrator.data.quality import hash_pairs as room
from orchestrator.data.quality.hash_pairs import hash_pairs
from tests.support.mutations import examples


def drawn_bits(rows: int, families: int, flips: int, rng: np.random.Generator) -> np.ndarray:
    """(rows, 16, 16): members of a family differ in about 2 * flips bits, other rows in about half."""
    centres = rng.random((families, FREQUENCIES, FREQUENCIES)) < 0.5
    bits = centres[rng.integers(0, families, rows)]
    for row in bits:
        row.ravel()[rng.choice(BITS, flips, replace=False)] ^= True
    return bits


def by_looking_at_all(hashes: np.ndarray, distance: int) -> dict[tuple[int, int], int]:
    found = {}
    for first in range(len(hashes)):
        for second in range(first + 1, len(hashes)):
            apart = min(
                int(np.bitwise_count(hashes[first, 0] ^ hashes[second, way]).sum()) for way in range(8)
            )
            if apart <= distance:
                found[first, second] = apart
    return found


@examples(25)
@given(
    rows=st.integers(0, 40),
    families=st.integers(1, 6),
    flips=st.integers(0, 40),
    distance=st.integers(0, 110),
    seed=st.integers(0, 2**32),
)
def test_no_pair_is_missed_and_none_is_invented(
    rows: int, families: int, flips: int, distance: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    hashes = hashes_of_bits(drawn_bits(rows, families, flips, rng))
    for number, way in enumerate(rng.integers(0, 8, rows)):  # each laid down in its own way
        hashes[number] = hashes_of_bits(bits_of_hashes(hashes[number : number + 1, way : way + 1]))[0]
    found = hash_pairs(hashes, distance, most=rows + 1)
    expected = by_looking_at_all(hashes, distance)
    assert dict(zip(map(tuple, found.rows.tolist()), found.distance.tolist(), strict=True)) == expected
    apart = distances(hashes[found.rows[:, 0]], hashes[found.rows[:, 1]])
    assert (apart[np.arange(len(apart)), found.orientation] == found.distance).all()


def test_blocks_meet_at_every_border(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = hashes_of_bits(drawn_bits(60, 4, 10, np.random.default_rng(1)))
    whole = hash_pairs(hashes, 60, most=99)
    monkeypatch.setattr(room, "ROWS", 7)
    monkeypatch.setattr(room, "COLUMNS", 11)
    for left, right in zip(vars(hash_pairs(hashes, 60, most=99)).values(), vars(whole).values(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_of_many_near_rows_the_nearest_are_kept() -> None:
    bits = np.zeros((9, FREQUENCIES, FREQUENCIES), bool)
    for row in range(1, 9):
        bits[row].ravel()[: 9 - row] = True  # the last is nearest to the first
    found = hash_pairs(hashes_of_bits(bits), 20, most=2)
    of_first = found.rows[found.rows[:, 0] == 0, 1].tolist()
    assert of_first == [7, 8]


def test_bits_turn_as_pictures_do() -> None:
    """Cosines are even or odd about the middle, so turning a picture turns its signs."""
    rng = np.random.default_rng(0)
    waves = np.arange(1, FREQUENCIES + 1)[:, None]
    transform = np.cos(np.pi / 128 * waves * (2 * np.arange(64) + 1))
    picture = rng.normal(size=(64, 64))
    bits = (transform @ picture @ transform.T > 0)[None]
    for way in range(8):
        turned = oriented(picture, way)
        expected = transform @ turned @ transform.T > 0
        found = hashes_of_bits(bits)[:, way : way + 1]
        np.testing.assert_array_equal(bits_of_hashes(found)[0], expected)
    assert IS_ODD[0]


def test_progress_reaches_the_end() -> None:
    told: list[tuple[int, int]] = []
    hash_pairs(
        hashes_of_bits(drawn_bits(30, 3, 5, np.random.default_rng(0))),
        10,
        progress=lambda *at: told.append(at),
    )
    assert told[-1] == (30, 30)
