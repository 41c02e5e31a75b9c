"""Image size, batch size and length of a search that suit the files and the number of rows."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

USUAL_SIZE = 224  # what the weights in timm's hub were mostly trained at
SIZES = (64, 96, 128, 160, 192, USUAL_SIZE)
# (rows at most, batch sizes, epochs of a complete fold run): few rows need many passes and small batches
BY_ROWS = ((200, (8, 16), 30), (2_000, (16, 32), 24), (20_000, (32, 64), 15), (100_000, (32, 64), 8))
FOR_MORE = ((64, 128), 5)


@dataclass(frozen=True)
class Sizes:
    image_size: int
    batch_sizes: tuple[int, ...]
    epochs: int
    notes: tuple[str, ...]  # about the image size


def guess_sizes(rows: int, sizes: Sequence[tuple[int, int]]) -> Sizes:
    """sizes: (height, width) in pixels of some of the images; none: they could not be read."""
    batches, epochs = next(((b, e) for most, b, e in BY_ROWS if rows <= most), FOR_MORE)
    most = max(rows // 4, 2)  # half of the rows are trained on at two folds, in two batches at least
    side, notes = _image_size(sizes)
    return Sizes(side, tuple(sorted({min(batch, most) for batch in batches})), epochs, notes)


def _image_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, tuple[str, ...]]:
    if not sizes:
        return USUAL_SIZE, ("pixels of a square; what the pretrained weights are used to",)
    height = int(statistics.median(h for h, _ in sizes))
    width = int(statistics.median(w for _, w in sizes))
    short = min(height, width)
    side = next((size for size in SIZES if size >= short), USUAL_SIZE)
    notes = [f"pixels of a square; the files are {height} x {width} (height x width) in the median"]
    if short >= 2 * USUAL_SIZE:
        notes.append("320 or 384 shows more of them, at two to three times the cost")
    if max(height, width) > 1.5 * short:
        notes.append(f'they are far from square: image_size="{_oblong(height, width)}" keeps their shape')
    return side, tuple(notes)


def _oblong(height: int, width: int) -> str:
    """Sides in the shape of the images with about the usual number of pixels, multiples of 32."""
    scale = USUAL_SIZE / (height * width) ** 0.5
    high, wide = (max(round(side * scale / 32), 1) * 32 for side in (height, width))
    return f"{high}x{wide}"
