"""Perceptual hashes: pictures that look alike differ in few bits, whatever their size, format or brightness.

The hash is PDQ's (Facebook, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm",
2019): the 16 x 16 lowest frequencies, without the mean, of the discrete cosine transform of the picture
squeezed to 64 x 64 pixels, one bit each. A bit is the sign here, where PDQ compares with the median: turning
or mirroring a picture then only swaps and flips bits, so all eight hashes come from one transform and two
pictures are equally far from each other whichever of the two is turned.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.image_measures import ORIENTATIONS

SIDE = 64  # pixels of the squeezed picture
FREQUENCIES = 16
WORDS = FREQUENCIES * FREQUENCIES // 64
Floats = NDArray[np.float32]


def hashes_of(pictures: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """(n, 8, 4) of grey pictures (n, 64, 64): of each as laid down by `core.image_measures.oriented`."""
    spectrum = _DCT @ pictures.astype(np.float32) @ _DCT.T  # (n, 16, 16)
    bits = np.stack([_turned(spectrum, way) > 0 for way in range(ORIENTATIONS)], axis=1)
    packed = np.packbits(bits.reshape(len(pictures), ORIENTATIONS, 64 * WORDS), axis=-1)
    return packed.view(np.uint64)


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
_SIGNS = np.where(np.arange(1, FREQUENCIES + 1) % 2, -1, 1).astype(np.float32)  # odd waves flip when mirrored


def _turned(spectrum: Floats, orientation: int) -> Floats:
    """The transform of `oriented(pictures, orientation)`."""
    if orientation >= 4:
        spectrum = spectrum.swapaxes(-1, -2)
    if orientation in (1, 2, 5, 6):
        spectrum = spectrum * _SIGNS
    return spectrum * _SIGNS[:, None] if orientation in (2, 3, 6, 7) else spectrum
