"""From a file's values to pixels, the same for every format: their range, transparency, orientation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from orchestrator.core.errors import TrainableError
from trainables.images.value_range import scale

Images = NDArray[np.uint8]
Values = NDArray[Any]
_GROUNDS = {"white": (255, 255, 255), "grey": (128, 128, 128), "black": (0, 0, 0)}


@dataclass(frozen=True)
class Decoding:
    """What a file leaves open."""

    background: str = "white"  # the ground seen through transparent pixels: white, grey, black or RRGGBB
    value_range: str = "auto"  # values of more than 8 bits that become 0..255, see value_range.py

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Decoding:
        """Of a complete configuration."""
        return cls(config["background"], config["value_range"])

    @property
    def text(self) -> str:
        """Its spelling in the names of stores."""
        return f"background={ground_of(self.background)} value_range={self.value_range}"


DEFAULT = Decoding()


@dataclass(frozen=True)
class Decoded:
    pixels: Images  # (H, W, 3) RGB, upright
    reduced: int = 1  # pixels of the file, along a side, that one of these stands for
    turned: bool = False  # whether EXIF said that it is not stored upright
    transparent: bool = False  # whether the background is seen
    top: float = 0.0  # the value that became 255; 0 for files of 8 bits
    levels: int = 0  # different values in a file of more than 8 bits
    cut: bool = False  # whether it has values beyond the range that were cut


def ground_of(background: str) -> tuple[int, int, int]:
    """RGB of "white", "grey", "black" or "RRGGBB". Raises TrainableError."""
    if background in _GROUNDS:
        return _GROUNDS[background]
    digits = background.removeprefix("#")
    if len(digits) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
        red, green, blue = ImageColor.getrgb(f"#{digits}")[:3]
        return red, green, blue
    raise TrainableError(
        f"background={background!r}: transparent pixels become white, grey, black or RRGGBB such as ffcc00"
    )


def finished(
    values: Values,
    decoding: Decoding,
    orientation: int = 1,
    declared: int | None = None,
    white_is_zero: bool = False,
    is_bgr: bool = True,
) -> Decoded:
    """values: (H, W), (H, W, 3), or (H, W, 4) with alpha. orientation: of EXIF, yet to be turned upright."""
    colours, alpha = (values, None) if values.ndim == 2 else (values[..., :3], values[..., 3:])
    top, levels, cut = 0.0, 0, False
    if colours.dtype != np.uint8:
        scaled = scale(colours, decoding.value_range, declared)
        colours, top, levels, cut = scaled.pixels, scaled.top, scaled.levels, scaled.cut
    if white_is_zero:
        colours = 255 - colours
    pixels = (
        np.repeat(colours[..., None], 3, 2) if colours.ndim == 2 else colours[..., :: -1 if is_bgr else 1]
    )
    transparent = alpha is not None and alpha.size > 0 and bool((alpha < _opaque(alpha)).any())
    if alpha is not None and transparent:
        pixels = _over(pixels, alpha, ground_of(decoding.background))
    upright = np.ascontiguousarray(_upright(pixels, orientation))
    return Decoded(upright, 1, orientation != 1, transparent, top, levels, cut)


def _opaque(alpha: Values) -> float:
    return 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)


def _over(pixels: Images, alpha: Values, ground: tuple[int, int, int]) -> Images:
    """pixels (H, W, 3) seen before the ground; alpha (H, W, 1)."""
    if alpha.dtype != np.uint8:
        alpha = np.rint(np.clip(alpha / _opaque(alpha), 0, 1) * 255)
    shares = alpha.astype(np.uint16)
    sums = pixels * shares + np.array(ground, np.uint16) * (255 - shares)  # at most 255 * 255
    return np.asarray((sums + 127) // 255, np.uint8)


def _upright(pixels: Images, orientation: int) -> Images:
    """As EXIF's orientation, 1 to 8, says that it is to be shown."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
