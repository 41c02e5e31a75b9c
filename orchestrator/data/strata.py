"""What folds are balanced over, as counts of groups: classes, labels that hold and lack, and combinations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.errors import FoldPlanError
from orchestrator.core.text import counted
from orchestrator.data.rare_classes import groups_of_classes, groups_without
from orchestrator.data.targets import Binned, Target, mixed_radix

_LABEL_SETS = 64  # at most, of a multi-label target: the most frequent ones, which are balanced as wholes

Counts = NDArray[np.int64]
"""(groups, features): rows of a group that have it."""


def stratum_counts(
    strata: Sequence[Target], labels: Sequence[Labels], groups: NDArray[np.int64], k: int
) -> tuple[Counts, int]:
    """The features to spread, and how many of the first ones every fold must have.

    Each target alone, so that rare classes are spread, and all together, so that their combinations are; of a
    multi-label target each label that holds, each that does not, and the label sets of k groups or more.
    labels: of each target, (n,) or (n, L); groups (n,) numbered from 0.
    """
    rows = [_counts(groups, np.zeros(len(groups), np.int64))]
    single = [
        _spread_labels(groups, found) if found.ndim == 2 else _counts(groups, found) for found in labels
    ]
    digits = [_set_numbers(found, groups, k) if found.ndim == 2 else found for found in labels]
    sizes = [int(digit.max()) + 1 for digit in digits]
    is_combined = len(strata) > 1 or any(found.ndim == 2 for found in labels)
    combined = [_counts(groups, mixed_radix(digits, sizes))] if is_combined else []
    required = sum(part.shape[1] for part in rows + single)  # a rare combination may be missing from a fold
    return np.hstack(rows + single + combined), required


def refuse_rare_classes(
    target: Target, labels: Labels, names: Sequence[str], k: int, extra: pd.DataFrame
) -> None:
    """Raises FoldPlanError where some fold would have no row of a class, or of a label none without it.

    labels, names: of the n train rows, names their groups. extra: rows that are never validated; a class that
    only they have is meant to be so.
    """
    rare = _fewer(groups_of_classes(target, labels, names), k)
    if 0 in rare.values() and not extra.empty and not target.multi_label:
        learnt = {target.classes[number] for number in target.encode(extra)}
        rare = {name: count for name, count in rare.items() if count or name not in learnt}
    if rare:
        raise FoldPlanError(_rare(target, rare, k, "has"))
    lacks = _fewer(groups_without(target, labels, names), k) if target.multi_label else {}
    if lacks:
        raise FoldPlanError(_rare(target, lacks, k, "is absent from"))


def _fewer(counts: dict[str, int], k: int) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count < k}


def no_split(strata: Sequence[Target], k: int) -> str:
    return (
        f"no split into {k} folds was found that has every class of {', '.join(t.name for t in strata)} in "
        "every fold; use fewer folds, or leave out or merge rare classes (--drop-rare, --rare-as)"
    )


def _rare(target: Target, rare: dict[str, int], k: int, has: str) -> str:
    """Fewer folds are named only where they help: two at least, and every rare class has so many groups."""
    label, count = next(iter(rare.items()))
    kind = "label" if target.multi_label else "class"
    more = f", and {len(rare) - 1} more like it" if len(rare) > 1 else ""
    ways = [_bins_or_drop(target, k, kind)]
    # Merged they need the groups that one of them lacks, and an order has no place for them.
    if has == "has" and not target.ordered and sum(rare.values()) >= k:
        ways.append(f"--rare-as other merges it into a {kind} other")
    if not target.multi_label:
        ways.append("role extra trains on its rows and never validates them")
    least = min(rare.values())
    fewer = f", or use fewer folds ({least} at most)" if least >= 2 else ""
    return (
        f"{kind} {label!r} of target {target.name!r} {has} {counted(count, 'group')} for {k} folds{more}: "
        f"some fold would have none to validate on; {', '.join(ways)}{fewer}"
    )


def _bins_or_drop(target: Target, k: int, kind: str) -> str:
    if isinstance(target, Binned):
        return "other edges merge it with the bin beside it"
    return f"--drop-rare {k} leaves such a {kind} out"


def _counts(groups: NDArray[np.int64], values: Labels) -> Counts:
    """Rows per group and value: (groups, values that occur)."""
    _, dense = np.unique(values, return_inverse=True)
    width = int(dense.max()) + 1
    flat = np.bincount(groups * width + dense, minlength=(int(groups.max()) + 1) * width)
    return flat.reshape(-1, width).astype(np.int64)


def _spread_labels(groups: NDArray[np.int64], labels: Labels) -> Counts:
    """Of each label the rows where it holds, then of each those where it does not: (groups, 2 L)."""
    both = np.hstack([labels, 1 - labels])
    counts = np.zeros((int(groups.max()) + 1, both.shape[1]), np.int64)
    np.add.at(counts, groups, both)
    return counts


def _set_numbers(labels: Labels, groups: NDArray[np.int64], k: int) -> Labels:
    """(n,): 0 for rare label sets, from 1 on for those of k groups or more, the most frequent ones."""
    _, number = np.unique(labels, axis=0, return_inverse=True)
    number = number.ravel()
    pairs = np.unique(np.stack([number, groups], axis=1), axis=0)
    held = np.bincount(pairs[:, 0], minlength=int(number.max()) + 1)
    frequent = [at for at in np.argsort(-held, kind="stable")[:_LABEL_SETS] if held[at] >= k]
    dense = np.zeros(len(held), np.int64)
    dense[frequent] = np.arange(1, len(frequent) + 1)
    return dense[number]
