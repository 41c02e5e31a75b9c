"""Identical images with different labels: refused, left out or kept, as the user says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.callbacks import Announce
from orchestrator.core.errors import ManifestError
from orchestrator.core.text import counted, shortened
from orchestrator.data.manifest import joined_folds
from orchestrator.data.quality.crossing import Pair, at_odds
from orchestrator.data.targets import Target
from orchestrator.inputs.copies import Copies


def settle_conflicts(
    frame: pd.DataFrame, copies: Copies, targets: Sequence[Target], say: Announce
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows that stay, and what was done, for the header.

    frame: rows with role train or extra and labels; targets know their classes. Raises ManifestError where an
    image has two labels and nothing says what to do about it.
    """
    if not copies.code_of:
        return frame, {}
    codes = copies.codes(frame)
    found = _conflicts(frame, codes, targets)
    if not found:
        return frame, {}
    what = f"{counted(len(found), 'image')} with another label than a copy: {shortened(list(found.values()))}"
    if copies.on_conflict == "error":
        raise ManifestError(
            f"{what}; one of the labels is wrong. Correct it (--label-fixes), or leave all copies of such "
            "images out (--on-conflict drop); --on-conflict keep trains on both"
        )
    rows = np.isin(codes, codes[[row for pair in found for row in pair]])
    record: dict[str, Any] = {"on_conflict": copies.on_conflict, "rows": int(rows.sum())}
    if copies.on_conflict == "keep":
        say(f"warning: {what}; both labels are kept")
        return frame, record
    say(f"note: {what}; {counted(int(rows.sum()), 'row')} left out (--on-conflict drop)")
    if rows.all():
        raise ManifestError("every row has a copy with another label; nothing is left to learn from")
    left_out = frame["path"][rows].tolist()
    return frame[~rows].reset_index(drop=True), {**record, "left_out": left_out}


def _conflicts(frame: pd.DataFrame, codes: NDArray[np.int64], targets: Sequence[Target]) -> dict[Pair, str]:
    """Two rows of one image -> what they say differently. Labels that models gave count for nothing."""
    known = joined_folds(frame) < 0
    found: dict[Pair, str] = {}
    for target in targets:
        labels = target.encode(frame)
        values = [
            tuple(np.atleast_1d(label)) if kept else None for label, kept in zip(labels, known, strict=True)
        ]
        for pair in at_odds(codes, values):
            said = [f"{frame['path'].iloc[row]} ({_label(target, labels[row])})" for row in pair]
            found.setdefault(pair, " = ".join(said))
    return found


def _label(target: Target, label: Labels) -> str:
    if not target.multi_label:
        return f"{target.name} {target.classes[int(label)]}"
    names = [name for name, holds in zip(target.classes, label, strict=True) if holds]
    return f"{target.name} {' '.join(names) or 'none'}"
