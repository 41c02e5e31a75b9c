"""FO008: every row is its own group while something says that some belong together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.text import counted, on_one_line
from orchestrator.data.identical_files import codes_of
from orchestrator.data.manifest import GIVEN_GROUP
from orchestrator.data.quality.suggest_groups import suggest_groups
from orchestrator.data.scalars import to_scalars
from orchestrator.data.splits import SPLIT
from orchestrator.evaluation.leak_value import strata_of
from orchestrator.study_checks.material import Material

CODE = "FO008"
_NO_IDENTITIES = ("path", "group", "role", GIVEN_GROUP, SPLIT)


def look(material: Material) -> Iterator[Finding]:
    rows = material.scored
    groups = material.groups[rows]
    count = len(np.unique(groups))
    if count < len(rows):
        yield fine(CODE, f"{len(rows)} rows are in {count} groups")
        return
    frame, target = material.frame_of(rows), material.space.target
    found = suggest_groups(
        [str(path) for path in frame["path"]],
        columns={
            str(name): to_scalars(frame[name])
            for name in frame.columns
            if name not in (*_NO_IDENTITIES, *target.columns)
        },
        labels=[strata_of(material.labels[rows])],
        near_pairs=_near_pairs(material),
        given=codes_of(groups),
        seed=material.seed,
    )
    if not found:
        # Without groups by nature, such as one picture of each thing.
        yield fine(CODE, f"each of {len(rows)} rows is its own group; names and columns suggest no others")
        return
    best = found[0]
    more = f" ({counted(len(found) - 1, 'more suggestion')})" if len(found) > 1 else ""
    way_out = (
        on_one_line(best.option)
        if best.option
        else "check --suggest-groups --use-suggestion 1 --write-groups FILE writes them"
    )
    yield coded(
        CODE,
        Level.WARNING,
        f"each of {len(rows)} rows is its own group, but {best.text}{more}; rows that belong together lie in "
        "several folds then, and the score is too good",
        f"if that is right, search again with these groups: {way_out}",
    )


def _near_pairs(material: Material) -> NDArray[np.int64] | None:
    """(m, 2) positions among the scored rows of what `check` found to be alike; None without a check."""
    known = material.snapshot.copies
    if known is None:
        return None
    at = np.full(len(material.groups), -1, np.int64)
    at[material.scored] = np.arange(len(material.scored))
    pairs = at[known.near_pairs]
    return pairs[(pairs >= 0).all(axis=1)]
