"""Classes that too few groups have: left out with their rows, or merged into one. Pure.

Of a multi-label target a label is rare where few groups have it, or few lack it; leaving it out leaves no row
out, since a row still has its other labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from orchestrator.core.arrays import Labels
from orchestrator.core.errors import ManifestError
from orchestrator.data.targets import Categorical, LabelColumns, LabelSets, OneHot, Target

Reducible = Categorical | OneHot | LabelColumns | LabelSets
Counts = dict[str, int]
"""Class -> groups that have it."""


def groups_of_classes(target: Target, labels: Labels, groups: Sequence[str]) -> Counts:
    """How many groups have each class. labels: as the target encodes them, (n,) or (n, L); groups (n,)."""
    numbers, names = pd.factorize(np.asarray(groups, object))
    held = [labels[:, at] == 1 if labels.ndim == 2 else labels == at for at in range(len(target.classes))]
    counts = [np.count_nonzero(np.bincount(numbers[column], minlength=len(names))) for column in held]
    return dict(zip(target.classes, map(int, counts), strict=True))


def groups_without(target: Target, labels: Labels, groups: Sequence[str]) -> Counts:
    """Label -> groups with a row that lacks it, of a multi-label target."""
    return groups_of_classes(target, 1 - labels, groups)


def leave_out(target: Target, frame: pd.DataFrame, least: int) -> tuple[Target, Counts]:
    """The target without its classes of fewer than `least` groups, and those. frame: rows that all have a
    class, with a column group; the rows of a class that is left out are then `target.excluded`.

    Raises ManifestError where fewer than two remain, or where a class cannot be left out.
    """
    labels, groups = target.encode(frame), frame["group"].tolist()
    counts = groups_of_classes(target, labels, groups)
    if target.multi_label:
        lacking = groups_without(target, labels, groups)
        counts = {name: min(count, lacking[name]) for name, count in counts.items()}
    rare = {name: count for name, count in counts.items() if count < least}
    if not rare:
        return target, {}
    own = _reducible(target, rare, "--drop-rare", "leave out")
    if len(counts) - len(rare) < 2:
        raise ManifestError(
            f"--drop-rare {least}: of the {len(counts)} classes of target {target.name!r} only "
            f"{len(counts) - len(rare)} have so many groups ({_listed(counts)}); give a smaller number"
        )
    return replace(own, changes=own.changes.without(rare)), rare


def merge(target: Target, frame: pd.DataFrame, least: int, into: str) -> tuple[Target, Counts]:
    """The target with its classes of fewer than `least` groups as one class, and those. frame: as above.

    Raises ManifestError where one class would remain, or where classes cannot be merged.
    """
    counts = groups_of_classes(target, target.encode(frame), frame["group"].tolist())
    rare = {name: count for name, count in counts.items() if count < least and name != into}
    if not rare:
        return target, {}
    own = _reducible(target, rare, "--rare-as", "merge")
    if target.ordered:
        raise ManifestError(
            f"--rare-as {into}: the classes of target {target.name!r} stand in an order, in which "
            f"{into!r} has no place; use --drop-rare, or write the classes anew"
        )
    merged = replace(own, changes=own.changes.merging(rare, into))
    if len(merged.classes) < 2:
        raise ManifestError(
            f"--rare-as {into}: every class of target {target.name!r} has fewer than {least} groups "
            f"({_listed(counts)}), so one class would remain; use fewer folds"
        )
    return merged, rare


def _reducible(target: Target, rare: Counts, option: str, act: str) -> Reducible:
    if isinstance(target, Reducible) and not (
        isinstance(target, Categorical) and target.positive is not None
    ):
        return target
    kind = "binary" if isinstance(target, Categorical) else "binned"
    raise ManifestError(
        f"{option}: target {target.name!r} is {kind}, so {act} is not possible for {_listed(rare)}; "
        "use other edges, more data or fewer folds"
    )


def _listed(counts: Counts, limit: int = 5) -> str:
    shown = [f"{name} {count}" for name, count in list(counts.items())[:limit]]
    return ", ".join(shown) + (f" and {len(counts) - limit} more" if len(counts) > limit else "")
