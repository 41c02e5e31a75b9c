"""The bits of a perceptual hash: the signs of a picture's 16 x 16 lowest frequencies, and how pictures turn.

Mirroring a picture flips the signs of its odd frequencies along one side, and transposing it transposes them.
So the hashes of all eight orientations follow from one, exactly, and the distance of two pictures is the same
whichever of the two is turned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.image_measures import ORIENTATIONS

FREQUENCIES = 16  # half waves over a side, 1 to 16, downwards and across
BITS = FREQUENCIES * FREQUENCIES
WORDS = BITS // 64
IS_ODD = np.arange(1, FREQUENCIES + 1) % 2 == 1


def hashes_of_bits(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """(n, 8, 4) of bits (n, 16, 16), frequencies downwards and across: of each as `oriented` lays it down."""
    ways = np.stack([_turned(bits, way) for way in range(ORIENTATIONS)], axis=1)
    packed = np.packbits(ways.reshape(len(bits), ORIENTATIONS, BITS), axis=-1)
    return packed.view(np.uint64)


def bits_of_hashes(hashes: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(n, 16, 16) of the first orientation of hashes (n, 8, 4)."""
    own = np.ascontiguousarray(hashes[:, 0]).view(np.uint8)
    return np.unpackbits(own, axis=-1).astype(np.bool_).reshape(-1, FREQUENCIES, FREQUENCIES)


def distances(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(m, 8): bits in which the first orientation of each of (m, 8, 4) differs from each of the other's."""
    return np.asarray(np.bitwise_count(one[:, :1] ^ other).sum(axis=2), np.int64)


def _turned(bits: NDArray[np.bool_], orientation: int) -> NDArray[np.bool_]:
    if orientation >= 4:
        bits = bits.swapaxes(-1, -2)
    if orientation in (1, 2, 5, 6):
        bits = bits ^ IS_ODD
    return bits ^ IS_ODD[:, None] if orientation in (2, 3, 6, 7) else bits
