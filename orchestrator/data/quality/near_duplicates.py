"""Which rows show the same picture: exactly, or nearly, whatever was done to it in between.

Candidates come from three sides: perceptual hashes of whole pictures in eight orientations, windows of
pictures against whole ones, and neighbours by embeddings where there are some. Each is then laid over the
other (`alignment.py`), and what fits counts, whoever proposed it: so embeddings find more, and never decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.image_measures import ImageMeasures
from orchestrator.core.perceptual_hash import distances
from orchestrator.data.quality.alignment import is_informative, similarities
from orchestrator.data.quality.clusters import star_clusters
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.data.quality.hash_pairs import hash_pairs
from orchestrator.data.quality.neighbours import nearest_rows
from orchestrator.data.quality.threshold import learned_threshold
from orchestrator.data.quality.window_pairs import budget, window_pairs

DISTANCE = 88  # bits of 256 in which hashes of candidates differ at most; of pictures by chance, about 100
NEIGHBOURS = 2  # candidates of each row by embeddings
STEPS = 4  # hashes, windows, neighbours, looking closely


@dataclass(frozen=True)
class _Candidates:
    rows: NDArray[np.int64]  # (m, 2)
    orientation: NDArray[np.int64]  # (m,) how the second is laid down
    warp: NDArray[np.float32]  # (m, 3, 3) where it is looked for, as of `similarities`


def find_duplicates(
    measures: ImageMeasures,
    *,
    groups: NDArray[np.int64] | None = None,
    embeddings: NDArray[np.float32] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Duplicates:
    """groups: (n,) codes of the groups given, from which the threshold is learned; None: none are given.
    embeddings: (n, D), rows that are not finite left out. seed: of the groups that are left out in turn.

    Of exact copies the first row stands for all; a picture with next to nothing to see has no near duplicate.
    """
    exact = _exact(measures.digests)
    is_first = exact == np.arange(len(exact))
    rows = np.flatnonzero(is_first & measures.readable & is_informative(measures.thumbnails))
    pairs, similarity = _compared(measures.take(rows), _at(embeddings, rows), _of_rows(progress, len(exact)))
    if progress is not None:
        progress(len(exact), len(exact))
    threshold = learned_threshold(pairs, similarity, len(rows), _at(groups, rows), seed)
    is_near = similarity >= threshold.value
    pairs, similarity = rows[pairs[is_near]], similarity[is_near]
    stars = star_clusters(len(exact), pairs, similarity)
    return Duplicates(exact, pairs, similarity, stars[exact], threshold.rule, threshold.precision)


def _exact(digests: NDArray[np.str_]) -> NDArray[np.int64]:
    """(n,) the first row with the same pixels; of a file that cannot be read, its own row."""
    _, first, codes = np.unique(digests, return_index=True, return_inverse=True)
    return np.where(digests == "", np.arange(len(digests)), first[codes])


def _at(column: NDArray[Any] | None, rows: NDArray[np.int64]) -> NDArray[Any] | None:
    return None if column is None else column[rows]


def _compared(
    measures: ImageMeasures, embeddings: NDArray[np.float32] | None, progress: Progress | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs (m, 2) that were laid over each other, the smaller row first, each once; how similar (m,)."""
    sides = [
        _by_hashes(measures, _part(progress, 0)),
        _by_windows(measures, _part(progress, 1)),
        *([] if embeddings is None else _by_embeddings(measures, embeddings)),
    ]
    rows, orientation, warp = (
        np.concatenate([getattr(side, name) for side in sides]) for name in ("rows", "orientation", "warp")
    )
    found = similarities(measures.thumbnails, rows, orientation, warp, _part(progress, 3))
    rows = np.sort(rows, axis=1)
    order = np.lexsort((-found, rows[:, 1], rows[:, 0]))
    rows, found = rows[order], found[order]
    is_new = np.ones(len(rows), np.bool_)
    is_new[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return rows[is_new], found[is_new]


def _by_hashes(measures: ImageMeasures, progress: Progress | None) -> _Candidates:
    found = hash_pairs(measures.hashes, DISTANCE, progress=progress)
    nearest = np.argsort(found.distance, kind="stable")[: budget(len(measures))]
    return _Candidates(found.rows[nearest], found.orientation[nearest], _unmoved(len(nearest)))


def _by_windows(measures: ImageMeasures, progress: Progress | None) -> _Candidates:
    found = window_pairs(measures.thumbnails, progress)
    return _Candidates(found.rows, found.orientation, found.warp)


def _by_embeddings(measures: ImageMeasures, embeddings: NDArray[np.float32]) -> list[_Candidates]:
    """Neighbours, as they are, mirrored, and as their hashes say: embeddings don't tell how to lay them."""
    nearest = nearest_rows(embeddings, NEIGHBOURS)[0]
    rows = np.stack([np.repeat(np.arange(len(nearest)), nearest.shape[1]), nearest.ravel()], axis=1)
    rows = np.unique(np.sort(rows[nearest.ravel() >= 0], axis=1), axis=0)
    by_hash = distances(measures.hashes[rows[:, 0]], measures.hashes[rows[:, 1]]).argmin(axis=1)
    ways = (np.zeros_like(by_hash), np.ones_like(by_hash), by_hash)
    return [_Candidates(rows, way, _unmoved(len(rows))) for way in ways]


def _unmoved(count: int) -> NDArray[np.float32]:
    return np.broadcast_to(np.eye(3, dtype=np.float32), (count, 3, 3))


def _of_rows(progress: Progress | None, count: int) -> Progress | None:
    """Told of any share of the whole, tells of as many of `count` rows; what counts is one and the same."""
    if progress is None:
        return None
    return lambda done, total: progress(count * done // max(total, 1), count)


def _part(progress: Progress | None, number: int) -> Progress | None:
    """One of several steps that count as equally long."""
    if progress is None:
        return None
    return lambda done, total: progress(number * total + done, STEPS * total)
