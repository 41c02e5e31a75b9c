"""Copies that lie where they should not: in two folds, in two groups, in two roles, under two labels.

Codes (n,) say which rows are copies of each other: equal codes, as of `Duplicates`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.core.text import counted, shortened
from orchestrator.data.quality.duplicates import Duplicates

Codes = NDArray[np.int64]
Pair = tuple[int, int]


def at_odds(codes: Codes, values: Sequence[Hashable]) -> list[Pair]:
    """Of rows with one code, the first row that has a value with each one that has another; None is no value.

    values (n,): of anything that copies should share, such as their label or their fold.
    """
    first: dict[int, int] = {}
    pairs = []
    for row, (code, value) in enumerate(zip(codes.tolist(), values, strict=True)):
        if value is None:
            continue
        mate = first.setdefault(code, row)
        if values[mate] != value:
            pairs.append((mate, row))
    return pairs


class Alike(Protocol):
    """What `Duplicates` says of single pictures."""

    @property
    def exact(self) -> Codes: ...
    @property
    def near_pairs(self) -> NDArray[np.int64]: ...


class Clustered(Alike, Protocol):
    @property
    def clusters(self) -> Codes: ...


def near_at_odds(found: Alike, values: Sequence[Hashable]) -> list[Pair]:
    """Of each two pictures that are near duplicates, two rows whose values differ; None is no value.

    What only shares a cluster with a row is not compared with it: it need not be alike. values (n,).
    """
    firsts = _first_of_each(found.exact, values)
    pairs = []
    for one, other in found.exact[found.near_pairs].tolist():
        rows = ((a, b) for x, a in firsts[one].items() for y, b in firsts[other].items() if x != y)
        pairs.extend([(min(pair), max(pair)) for pair in rows][:1])
    return pairs


def clusters_at_odds(found: Clustered, values: Sequence[Hashable]) -> list[Pair]:
    """`at_odds` of the clusters, shown by pairs that are themselves alike wherever there are such.

    There are none where the picture that a cluster is around has no value. values (n,).
    """
    pairs = at_odds(found.clusters, values)
    if not pairs:
        return []
    direct = _Direct(found, values)
    return list(dict.fromkeys(direct.pair(mate, row) for mate, row in pairs))


class _Direct:
    """Rows with those of their cluster that are identical or near duplicates and have another value."""

    def __init__(self, found: Clustered, values: Sequence[Hashable]) -> None:
        self._exact, self._values = found.exact.tolist(), values
        self._firsts = _first_of_each(found.exact, values)
        self._near: defaultdict[int, list[int]] = defaultdict(list)
        first, second = found.near_pairs.T
        together = found.clusters[first] == found.clusters[second]
        for one, other in found.exact[found.near_pairs[together]].tolist():
            self._near[one].append(other)
            self._near[other].append(one)

    def pair(self, mate: int, row: int) -> Pair:
        """The two where they are alike, else one of them with a row that is like it, else the two."""
        if self._exact[mate] in (self._exact[row], *self._near[self._exact[row]]):
            return mate, row
        for one in (row, mate):
            others = self._at_odds_with(one)
            if others:
                return min(one, others[0]), max(one, others[0])
        return mate, row

    def _at_odds_with(self, row: int) -> list[int]:
        codes = (self._exact[row], *self._near[self._exact[row]])
        return sorted(
            other
            for code in codes
            for value, other in self._firsts[code].items()
            if value != self._values[row]
        )


def _first_of_each(codes: Codes, values: Sequence[Hashable]) -> Mapping[int, Mapping[Hashable, int]]:
    """Of each code the first row with each value that its rows have."""
    found: defaultdict[int, dict[Hashable, int]] = defaultdict(dict)
    for row, (code, value) in enumerate(zip(codes.tolist(), values, strict=True)):
        if value is not None:
            found[code].setdefault(value, row)
    return found


def mates(codes: Codes, rows: NDArray[np.bool_], others: NDArray[np.bool_]) -> list[Pair]:
    """Each of `rows` that has a copy among `others`, with the first of those. rows, others (n,)."""
    first: dict[int, int] = {}
    for other in np.flatnonzero(others).tolist():
        first.setdefault(int(codes[other]), other)
    found = ((row, first.get(int(codes[row]))) for row in np.flatnonzero(rows).tolist())
    return [(row, mate) for row, mate in found if mate is not None and mate != row]


def not_identical(found: Duplicates, pairs: Sequence[Pair]) -> list[Pair]:
    return [(one, other) for one, other in pairs if found.exact[one] != found.exact[other]]


# ---- findings ---------------------------------------------------------------------------------------

CERTAIN = 0.99
"""Share of near duplicates that lie within a group, on groups left out, from which folds that tear some are
refused. Below it, or where none could be learned, a warning has to do. It holds of all near duplicates, most
of which lie within groups; of those across groups it is no proof."""
_JOIN = "write the data with copies in one group (check --write-groups FILE) and search that file"


def is_certain(precision: float | None) -> bool:
    """precision: as of `Duplicates`."""
    return precision is not None and precision >= CERTAIN


def copies_in_groups(
    found: Duplicates, groups: Sequence[Hashable], roles: Sequence[str], paths: Sequence[str]
) -> Iterator[Finding]:
    """FO125: copies of one role that lie in several given groups. groups, roles, paths (n,)."""
    pairs = clusters_at_odds(found, list(groups))
    pairs = [(one, other) for one, other in pairs if roles[one] == roles[other]]
    if pairs:
        said = (
            f"{counted(len(pairs), 'image')} in another group than a copy ({_kinds(found, pairs)}): "
            f"{_named(found, pairs, paths)}"
        )
        yield coded("FO125", Level.WARNING, said, _JOIN, pairs=pairs)


def copies_in_folds(
    found: Duplicates, folds: NDArray[np.integer], roles: Sequence[str], paths: Sequence[str]
) -> Iterator[Finding]:
    """FO126: copies that are validated in several folds, or always trained on. folds (n,), below 0 for rows
    that are in none; roles, paths (n,)."""
    own = [
        int(fold) if fold >= 0 or role == "extra" else None for fold, role in zip(folds, roles, strict=True)
    ]
    identical, near = at_odds(found.exact, own), clusters_at_odds(found, own)
    near = not_identical(found, near)
    sure = is_certain(found.precision)
    for pairs, kind, certain in ((identical, "identical images", True), (near, "near duplicates", sure)):
        if pairs:
            said = f"{counted(len(pairs), 'image')} in another fold than a copy ({kind}): "
            level = Level.BLOCKS if certain else Level.WARNING
            yield coded("FO126", level, said + _named(found, pairs, paths), _JOIN, pairs=pairs)


def copies_in_roles(found: Duplicates, roles: Sequence[str], paths: Sequence[str]) -> Iterator[Finding]:
    """FO127: rows with role test that are copies of rows that are trained on. roles, paths (n,)."""
    named = np.asarray(roles, object)
    pairs = mates(found.clusters, named == "test", named != "test")
    if pairs:
        said = (
            f"{len(pairs)} of {int((named == 'test').sum())} images with role test are copies of training "
            f"images ({_kinds(found, pairs)}): {_named(found, pairs, paths)}"
        )
        way_out = "take the copies out of the training rows, or trust no score on these images"
        yield coded("FO127", Level.WARNING, said, way_out, pairs=pairs)


def sign_of(found: Duplicates, pair: Pair) -> str:
    """Between the names of two copies: = for identical ones, ~ for near duplicates."""
    one, other = pair
    return "=" if found.exact[one] == found.exact[other] else "~"


def _named(found: Duplicates, pairs: Sequence[Pair], paths: Sequence[str]) -> str:
    return shortened([f"{paths[pair[0]]} {sign_of(found, pair)} {paths[pair[1]]}" for pair in pairs])


def _kinds(found: Duplicates, pairs: Sequence[Pair]) -> str:
    near = len(not_identical(found, pairs))
    return f"{len(pairs) - near} identical, {counted(near, 'near duplicate')}"
