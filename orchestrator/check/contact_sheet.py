"""Images in a grid with captions: for each setting a block, for each image a row."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
TILE = 128  # pixels of a tile's longer side
GAP = 6  # pixels between tiles
LABEL = 150  # pixels for the name of a row
LINE = 20  # pixels of a line of text
_FONT, _SCALE, _CHARACTER = cv2.FONT_HERSHEY_SIMPLEX, 0.45, 8.5  # the last: pixels a character takes at most
_INK, _PAPER = (30, 30, 30), 255


class Pictures(Protocol):
    """What a trainable's `preview` gives: RGB uint8.

    training (rows, repeats, H, W, 3); validation (rows, H, W, 3); labels (rows,), or (rows, L) of 0 and 1.
    """

    @property
    def labels(self) -> NDArray[np.int64]: ...

    @property
    def training(self) -> Pixels: ...

    @property
    def validation(self) -> Pixels: ...


@dataclass(frozen=True)
class Block:
    """classes: the names of the labels."""

    caption: str
    pictures: Pictures
    classes: Sequence[str]


def draw_sheet(blocks: Sequence[Block]) -> Pixels:
    """(H, W, 3) uint8 RGB: the blocks below each other. Text beyond ASCII is shown as ?."""
    drawn = [_block(block) for block in blocks]
    width = max(block.shape[1] for block in drawn)
    return np.vstack(
        [
            np.pad(block, ((0, 2 * GAP), (0, width - block.shape[1]), (0, 0)), constant_values=_PAPER)
            for block in drawn
        ]
    )


def to_png(image: Pixels) -> bytes:
    _, data = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    return bytes(data.tobytes())


def _block(block: Block) -> Pixels:
    pictures = block.pictures
    repeats = pictures.training.shape[1]
    heads = ["validation", *(f"training {number + 1}" for number in range(repeats))]
    rows = [_row(block, row) for row in range(len(pictures.validation))]
    step = (rows[0].shape[1] - LABEL) // len(heads)
    head = _paper(LINE, rows[0].shape[1])
    for number, text in enumerate(heads):
        _write(head, text, LABEL + number * step, step)
    return np.vstack([_caption(block.caption, head.shape[1]), head, *rows])


def _caption(text: str, width: int) -> Pixels:
    lines = textwrap.wrap(text, max(10, int((width - 2 * GAP) / _CHARACTER))) or [""]
    paper = _paper(LINE * len(lines) + GAP, width)
    for number, line in enumerate(lines):
        _write(paper[LINE * number :], line, GAP, width)
    return paper


def _row(block: Block, row: int) -> Pixels:
    pictures = block.pictures
    tiles = [_tile(image) for image in (pictures.validation[row], *pictures.training[row])]
    label = _paper(tiles[0].shape[0], LABEL)
    for line, name in enumerate(_names(pictures.labels[row], block.classes, len(label) // LINE)):
        _write(label[LINE * line :], name, GAP, LABEL - GAP)
    return np.hstack([label, *tiles])


def _names(label: NDArray[np.int64], classes: Sequence[str], lines: int) -> list[str]:
    """Of a row's class, or of its labels; the last of so many lines counts those it has no room for."""
    if label.ndim == 0:
        return [classes[int(label)]]
    names = [name for name, has in zip(classes, label, strict=True) if has] or ["no label"]
    more = len(names) - lines + 1
    return names if more <= 1 else [*names[: lines - 1], f"and {more} more"]


def _tile(image: Pixels) -> Pixels:
    """The image with its longer side TILE pixels, and a gap to the right and below."""
    scale = TILE / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    shown = np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)
    # Captions above a tile need its room, however narrow the image is.
    right = GAP + max(0, 2 * TILE // 3 - shown.shape[1])
    return np.pad(shown, ((0, GAP), (0, right), (0, 0)), constant_values=_PAPER)


def _paper(height: int, width: int) -> Pixels:
    return np.full((height, width, 3), _PAPER, np.uint8)


def _write(paper: Pixels, text: str, left: int, width: int) -> None:
    """One line at the top of the paper, cut to the width."""
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    most = max(1, int(width / _CHARACTER))
    shown = plain if len(plain) <= most else f"{plain[: max(1, most - 2)]}.."
    drawn = np.ascontiguousarray(paper)
    cv2.putText(drawn, shown, (left, LINE - 5), _FONT, _SCALE, _INK, 1, cv2.LINE_AA)
    paper[:] = drawn
