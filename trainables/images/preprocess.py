"""What happens to a decoded image before it is resized and stored: the same for training and prediction.

    center_crop(384)         the middle 384 x 384 pixels; center_crop(300x240): height x width
    crop(top=0.3, left=0.1)  cuts these shares away on each side (top, left, right, bottom)
    under_crop(0.6)          keeps the lower 60%
    pad_square()             black bars that make it square, the picture in the middle
    box(margin=0.3)          the box that the manifest gives in pixels (box_left, box_top, box_right,
                             box_bottom) and this share of its sides around it; a missing box: all of it

Steps are joined by + or commas and done in that order. Boxes are in pixels of the image as it is decoded,
turned upright by its EXIF orientation; `box` therefore comes first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import TrainableError
from trainables.images.step_language import (
    Argument,
    Call,
    Error,
    bound,
    error_in,
    given_by_name,
    known,
    parse_calls,
)

Images = NDArray[np.uint8]
Row = Mapping[str, float]
Step = Callable[[Images, Row, int], Images]
"""Of an image, its row, and how many pixels of the file's side one of the image stands for."""
BOX = ("box_left", "box_top", "box_right", "box_bottom")
SMALLEST, LARGEST = 16, 2048  # pixels of a side
_SHARE = Argument(0.0, 0.0, 0.95)
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})", re.ASCII)


def size_of(image_size: int | str) -> tuple[int, int]:
    """(height, width) in pixels: 224 -> (224, 224), "512x384" -> (512, 384). Raises TrainableError."""
    sides = _sides(image_size)
    if sides is None or not all(SMALLEST <= side <= LARGEST for side in sides):
        raise TrainableError(
            f"image_size={image_size!r} must be pixels of a square such as 224, or HEIGHTxWIDTH such as "
            f"'512x384', from {SMALLEST} to {LARGEST}"
        )
    return sides


def _sides(value: Any) -> tuple[int, int] | None:
    """(height, width) of 224, "224", "300x240" or (300, 240); None for anything else."""
    if isinstance(value, str):
        match = _SIZE.fullmatch(value.strip())
        if match is not None:
            return int(match[1]), int(match[2])
        value = int(value) if re.fullmatch(r"\d{1,6}", value.strip(), re.ASCII) else None
    pair = value if isinstance(value, tuple) else (value, value)
    whole = all(isinstance(side, int) and not isinstance(side, bool) for side in pair)
    return (pair[0], pair[1]) if whole and len(pair) == 2 else None


@dataclass(frozen=True)
class Preprocess:
    """Steps to do in order. text: their canonical spelling; columns: of the manifest, that they need."""

    text: str = ""
    columns: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    def __call__(self, image: Images, row: Row, reduced: int = 1) -> Images:
        """(H, W, 3) uint8 -> (H', W', 3) uint8, not empty. Raises TrainableError for a box without pixels.

        reduced: pixels of the file, along a side, that one of the image stands for; boxes and crops are given
        in pixels of the file.
        """
        for step in self.steps:
            image = step(image, row, reduced)
        return image

    def to_json(self) -> list[dict[str, Any]]:
        """The steps in order, each with its name and numbers: what another program needs to do them."""
        found = []
        for step in self.steps:
            asked = step if isinstance(step, partial) else partial(step)
            found.append({"step": _NAMES[asked.func], **asked.keywords})
        return found

    def columns_in(self, columns: Mapping[str, NDArray[Any]] | None) -> dict[str, NDArray[np.float64]]:
        """The columns that the steps need, as numbers. Raises TrainableError naming the first that lacks."""
        needed = {}
        for name in self.columns:
            column = None if columns is None else columns.get(name)
            if column is None or column.dtype.kind not in "fiu":
                what = "is not in the manifest" if column is None else "does not hold numbers"
                raise TrainableError(
                    f"preprocess={self.text!r} needs the column {name}, which {what}; it wants "
                    f"{', '.join(self.columns)} in pixels"
                )
            needed[name] = np.asarray(column, np.float64)
        return needed


@lru_cache(maxsize=256)
def parse_preprocess(spec: str) -> Preprocess:
    """The steps of a specification; "" has none. Raises TrainableError."""
    error = error_in(spec, "preprocess")
    calls = parse_calls(spec, "preprocess")
    for call in calls:
        known(call, _STEPS, error)
    if any(call.name == "box" for call in calls[1:]):
        raise error("box must come first: its pixels are those of the whole image")
    steps = tuple(_STEPS[call.name](call, error) for call in calls)
    columns = BOX if calls and calls[0].name == "box" else ()
    return Preprocess(" + ".join(call.text for call in calls), columns, steps)


def as_preprocess(given: Preprocess | str) -> Preprocess:
    return parse_preprocess(given) if isinstance(given, str) else given


# ---- the steps ------------------------------------------------------------------------------------


def _center_crop(call: Call, error: Error) -> Step:
    size = given_by_name(call, ("size",), error).get("size")
    sides = _sides(size)
    if sides is None or min(sides) < 1:
        raise error(f"{call.text}: size must be pixels such as 384, or HEIGHTxWIDTH such as 300x240")
    return partial(_cut_center, sides=sides)


def _cut_center(image: Images, row: Row, reduced: int, sides: tuple[int, int]) -> Images:
    height, width = (
        min(max(1, side // reduced), own) for side, own in zip(sides, image.shape[:2], strict=True)
    )
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _crop(call: Call, error: Error) -> Step:
    shares = bound(call, dict.fromkeys(("top", "left", "right", "bottom"), _SHARE), error)
    if shares["top"] + shares["bottom"] >= 1 or shares["left"] + shares["right"] >= 1:
        raise error(f"{call.text} leaves nothing; opposite sides must sum to less than 1")
    return partial(_cut_shares, **shares)


def _under_crop(call: Call, error: Error) -> Step:
    keep = bound(call, {"keep": Argument(low=0.05)}, error)["keep"]
    return partial(_cut_shares, top=1.0 - keep, left=0.0, right=0.0, bottom=0.0)


def _cut_shares(
    image: Images, row: Row, reduced: int, top: float, left: float, right: float, bottom: float
) -> Images:
    height, width = image.shape[:2]
    return image[_kept(height, top, bottom), _kept(width, left, right)]


def _kept(pixels: int, before: float, after: float) -> slice:
    """What is left of a side, at least one pixel."""
    start = min(round(pixels * before), pixels - 1)
    return slice(start, max(start + 1, pixels - round(pixels * after)))


def _pad_square(call: Call, error: Error) -> Step:
    bound(call, {}, error)
    return _with_bars


def _with_bars(image: Images, row: Row, reduced: int) -> Images:
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    bars = (top, side - height - top, left, side - width - left)
    padded = cv2.copyMakeBorder(image, *bars, cv2.BORDER_CONSTANT, value=(0, 0, 0))
    return np.asarray(padded, np.uint8)


def _box(call: Call, error: Error) -> Step:
    return partial(_cut_box, **bound(call, {"margin": Argument(0.0, 0.0, 10.0)}, error))


def _cut_box(image: Images, row: Row, reduced: int, margin: float) -> Images:
    left, top, right, bottom = (float(row[name]) / reduced for name in BOX)
    if any(map(math.isnan, (left, top, right, bottom))):
        return image
    height, width = image.shape[:2]
    rows, columns = _span(top, bottom, margin, height), _span(left, right, margin, width)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        raise TrainableError(
            f"its box (left {row[BOX[0]]:g}, top {row[BOX[1]]:g}, right {row[BOX[2]]:g}, bottom "
            f"{row[BOX[3]]:g}) holds no pixel of an image {reduced * width} wide and {reduced * height} "
            "high; correct the box, or leave it empty for the whole image"
        )
    return image[rows, columns]


def _span(low: float, high: float, margin: float, pixels: int) -> slice:
    """The box's side with its margin, clipped to the image; empty where the box is."""
    if not (low < high and math.isfinite(high - low)):
        return slice(0, 0)
    around = margin * (high - low)
    start, stop = max(low - around, 0.0), min(high + around, float(pixels))
    return slice(math.floor(start), math.ceil(stop)) if start < stop else slice(0, 0)


_NAMES: dict[Any, str] = {
    _cut_box: "box",
    _cut_center: "center_crop",
    _cut_shares: "crop",
    _with_bars: "pad_square",
}
_STEPS: dict[str, Callable[[Call, Error], Step]] = {
    "box": _box,
    "center_crop": _center_crop,
    "crop": _crop,
    "pad_square": _pad_square,
    "under_crop": _under_crop,
}
