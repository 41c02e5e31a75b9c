"""Whether two small pictures are one picture: they are laid over each other, then compared block by block.

The second picture is moved, stretched and tilted until it fits the first (Baker and Matthews, "Lucas-Kanade
20 Years On", IJCV 2004: the inverse compositional step, affine), coarse first, so that a crop, a border or a
tilt is undone. What is left is judged in 64 blocks by correlation, which brightness and contrast don't
change; the median block counts, so that text over a part of the picture does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.image_measures import ORIENTATIONS, oriented
from orchestrator.data.quality.in_threads import in_threads

BATCH = 128  # pairs at a time: a few megabytes
STEPS = (5, 3)  # at half the side, then at the whole
LIKELY = 0.7  # correlation at half the side, below which no more is looked at
BLOCKS = 8  # along a side
NOISE = 3.0  # grey levels: what is softer than that in a block says nothing
INFORMATIVE = 8  # blocks with more than that, of 64, that a pair needs
JUDGED = 0.4  # of the blocks, sorted by their correlation, the place of the one that counts
FARTHEST = 0.3  # how much a side may shrink or grow, and the middle move, as a share of the side
ODD = 0.7
OVERLAP = 0.6  # of the picture, at least
Floats = NDArray[np.float32]


def similarities(
    thumbnails: NDArray[np.uint8],
    pairs: NDArray[np.int64],
    orientation: NDArray[np.int64],
    start: Floats | None = None,
    progress: Progress | None = None,
) -> Floats:
    """(m,) 0 to 1 of pairs (m, 2) of rows of thumbnails (n, T, T), the second laid down as said (m,).

    start: (m, 3, 3), how places of the first, -1 to 1 over the side, are roughly found in the second.
    """
    found = np.zeros(len(pairs), np.float32)
    warps = np.broadcast_to(_SAME, (len(pairs), 3, 3)) if start is None else start

    def compare(at: int) -> int:
        part = slice(at, at + BATCH)
        first = thumbnails[pairs[part, 0]].astype(np.float32)
        second = _laid_down(thumbnails[pairs[part, 1]], orientation[part]).astype(np.float32)
        found[part] = _similarity(first, second, warps[part])
        return min(at + BATCH, len(pairs))

    for done in in_threads(compare, range(0, len(pairs), BATCH)):
        if progress is not None:
            progress(done, len(pairs))
    return found


def is_informative(thumbnails: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(n,) of thumbnails (n, T, T): whether there is enough to see for a comparison."""
    found = np.zeros(len(thumbnails), np.bool_)
    for at in range(0, len(thumbnails), BATCH):
        blocks = _in_blocks(thumbnails[at : at + BATCH].astype(np.float32))
        detail = np.square(_without_ramps(blocks, np.ones_like(blocks))).mean(axis=-1)
        found[at : at + BATCH] = (detail >= NOISE**2).sum(axis=1) >= INFORMATIVE
    return found


def _laid_down(pictures: NDArray[np.uint8], orientation: NDArray[np.int64]) -> NDArray[np.uint8]:
    turned = np.empty_like(pictures)
    for way in range(ORIENTATIONS):
        own = orientation == way
        turned[own] = oriented(pictures[own], way)
    return turned


def _similarity(first: Floats, second: Floats, warp: Floats) -> Floats:
    """(b,) of pictures (b, T, T): the better of laid over as they are, and of fitted."""
    small = _halved(first), _halved(second)
    warp = _fitted(*small, warp, STEPS[0])
    found = np.zeros(len(first), np.float32)
    likely = np.flatnonzero(
        np.maximum(*(_correlation(*small, way) for way in (_unmoved(warp), warp))) >= LIKELY
    )
    if len(likely) == 0:
        return found
    first, second, warp = first[likely], second[likely], warp[likely]
    warp = _fitted(_smoothed(first), _smoothed(second), warp, STEPS[1])
    ways = (_unmoved(warp), warp)
    found[likely] = np.maximum(*(_blockwise(first, *_sampled(second, way)) for way in ways))
    return found


def _correlation(picture: Floats, other: Floats, warp: Floats) -> Floats:
    """(b,) of the whole pictures, where both are seen."""
    seen, is_inside = _sampled(other, warp)
    one = _standard(picture.reshape(seen.shape), is_inside)
    return np.asarray(
        (one * _standard(seen, is_inside) * is_inside).sum(axis=1) / np.maximum(is_inside.sum(axis=1), 1),
        np.float32,
    )


def _unmoved(warp: Floats) -> Floats:
    return np.broadcast_to(_SAME, warp.shape)


_SAME = np.eye(3, dtype=np.float32)


# ---- laying one over the other ----------------------------------------------------------------------


def _fitted(picture: Floats, other: Floats, warp: Floats, steps: int) -> Floats:
    """Warps (b, 3, 3) under which `other` fits `picture` best, from where `warp` begins."""
    side = picture.shape[1]
    inner = _inner(side, side // 16)
    picture = _standard(picture.reshape(len(picture), -1), inner)
    slopes = _slopes(picture.reshape(-1, side, side)) * inner  # (b, 6, pixels)
    inverse = np.linalg.inv(slopes @ slopes.swapaxes(1, 2) + 1e-3 * side * np.eye(6, dtype=np.float32))
    for _ in range(steps):
        seen, is_inside = _sampled(other, warp)
        error = np.clip(_standard(seen, is_inside * inner) - picture, -ODD, ODD) * is_inside
        change = (inverse @ (slopes @ error[..., None]))[..., 0]
        warp = _bounded(warp @ np.linalg.inv(_matrix(change)), warp)
    return warp


def _inner(side: int, edge: int) -> Floats:
    """(pixels,) 1, but 0 within so many pixels of an edge, where a border of the other picture shines in."""
    inner = np.zeros((side, side), np.float32)
    inner[edge:-edge, edge:-edge] = 1
    return inner.ravel()


def _slopes(picture: Floats) -> Floats:
    """How each pixel changes with each of the six numbers of a warp: (b, 6, pixels)."""
    down, across = np.gradient(picture, axis=(1, 2))
    side = picture.shape[1]
    y, x = np.meshgrid(_grid(side), _grid(side), indexing="ij")
    half = np.float32(side / 2)  # pixels that a coordinate of 1 stands for
    parts = [across * x, across * y, across, down * x, down * y, down]
    return np.stack([part.reshape(len(picture), -1) * half for part in parts], axis=1)


def _matrix(change: Floats) -> Floats:
    warp = np.zeros((len(change), 3, 3), np.float32)
    warp[:, :2] = change.reshape(-1, 2, 3)
    return warp + _SAME


def _bounded(warp: Floats, before: Floats) -> Floats:
    """The warp, or the one before it where it leads too far: then they are no pictures of one thing."""
    change = np.abs(warp[:, :2] - _SAME[:2]).max(axis=(1, 2))
    is_near = np.nan_to_num(change, nan=np.inf) <= 2 * FARTHEST
    return np.where(is_near[:, None, None], warp, before)


def _grid(side: int) -> Floats:
    """Middles of the pixels, from -1 to 1 over the side."""
    return np.asarray((np.arange(side) + 0.5) / side * 2 - 1, np.float32)


def _sampled(pictures: Floats, warp: Floats) -> tuple[Floats, Floats]:
    """(b, pixels) of pictures (b, T, T) seen through warps (b, 3, 3); 1 where inside the picture, else 0."""
    count, side = pictures.shape[:2]
    y, x = (part.ravel() for part in np.meshgrid(_grid(side), _grid(side), indexing="ij"))
    places = warp[:, :2] @ np.stack([x, y, np.ones_like(x)])  # (b, 2, pixels)
    is_inside = (np.abs(places) <= 1).all(axis=1)
    at = np.clip((places + 1) * (side / 2) - 0.5, 0, side - 1)
    low = np.minimum(at.astype(np.int32), side - 2)
    share = at - low.astype(np.float32)  # integers would make it twice as wide
    base = low[:, 1] * side + low[:, 0] + (np.arange(count, dtype=np.int32) * side * side)[:, None]
    flat = pictures.ravel()
    above = flat[base] + share[:, 0] * (flat[base + 1] - flat[base])
    below = flat[base + side] + share[:, 0] * (flat[base + side + 1] - flat[base + side])
    seen: Floats = above + share[:, 1] * (below - above)
    return seen, np.asarray(is_inside, np.float32)


def _standard(values: Floats, weight: Floats) -> Floats:
    """Of rows (b, pixels): mean 0 and standard deviation 1 where the weight is 1."""
    weight = np.broadcast_to(weight, values.shape)
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1)
    values = values - (values * weight).sum(axis=1, keepdims=True) / total
    scaled: Floats = values / np.sqrt((values * values * weight).sum(axis=1, keepdims=True) / total + 1)
    return scaled


# ---- comparing ------------------------------------------------------------------------------------


def _blockwise(picture: Floats, seen: Floats, is_inside: Floats) -> Floats:
    """(b,) the median over the blocks of their correlations; 0 where too little is seen or to be seen."""
    count, side = picture.shape[:2]
    is_inside = is_inside * _inner(side, 1)
    one, other, weight = (_in_blocks(part.reshape(count, side, side)) for part in (picture, seen, is_inside))
    one, other = (_without_ramps(part, weight) for part in (one, other))
    total = np.maximum(weight.sum(axis=-1), 1)
    both, own, others = ((a * b).sum(axis=-1) / total for a, b in ((one, other), (one, one), (other, other)))
    correlation = both / np.sqrt((own + NOISE**2 / 4) * (others + NOISE**2 / 4))
    says_something = (total >= OVERLAP * one.shape[-1]) & (np.maximum(own, others) >= NOISE**2)
    number = says_something.sum(axis=1)
    ordered = np.sort(np.where(says_something, correlation, np.inf), axis=1)
    place = np.minimum((number * JUDGED).astype(np.int64), ordered.shape[1] - 1)
    judged = np.take_along_axis(ordered, place[:, None], axis=1)[:, 0]
    enough = (is_inside.mean(axis=1) >= OVERLAP) & (number >= INFORMATIVE)
    return np.where(enough, np.clip(judged, 0, 1), 0).astype(np.float32)


def _without_ramps(blocks: Floats, weight: Floats) -> Floats:
    """Blocks (b, 64, pixels) less their best planes, where the weight is 1; else 0.

    A soft ramp has no detail that could tell two pictures apart.
    """
    each = int(blocks.shape[-1] ** 0.5)
    y, x = (part.ravel() for part in np.meshgrid(_grid(each), _grid(each), indexing="ij"))
    basis: list[Floats] = []
    for part in (np.ones_like(x), x, y):
        direction = np.broadcast_to(part, blocks.shape) * weight
        for known in basis:
            direction = direction - _along(direction, known) * known
        basis.append(direction)
    left = blocks * weight
    for known in basis:
        left = left - _along(left, known) * known
    return left


def _along(values: Floats, direction: Floats) -> Floats:
    length = np.maximum((direction * direction).sum(axis=-1, keepdims=True), np.float32(1e-6))
    return np.asarray((values * direction).sum(axis=-1, keepdims=True) / length, np.float32)


def _in_blocks(pictures: Floats) -> Floats:
    """(b, 64, pixels of a block)"""
    count, side = pictures.shape[:2]
    each = side // BLOCKS
    parts = pictures.reshape(count, BLOCKS, each, BLOCKS, each).swapaxes(2, 3)
    return parts.reshape(count, BLOCKS * BLOCKS, each * each)


def _halved(pictures: Floats) -> Floats:
    count, side = pictures.shape[:2]
    return np.asarray(pictures.reshape(count, side // 2, 2, side // 2, 2).mean(axis=(2, 4)), np.float32)


def _smoothed(pictures: Floats) -> Floats:
    """By 1 2 1 along each side, edges repeated."""
    wide = np.pad(pictures, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = (wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]) / 4
    return np.asarray((rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 4, np.float32)
