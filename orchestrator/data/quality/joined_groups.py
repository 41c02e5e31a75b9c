"""Groups that images found to be the same, or nearly so, make one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.data.manifest import GIVEN_GROUP, Manifest

Codes = NDArray[np.int64]
"""(n,): rows with equal codes belong together; a row alone has a code of its own."""


def join_codes(*parts: Codes) -> Codes:
    """Rows that any of the parts joins, in one or several steps, are together. Parts (n,), numbered anyhow;
    the result counts from 0 in the order of the rows."""
    from scipy.sparse import coo_matrix  # a fifth of a second, which not every command should pay
    from scipy.sparse.csgraph import connected_components

    dense = [np.unique(part, return_inverse=True)[1].ravel() for part in parts]
    rows = np.arange(len(dense[0]))
    offsets = len(rows) + np.cumsum([0, *(int(part.max(initial=-1)) + 1 for part in dense)])
    # Rows and the codes of each part are the nodes; an edge leads from each row to each of its codes.
    ends = np.concatenate([part + start for part, start in zip(dense, offsets, strict=False)])
    starts = np.tile(rows, len(dense))
    size = int(offsets[-1])
    graph = coo_matrix((np.ones(len(ends), np.int8), (starts, ends)), shape=(size, size))
    return in_order(connected_components(graph, directed=False)[1][: len(rows)])


def in_order(codes: NDArray[np.generic]) -> Codes:
    """The same codes, numbered by the first row of each."""
    return pd.factorize(codes)[0].astype(np.int64)


def joined_groups(groups: Sequence[str], codes: Codes, roles: Sequence[str]) -> list[str]:
    """The group of each row, (n,), where the groups of rows with one code are one; it is called as the group
    of its first row. Rows of different roles are never joined: a group has one role."""
    within = pd.factorize(pd.Series(list(zip(roles, codes.tolist(), strict=True))))[0]
    joined = join_codes(pd.factorize(pd.Series(list(groups), dtype=object))[0], within)
    first = np.unique(joined, return_index=True)[1]
    return [groups[row] for row in first[joined].tolist()]


def with_joined_groups(manifest: Manifest, codes: Codes, columns: Sequence[str] = ()) -> Manifest:
    """The manifest itself where nothing is joined; else its groups as `joined_groups` makes them, and as they
    were given in the column given_group.

    columns: further ones that hold the groups, which are changed alike.
    """
    frame = manifest.frame
    given = [str(group) for group in frame["group"]]
    made = joined_groups(given, codes, [str(role) for role in frame["role"]])
    if made == given:
        return manifest
    changed = dict.fromkeys(("group", *columns), pd.Series(made, index=frame.index, dtype=object))
    if GIVEN_GROUP not in frame:
        changed[GIVEN_GROUP] = pd.Series(given, index=frame.index, dtype=object)
    return replace(manifest, frame=frame.assign(**changed))
