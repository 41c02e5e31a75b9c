"""From a space's targets, as written, to what they are on the data at hand: their classes, and their rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.core.callbacks import Announce
from orchestrator.core.errors import ManifestError
from orchestrator.core.text import counted, shortened
from orchestrator.data.manifest import Manifest
from orchestrator.data.rare_classes import Counts, leave_out, merge
from orchestrator.data.targets import Joint, Target
from orchestrator.inputs.copies import NO_COPIES, Copies
from orchestrator.inputs.copy_conflicts import settle_conflicts
from orchestrator.inputs.data_options import DataOptions
from orchestrator.space import SearchSpace

_SHOWN = 20  # classes in a line


@dataclass(frozen=True)
class ResolvedTargets:
    space: SearchSpace  # whose targets all know their classes
    manifest: Manifest  # without the rows that have no label by the targets' own rules
    record: dict[str, Any] = field(default_factory=dict)  # of rows and classes, for the header


def resolve_targets(
    space: SearchSpace,
    full_manifest: Manifest,
    options: DataOptions,
    say: Announce,
    copies: Copies = NO_COPIES,
) -> ResolvedTargets:
    """Classes are read from rows with role train or extra, and hold for the whole study.

    full_manifest: with its rows of role test, of which a column's type alone is seen; the result has none.
    copies: of its images. Raises ManifestError, SearchSpaceError.
    """
    full = full_manifest.frame
    targets = {leaf: leaf.resolve(full) for leaf in _leaves(space, full)}
    for before, after in targets.items():
        if before.is_open:
            classes = shortened(after.classes, _SHOWN)
            say(f"classes: {after.name} has {len(after.classes)} in the training rows: {classes}")
    frame = full[full["role"] != "test"].reset_index(drop=True)
    frame, dropped = _without_missing(frame, targets, say)
    for target in (space.target, *(space.given or ())[:1]):
        _resolved(target, targets).encode(frame)  # refuses what has no class, all rows at once
    frame, conflicts = settle_conflicts(frame, copies, _predicted(space, targets), say)
    record: dict[str, Any] = {"missing": dropped} if dropped else {}
    if conflicts:
        record["conflicts"] = conflicts
    if options.drop_rare is not None:
        frame, left_out = _without_rare(frame, targets, options.drop_rare, say)
        record |= {"drop_rare": options.drop_rare, "left_out": left_out}
    if options.rare_as is not None:
        merged = _with_merged(frame, targets, space.folds, options.rare_as, say)
        record |= {"rare_as": options.rare_as, "merged": merged}
    return ResolvedTargets(_with_targets(space, targets), replace(full_manifest, frame=frame), record)


def unlabelled_rows(space: SearchSpace, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(n,): the rows to leave out of a source of extra rows, which need no stratum. Raises ManifestError."""
    gone = space.target.excluded(frame)
    return gone if space.given is None else gone | space.given[0].excluded(frame)


def _leaves(space: SearchSpace, frame: pd.DataFrame) -> list[Target]:
    """Every target there is, joints taken apart: studies of one joint label must have the same rows.

    The joint label belongs to an ensemble of several studies, so one study may lack the columns of others.
    """
    roots = [space.target, *space.stratify, *(space.given or ())[:1]]
    own = [leaf for root in roots if isinstance(root, Target) for leaf in _parts(root)]
    others = [] if space.joint is None else _parts(space.joint)
    return list(dict.fromkeys([*own, *(leaf for leaf in others if set(leaf.columns) <= set(frame.columns))]))


def _predicted(space: SearchSpace, targets: dict[Target, Target]) -> list[Target]:
    """Whose labels a model learns, here or in another study of the same joint label: no stratum alone."""
    roots = [space.target, *(space.given or ())[:1], *([] if space.joint is None else [space.joint])]
    leaves = dict.fromkeys(leaf for root in roots if isinstance(root, Target) for leaf in _parts(root))
    return [targets[leaf] for leaf in leaves if leaf in targets]


def _parts(target: Target) -> list[Target]:
    return [leaf for part in target.parts for leaf in _parts(part)] if isinstance(target, Joint) else [target]


def _with_targets(space: SearchSpace, targets: dict[Target, Target]) -> SearchSpace:
    joint = None if space.joint is None else _resolved(space.joint, targets)
    return replace(
        space,
        target=_resolved(space.target, targets),
        stratify=[_resolved(target, targets) for target in space.stratify],
        joint=joint if isinstance(joint, Joint) else None,
        given=None if space.given is None else (_resolved(space.given[0], targets), space.given[1]),
    )


def _resolved(target: Target, targets: dict[Target, Target]) -> Target:
    if isinstance(target, Joint):
        return replace(target, parts=tuple(_resolved(part, targets) for part in target.parts))
    return targets.get(target, target)


# ---- rows and classes that are left out ------------------------------------------------------------


def _without_missing(
    frame: pd.DataFrame, targets: dict[Target, Target], say: Announce
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Without the rows that have no label, and how many those are by target."""
    dropped = {}
    for target in targets.values():
        gone = target.excluded(frame)
        if gone.any():
            paths = shortened(frame["path"][gone].tolist())
            say(f"note: {counted(int(gone.sum()), 'row')} without {target.name} left out: {paths}")
            dropped[target.name] = int(gone.sum())
            frame = _kept(frame, gone, "has no label, and missing='drop' leaves it out")
    return frame, dropped


def _without_rare(
    frame: pd.DataFrame, targets: dict[Target, Target], least: int, say: Announce
) -> tuple[pd.DataFrame, dict[str, Counts]]:
    """Without the rows of rare classes; changes `targets`."""
    left_out = {}
    for before, target in targets.items():
        targets[before], rare = leave_out(target, _train(frame), least)
        if rare:
            gone = targets[before].excluded(frame)
            rows = f", with {counted(int(gone.sum()), 'row')}" if not target.multi_label else ""
            say(f"note: {target.name}: left out as rare (under {least} groups): {_groups(rare)}{rows}")
            left_out[target.name] = rare
            frame = _kept(frame, gone, "is of a class that --drop-rare leaves out")
    return frame, left_out


def _with_merged(
    frame: pd.DataFrame, targets: dict[Target, Target], least: int, into: str, say: Announce
) -> dict[str, Counts]:
    """Changes `targets`."""
    merged = {}
    for before, target in targets.items():
        targets[before], rare = merge(target, _train(frame), least, into)
        if rare:
            say(f"note: {target.name}: merged into {into} (under {least} groups): {_groups(rare)}")
            merged[target.name] = rare
    return merged


def _train(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["role"] == "train"].reset_index(drop=True)


def _kept(frame: pd.DataFrame, gone: np.ndarray[Any, np.dtype[np.bool_]], why: str) -> pd.DataFrame:
    if gone.all():
        raise ManifestError(f"every row {why}; nothing is left to learn from")
    return frame[~gone].reset_index(drop=True)


def _groups(counts: Counts) -> str:
    return shortened([f"{name} ({counted(count, 'group')})" for name, count in counts.items()], _SHOWN)
