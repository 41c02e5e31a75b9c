"""Images too large to hold: how much they are reduced, and libvips, which reads them piece by piece."""

from __future__ import annotations

import importlib
import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.images.file_kinds import UndecodableError

BOUND = 2**26  # pixels that are held of one image: 200 MB of RGB
MOST = 2**36  # pixels that are read at all: reading 70 gigapixels piece by piece takes an hour
WHOLE = 2**30  # pixels that OpenCV decodes at most; all of them at once, 3 GB of RGB
Values = NDArray[Any]


def reduction(height: int, width: int, most: int = 2**20) -> int:
    """Pixels of a side that become one, so that the image holds no more than BOUND: 1, 2, 4, ... `most`."""
    factor = 1
    while factor < most and math.ceil(height / factor) * math.ceil(width / factor) > BOUND:
        factor *= 2
    return factor


@lru_cache(maxsize=1)
def has_vips() -> bool:
    try:
        importlib.import_module("pyvips").cache_set_max(0)  # it would keep what it has read
    except (ImportError, OSError):  # without the package, without its library
        return False
    return True


def refuse_endless(height: int, width: int) -> None:
    """Raises UndecodableError for more pixels than anybody would wait for."""
    if height * width > MOST:
        raise UndecodableError(f"{width} x {height} pixels, which is damaged or too large: write it smaller")


def refuse_beyond_opencv(height: int, width: int) -> None:
    """Raises UndecodableError for more pixels than OpenCV takes."""
    if height * width > WHOLE:
        raise UndecodableError(
            f"{width} x {height} pixels, too large without libvips: `pip install -e '.[large]'`, or write it "
            "smaller"
        )


def read_reduced(data: bytes, factor: int, ground: tuple[int, int, int]) -> tuple[Values, bool]:
    """(H, W) or (H, W, 3) RGB of the file's own type, averaged; whether transparent pixels became `ground`.

    It holds a few rows at a time. Raises UndecodableError.
    """
    pyvips = importlib.import_module("pyvips")
    try:
        image = pyvips.Image.new_from_buffer(data, "", access="sequential", fail_on="error")
        has_alpha = image.hasalpha()
        if has_alpha:
            deep = 257 if image.format == "ushort" else 1
            colour = [deep * value for value in ground]
            image = image.flatten(background=colour if image.bands > 2 else colour[:1])
        if image.interpretation in ("cmyk", "lab", "labs"):
            image = image.colourspace("srgb")
        values = image.shrink(factor, factor).numpy()
    except pyvips.Error as error:
        raise UndecodableError("damaged or truncated") from error
    return np.asarray(values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values), has_alpha
