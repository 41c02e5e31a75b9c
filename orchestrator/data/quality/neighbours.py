"""Rows that lie close to each other: cosine of their embeddings, all pairs, in blocks. Pure.

Every row is compared with every other, so time grows with the square of the rows and with the length of an
embedding; memory does not, beside the embeddings themselves and the pairs that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Embeddings = NDArray[np.float32]
"""(n, D). A row that is not finite, or all zero, is of an image that could not be described."""

ROWS, COLUMNS = 1024, 8192
"""Rows of the two sides of a block of products: 32 MB of float32, and copies of the rows themselves."""


@dataclass(frozen=True)
class CosinePairs:
    """Pairs of rows, the first of a pair the smaller, in the order of their rows."""

    pairs: NDArray[np.int64]  # (m, 2)
    similarity: NDArray[np.float32]  # (m,) cosine
    threshold: float  # the least cosine of a pair: as asked, or what `most` left over
    cut: bool  # whether pairs above the threshold that was asked for were left out


def cosine_pairs(embeddings: Embeddings, threshold: float, most: int | None = None) -> CosinePairs:
    """All pairs of rows with a cosine of `threshold` or more; the most similar ones where there are too many.

    embeddings (n, D). most: pairs kept at the end, 50 for each row where it is None: many images that are
    alike, such as a set of blank ones, have quadratically many.
    """
    kept = _Kept(threshold, 50 * len(embeddings) if most is None else most)
    for rows, columns, cosines in _blocks(embeddings):
        first, second = np.nonzero(cosines >= kept.threshold)
        upper = first + rows.start < second + columns.start
        first, second = first[upper], second[upper]
        kept.add(first + rows.start, second + columns.start, cosines[first, second])
    return kept.result(threshold)


def nearest_rows(embeddings: Embeddings, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Of each row the k others with the highest cosine, highest first: (n, k) row numbers, (n, k) cosines.

    A place that no row takes, because there are too few or because one of the two could not be described, has
    the number -1 and the cosine NaN.
    """
    n = len(embeddings)
    numbers = np.full((n, k), -1, np.int64)
    cosines = np.full((n, k), -np.inf, np.float32)
    for rows, columns, found in _blocks(embeddings, whole=True):
        own = np.arange(rows.start, rows.stop)[:, None] == np.arange(columns.start, columns.stop)
        found[own] = -np.inf
        values = np.concatenate([cosines[rows], found], axis=1)
        names = np.concatenate(
            [numbers[rows], np.broadcast_to(np.arange(columns.start, columns.stop), found.shape)], axis=1
        )
        best = np.argsort(-values, axis=1, kind="stable")[:, :k] if k >= values.shape[1] else _top(values, k)
        cosines[rows] = np.take_along_axis(values, best, axis=1)
        numbers[rows] = np.take_along_axis(names, best, axis=1)
    empty = ~np.isfinite(cosines)
    numbers[empty], cosines[empty] = -1, np.nan
    return numbers, cosines


def described(embeddings: Embeddings) -> NDArray[np.bool_]:
    """(n,): the rows whose image could be described."""
    found: NDArray[np.bool_] = np.isfinite(embeddings).all(axis=1) & (embeddings != 0).any(axis=1)
    return found


def _top(values: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """(n, k) places of the k highest values of each row, highest first."""
    found = np.argpartition(-values, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(values, found, axis=1), axis=1, kind="stable")
    places: NDArray[np.int64] = np.take_along_axis(found, order, axis=1)
    return places


def _blocks(
    embeddings: Embeddings, whole: bool = False
) -> Iterator[tuple[slice, slice, NDArray[np.float32]]]:
    """Rows, columns, and the cosines between them; -inf where one side could not be described.

    whole: every pair of rows in both orders; else each block that has a pair with the smaller row first.
    """
    n, usable = len(embeddings), described(embeddings)
    for start in range(0, n, ROWS):
        rows = slice(start, min(start + ROWS, n))
        left = _unit(embeddings[rows], usable[rows])
        for first in range(0 if whole else start, n, COLUMNS):
            columns = slice(first, min(first + COLUMNS, n))
            cosines = left @ _unit(embeddings[columns], usable[columns]).T
            cosines[~usable[rows]] = -np.inf
            cosines[:, ~usable[columns]] = -np.inf
            yield rows, columns, cosines


def _unit(embeddings: Embeddings, usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Each row with length 1; 0 where it could not be described."""
    values = np.where(usable[:, None], embeddings, 0).astype(np.float32)
    values /= np.abs(values).max(axis=1, keepdims=True) + ~usable[:, None]  # squares must not overflow
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    unit: NDArray[np.float32] = (values / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


class _Kept:
    """The most similar pairs so far; the threshold rises once there are twice as many as may be kept."""

    def __init__(self, threshold: float, most: int) -> None:
        self.threshold, self._most, self._count = threshold, most, 0
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.float32]]] = []

    def add(
        self, first: NDArray[np.int64], second: NDArray[np.int64], similarity: NDArray[np.float32]
    ) -> None:
        self._parts.append((np.stack([first, second], axis=1), similarity))
        self._count += len(first)
        if self._count > 2 * self._most:
            self._shrink()

    def _shrink(self) -> None:
        pairs, similarity = self._joined()
        if len(similarity) > self._most:
            best = np.argpartition(-similarity, max(self._most - 1, 0))[: self._most]
            pairs, similarity = pairs[best], similarity[best]
            self.threshold = float(similarity.min()) if len(similarity) else float("inf")
        self._parts, self._count = [(pairs, similarity)], len(similarity)

    def _joined(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if not self._parts:
            return np.empty((0, 2), np.int64), np.empty(0, np.float32)
        pairs, similarity = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        return pairs, similarity

    def result(self, asked: float) -> CosinePairs:
        self._shrink()
        pairs, similarity = self._joined()
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        return CosinePairs(pairs[order], similarity[order], self.threshold, self.threshold > asked)
