"""All pairs of pictures whose perceptual hashes differ in few bits, in whichever of the eight orientations.

Bits as +1 and -1 make the number of bits in which two hashes agree a dot product, and mirroring a picture
changes the signs of whole classes of bits: those of odd frequencies across, downwards, or one of the two. So
the four products of the classes give the products of the four mirrored pictures, and those with the bits
transposed give the other four. Products of matrices are what a processor does best: the cost grows with the
square of the rows, 1024 additions and multiplications a pair, and no pair is missed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.perceptual_hash import BITS, IS_ODD, bits_of_hashes, distances
from orchestrator.data.quality.in_threads import in_threads

ROWS, COLUMNS = 256, 512  # of a block: its products stay in a core's cache
MOST = 32  # pairs that are kept of one row with later ones, the nearest
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class HashPairs:
    """m pairs of rows, ordered by the first, then the second."""

    rows: NDArray[np.int64]  # (m, 2) the smaller first
    orientation: NDArray[np.int64]  # (m,) how the second is to be laid down to look like the first
    distance: NDArray[np.int64]  # (m,) bits that differ then, of 256


def hash_pairs(
    hashes: NDArray[np.uint64], distance: int, most: int = MOST, progress: Progress | None = None
) -> HashPairs:
    """Of hashes (n, 8, 4), every pair that differs in at most `distance` bits.

    Where a row has more than `most` such pairs with rows after it, its nearest are kept.
    """
    if len(hashes) == 0:
        return _joined([])
    bits = bits_of_hashes(hashes)
    search = _Search(hashes, _classes(bits), _classes(bits.swapaxes(1, 2)), distance, most)
    starts = range(0, len(hashes), ROWS)
    found = []
    for done, part in enumerate(in_threads(search.pairs_of_rows, starts), start=1):
        found.append(part)
        if progress is not None:  # a row has fewer rows after it the later it comes
            left = 1 - done / len(starts)
            progress(round(len(hashes) * (1 - left * left)), len(hashes))
    return _joined(found)


def _classes(bits: NDArray[np.bool_]) -> list[Floats]:
    """Four (n, 64) of bits (n, 16, 16) as +1 and -1: waves even or odd downwards, even or odd across."""
    signs = np.where(bits, np.float32(1), np.float32(-1))
    halves = [signs[:, odd == IS_ODD] for odd in (False, True)]
    return [
        np.ascontiguousarray(half[:, :, odd == IS_ODD]).reshape(len(bits), -1)
        for half in halves
        for odd in (False, True)
    ]


@dataclass(frozen=True)
class _Search:
    hashes: NDArray[np.uint64]
    upright: list[Floats]
    transposed: list[Floats]
    distance: int
    most: int

    def pairs_of_rows(self, start: int) -> HashPairs:
        """Of rows start to start + ROWS with those after them."""
        own = [signs[start : start + ROWS] for signs in self.upright]
        hits = [self._hits(own, start, at) for at in range(start, len(self.hashes), COLUMNS)]
        pairs, distance = (np.concatenate(parts) for parts in zip(*hits, strict=True))
        pairs, distance = self._nearest(pairs, distance)
        apart = distances(self.hashes[pairs[:, 0]], self.hashes[pairs[:, 1]])
        return HashPairs(pairs, apart.argmin(axis=1), distance)

    def _hits(self, own: list[Floats], start: int, at: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs (k, 2) of rows near enough, the second from `at` to before `at` + COLUMNS; how near (k,)."""
        columns = slice(at, at + COLUMNS)
        agreement = _agreement(own, [signs[columns] for signs in self.upright])
        transposed = _agreement(own, [signs[columns] for signs in self.transposed])
        np.maximum(agreement, transposed, out=agreement)
        places = np.flatnonzero(agreement >= BITS - 2 * self.distance)
        first, second = np.divmod(places, agreement.shape[1])
        pairs = np.stack([first + start, second + at], axis=1)
        apart = (BITS - agreement.ravel()[places].astype(np.int64)) // 2
        is_later = pairs[:, 0] < pairs[:, 1]
        return self._nearest(pairs[is_later], apart[is_later])

    def _nearest(
        self, pairs: NDArray[np.int64], distance: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of each first row the nearest `most`, ordered by the first row, then the second."""
        order = np.lexsort((pairs[:, 1], distance, pairs[:, 0]))
        first = pairs[order, 0]
        place = np.arange(len(first)) - np.searchsorted(first, first)  # within the pairs of its row
        kept = order[place < self.most]
        kept = kept[np.lexsort((pairs[kept, 1], pairs[kept, 0]))]
        return pairs[kept], distance[kept]


def _agreement(one: list[Floats], other: list[Floats]) -> Floats:
    """(a, b): bits that agree less bits that differ, in the best of four mirrorings."""
    plain, across, down, both = (a @ b.T for a, b in zip(one, other, strict=True))
    same = plain + both  # of the picture as it is, and of half a turn
    plain -= both  # of the one mirrored across, and of the one upside down
    either = across + down
    across -= down
    np.abs(either, out=either)
    np.abs(across, out=across)
    same += either
    plain += across
    best: Floats = np.maximum(same, plain, out=same)
    return best


def _joined(parts: list[HashPairs]) -> HashPairs:
    empty = HashPairs(np.empty((0, 2), np.int64), np.empty(0, np.int64), np.empty(0, np.int64))
    parts = [empty, *parts]
    rows, orientation, distance = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("rows", "orientation", "distance")
    )
    return HashPairs(rows, orientation, distance)
