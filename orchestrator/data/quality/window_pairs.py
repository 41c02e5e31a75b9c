"""Pairs of pictures of which one shows a part of the other: cropped, or with a border.

Hashes of whole pictures don't see that: a crop moves every edge. So four windows of each picture, of 90% of
its side, are compared with all whole pictures, by the lowest frequencies (0 to 5 half waves over a side, the
mean left out), each divided by its usual size in the set: what all pictures have in common then counts for
little. The windows lie half way between the middle and the corners, so that a crop of 10% anywhere and a
border of 5% are within 2.5% of one of them. Pictures are compared as they are and mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.data.quality.in_threads import in_threads

SHARE = 0.9  # of the side, of a window
PLACES = (0.25, 0.75)  # of the free 10%, above or left of a window
WAVES = 6  # frequencies along a side, 0 to 5
LEAST = 0.75  # cosine that a candidate has
EACH, AT_MOST = 2, 8  # candidates a row, on average: in large sets, and in small ones
IN_ALL = 100_000  # candidates between: what is looked at closely in half a minute
ROWS, COLUMNS = 512, 512  # of a block: its products stay in a core's cache
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class WindowPairs:
    """m pairs of rows that may show parts of one picture, each once; one may be there both ways round."""

    rows: NDArray[np.int64]  # (m, 2) the whole picture, and the one of which a window looks like it
    orientation: NDArray[np.int64]  # (m,) 0: as they are; 1: the second mirrored
    warp: Floats  # (m, 3, 3) where places of the first, -1 to 1 over the side, lie in the second, so turned
    cosine: Floats  # (m,)


def budget(count: int) -> int:
    """Candidates among `count` rows that are looked at closely: those of a small set may have many copies."""
    return max(EACH * count, min(AT_MOST * count, IN_ALL))


def window_pairs(thumbnails: NDArray[np.uint8], progress: Progress | None = None) -> WindowPairs:
    """Candidates among thumbnails (n, T, T): pairs to be looked at more closely."""
    count = len(thumbnails)
    if count < 2:
        return _best(np.empty(0, _HIT), count)
    whole, windows = _descriptors(thumbnails)
    found = []
    starts = [(number, at) for number in range(len(windows)) for at in range(0, count, ROWS)]

    def hits(item: tuple[int, int]) -> NDArray[np.void]:
        found = _hits(windows[item[0]], item[1], whole)
        found["window"] = item[0]
        return found

    for done, part in enumerate(in_threads(hits, starts), start=1):
        found.append(part)
        if progress is not None:
            progress(round(count * done / len(starts)), count)
    return _best(np.concatenate(found), count)


_HIT = np.dtype([(name, np.int64) for name in ("part", "whole", "way", "window")] + [("cosine", np.float32)])
_EDGES = [place * (1 - SHARE) for place in PLACES]
_CORNERS = [(down, across) for down in _EDGES for across in _EDGES]  # of the windows, above and left


def _hits(window: tuple[Floats, Floats], start: int, whole: tuple[Floats, Floats]) -> NDArray[np.void]:
    """Of the windows of rows start to start + ROWS with all whole pictures."""
    even, odd = (part[start : start + ROWS] for part in window)
    found = []
    for at in range(0, len(whole[0]), COLUMNS):
        columns = slice(at, at + COLUMNS)
        same, other = even @ whole[0][columns].T, odd @ whole[1][columns].T  # odd ones flip in a mirror
        cosine = same + np.abs(other)
        places = np.flatnonzero(cosine >= LEAST)
        first, second = np.divmod(places, cosine.shape[1])
        hits = np.empty(len(places), _HIT)
        hits["part"], hits["whole"] = first + start, second + at
        hits["cosine"], hits["way"] = cosine.ravel()[places], other.ravel()[places] < 0
        found.append(_likeliest(hits[hits["part"] != hits["whole"]], AT_MOST * ROWS))
    return _likeliest(np.concatenate(found), 8 * AT_MOST * ROWS)


def _best(hits: NDArray[np.void], count: int) -> WindowPairs:
    """Each pair once by its best window, and no more pairs than `budget`."""
    hits = hits[np.lexsort((-hits["cosine"], hits["whole"], hits["part"]))]
    is_new = np.ones(len(hits), np.bool_)
    is_new[1:] = (hits["part"][1:] != hits["part"][:-1]) | (hits["whole"][1:] != hits["whole"][:-1])
    hits = _likeliest(hits[is_new], budget(count))
    rows = np.stack([hits["whole"], hits["part"]], axis=1)
    return WindowPairs(rows, hits["way"], _warps(hits["window"], hits["way"]), hits["cosine"])


def _warps(window: NDArray[np.int64], way: NDArray[np.int64]) -> Floats:
    """(m, 3, 3) from the whole to the window, which lies on the other side of a mirrored picture."""
    corners = np.array(_CORNERS, np.float32)[window]
    warps = np.zeros((len(window), 3, 3), np.float32)
    warps[:, 0, 0] = warps[:, 1, 1] = SHARE
    warps[:, 2, 2] = 1
    warps[:, 0, 2] = (2 * corners[:, 1] + SHARE - 1) * np.where(way == 1, -1, 1)
    warps[:, 1, 2] = 2 * corners[:, 0] + SHARE - 1
    return warps


def _likeliest(hits: NDArray[np.void], most: int) -> NDArray[np.void]:
    if len(hits) <= most:
        return hits
    return hits[np.argsort(-hits["cosine"], kind="stable")[:most]]


# ---- descriptors ----------------------------------------------------------------------------------


def _descriptors(
    thumbnails: NDArray[np.uint8],
) -> tuple[tuple[Floats, Floats], list[tuple[Floats, Floats]]]:
    """Of whole pictures, and of each of the four windows: frequencies even and odd across, (n, k) each."""
    side = thumbnails.shape[1]
    whole = _spectrum(thumbnails, _waves(side, 0, 1), _waves(side, 0, 1))
    usual = np.sqrt(np.square(whole).mean(axis=0)) + 1e-3
    windows = [
        _spectrum(thumbnails, _waves(side, down, SHARE), _waves(side, across, SHARE))
        for down, across in _CORNERS
    ]
    return _halves(whole / usual), [_halves(window / usual) for window in windows]


def _waves(side: int, start: float, share: float) -> Floats:
    """(WAVES, side): cosine waves over a window that begins at `start` and is `share` of the side long."""
    edges = np.arange(side + 1) / side
    low, high = np.clip(edges[:-1], start, start + share), np.clip(edges[1:], start, start + share)
    middles = ((low + high) / 2 - start) / share  # of the part of each pixel inside the window, 0 to 1
    waves = np.cos(np.pi * np.arange(WAVES)[:, None] * middles) * (high - low) / share
    return np.asarray(waves, np.float32)


def _spectrum(thumbnails: NDArray[np.uint8], down: Floats, across: Floats) -> Floats:
    """(n, WAVES, WAVES), the mean left out; a few thousand pictures at a time."""
    parts = [
        down @ thumbnails[start : start + 4096].astype(np.float32) @ across.T
        for start in range(0, len(thumbnails), 4096)
    ]
    spectrum = np.concatenate(parts)
    spectrum[:, 0, 0] = 0
    return spectrum


def _halves(spectrum: Floats) -> tuple[Floats, Floats]:
    flat = spectrum.reshape(len(spectrum), -1)
    length = np.linalg.norm(flat, axis=1)[:, None, None]
    scaled = spectrum / np.maximum(length, 1e-6)
    even, odd = scaled[:, :, ::2], scaled[:, :, 1::2]
    return tuple(np.ascontiguousarray(half).reshape(len(half), -1) for half in (even, odd))  # type: ignore[return-value]
