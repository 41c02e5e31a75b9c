"""Perceptual hashes: pictures that look alike differ in few bits, whatever their size, format or brightness.

The hash is PDQ's (Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm",
2019): the 16 x 16 lowest frequencies, without the mean, of the discrete cosine transform of the picture
squeezed to 64 x 64 pixels, one bit each. A bit is the sign here, where PDQ compares with the median: so the
hash of a turned picture follows from the bits of the picture itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.perceptual_hash import FREQUENCIES, hashes_of_bits

SIDE = 64  # pixels of the squeezed picture
Floats = NDArray[np.float32]


def hashes_of(pictures: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(n, 8, 4) of grey pictures (n, 64, 64): of each as laid down by `core.image_measures.oriented`."""
    return hashes_of_bits(_DCT @ pictures.astype(np.float32) @ _DCT.T > 0)


def qualities_of(pictures: NDArray[np.uint8]) -> Floats:
    """(n,) 0 to 100 of grey pictures (n, 64, 64): how much there is to compare, as PDQ judges it.

    Sums of differences between neighbours, each in percent of the range and rounded down, so that noise and
    gentle ramps count for nothing.
    """
    values = pictures.astype(np.int16)
    steps = [np.abs(np.diff(values, axis=axis)) * 100 // 255 for axis in (1, 2)]
    return np.asarray(np.minimum(sum(step.sum(axis=(1, 2)) for step in steps) // 90, 100), np.float32)


def _dct() -> Floats:
    """(16, 64): the rows of the transform for 1 to 16 half waves over the side."""
    waves, pixels = np.arange(1, FREQUENCIES + 1)[:, None], np.arange(SIDE)[None]
    return np.asarray(np.sqrt(2 / SIDE) * np.cos(np.pi / (2 * SIDE) * waves * (2 * pixels + 1)), np.float32)


_DCT = _dct()
