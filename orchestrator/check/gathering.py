"""From a command's options to what its stages look at: with the space that was given, or one as proposed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.check.look import Look
from orchestrator.core.callbacks import Announce
from orchestrator.core.errors import FoldPlanError, InputError, ManifestError
from orchestrator.data.extra_rows import dataset_folds, paths_below
from orchestrator.data.folds import load_or_build
from orchestrator.data.manifest import NAMES_NO_GROUP, Manifest, load_manifest, source_name
from orchestrator.data.quality.task_labels import TaskLabels
from orchestrator.data.scalars import to_scalars
from orchestrator.data.targets import Joint, Target
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.rows import Rows, gather_rows
from orchestrator.inputs.study_data import StudyData
from orchestrator.space import SearchSpace
from orchestrator.tune.first_space.collecting import collect
from orchestrator.tune.first_space.facts import Asked
from orchestrator.tune.first_space.proposal import found_lines, propose
from orchestrator.tune.first_space.trial_folds import space_of, with_folds_that_hold

_OF_LABELS = ("target", "label_fixes", "drop_rare", "rare_as", "extra")
"""Options that say something of labels, and must not be passed over where none are found."""


@dataclass(frozen=True)
class _Known:
    """What a search would be made of, as far as that is known."""

    rows: Rows
    folds: NDArray[np.int16]  # of `rows.manifest`
    k: int
    refusal: str = ""


def look_at_study(data: StudyData, arguments: argparse.Namespace, say: Announce) -> Look:
    """Of the space that was given, whose rows and folds a search would take as they are."""
    known = _Known(data.rows, dataset_folds(data.rows.manifest, data.plan), data.plan.k)
    return _look(known, data.space, arguments, say)


def look_at_data(options: DataOptions, arguments: argparse.Namespace, say: Announce) -> Look:
    """Without a space: of what `tune --init` would propose; of the images alone where nothing is plain.

    options: with data. InputError for data that cannot be read or an option that does not suit them.
    """
    assert options.data is not None
    tell = _once(say)  # a second reading of the same rows has the same notes
    manifest = load_manifest(options.data, reading=options.reading, data_root=options.data_root)
    for line in manifest.lines():
        if NAMES_NO_GROUP not in line:  # said below, where no column is proposed that does
            tell(line)
    try:
        space, lines = _proposed(manifest, source_name(options.data), arguments)
    except InputError as error:
        for line in manifest.lines():
            tell(line)
        if any(getattr(arguments, name) for name in _OF_LABELS):
            raise
        say(f"labels: not looked at: {error}")
        return _unlabelled(manifest, arguments, say)
    if space.group is not None:
        others = tuple(note for note in manifest.notes if NAMES_NO_GROUP not in note)
        manifest = replace(manifest, notes=others)
    known = _known(replace(options, data=manifest, data_root=None), space, arguments.seed, tell)
    for line in lines:
        say(line)
    return replace(_look(known, known.rows.space, arguments, say), is_proposed=True)


def _once(say: Announce) -> Announce:
    """Says each line the first time alone."""
    said = set[str]()

    def tell(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    return tell


def _proposed(
    manifest: Manifest, source: Path, arguments: argparse.Namespace
) -> tuple[SearchSpace, list[str]]:
    asked = None if arguments.target is None else tuple(n.strip() for n in arguments.target.split(","))
    proposal = propose(collect(manifest, source, None), Asked(asked))
    proposal = with_folds_that_hold(proposal, manifest)
    return space_of(proposal), found_lines(proposal)


def _known(options: DataOptions, space: SearchSpace, seed: int, tell: Announce) -> _Known:
    """Raises ManifestError. A class in too few groups is a finding here, no refusal."""
    rows = gather_rows(options, space, tell)
    manifest, cache = rows.manifest, options.runs / ".cache" / "folds"
    try:
        plan = load_or_build(cache, manifest, rows.space.folds, seed, rows.space.stratify, space.fold_column)
    except FoldPlanError as error:
        return _Known(rows, np.full(len(manifest), -1, np.int16), 0, str(error))
    return _Known(rows, dataset_folds(manifest, plan), plan.k)


# ---- all rows ---------------------------------------------------------------------------------------


def _look(known: _Known, space: SearchSpace, arguments: argparse.Namespace, say: Announce) -> Look:
    """The rows of the search first, then those that it leaves out and those to predict."""
    own = known.rows.manifest
    manifest, predicted = _each_image_once(own, _others(known.rows.full, own), arguments.predict)
    folds = np.full(len(manifest), -1, np.int16)
    place = {path: row for row, path in enumerate(manifest.frame["path"])}
    folds[[place[path] for path in own.frame["path"]]] = np.maximum(known.folds, -1)
    targets = _targets(space)
    return Look(
        manifest=manifest,
        cache_dir=_cache(arguments),
        targets=targets,
        tasks=tuple(_labels(target, manifest.frame) for target in targets),
        folds=folds,
        k=known.k,
        space=space,
        arguments=arguments,
        say=say,
        predicted=predicted,
        refusal=known.refusal,
    )


def _unlabelled(manifest: Manifest, arguments: argparse.Namespace, say: Announce) -> Look:
    whole, predicted = _each_image_once(manifest, manifest.frame.iloc[:0], arguments.predict)
    return Look(
        manifest=whole,
        cache_dir=_cache(arguments),
        targets=(),
        tasks=(),
        folds=np.full(len(whole), -1, np.int16),
        k=0,
        space=None,
        arguments=arguments,
        say=say,
        predicted=predicted,
    )


def _cache(arguments: argparse.Namespace) -> str:
    return str((arguments.runs / ".cache" / "images").resolve())


def _others(full: Manifest | None, own: Manifest) -> pd.DataFrame:
    """Rows without a label, of a class that is left out, or with role test."""
    if full is None:
        return own.frame.iloc[:0]
    return full.frame[~full.frame["path"].isin(set(own.frame["path"]))]


def _each_image_once(own: Manifest, others: pd.DataFrame, predict: str | None) -> tuple[Manifest, int]:
    """All rows, and how many of them, the last ones, are to predict.

    An image that joins several folds' training parts has a row for each; its pixels are one image.
    """
    parts = [part for part in (own.frame, others) if len(part)]
    frame = pd.concat(parts, ignore_index=True).drop_duplicates("path", ignore_index=True)
    known = len(frame)
    if predict is not None:
        parts = [frame, _to_predict(own.root, load_manifest(predict))]
        frame = pd.concat(parts, ignore_index=True).drop_duplicates("path", ignore_index=True)
    return replace(own, frame=frame), len(frame) - known


def _to_predict(root: Path, manifest: Manifest) -> pd.DataFrame:
    frame = manifest.frame
    paths = pd.Series(paths_below(root, manifest), dtype=object)
    # An image that nothing groups is a group of its own: its name there may be another image's here.
    groups = frame["group"].where(frame["group"] != frame["path"], paths)
    return frame.assign(path=paths, group=groups, role="test")


# ---- labels -----------------------------------------------------------------------------------------


def _targets(space: SearchSpace) -> tuple[Target, ...]:
    """Joints taken apart, each part once."""
    roots = [space.target, *space.stratify, *([] if space.joint is None else [space.joint])]
    return tuple({part.name: part for root in roots for part in _parts(root)}.values())


def _parts(target: Target) -> Iterator[Target]:
    if isinstance(target, Joint):
        for part in target.parts:
            yield from _parts(part)
    elif not target.is_open:
        yield target


def _labels(target: Target, frame: pd.DataFrame) -> TaskLabels:
    """Rows whose label is missing, or none of the classes, are not labelled."""
    readable: Iterator[NDArray[np.int64]] = iter(())
    shape = (len(frame), len(target.classes)) if target.multi_label else (len(frame),)
    values = np.full(shape, -1, np.int64)
    if set(target.columns) <= set(frame.columns):
        given = [[cell is not None for cell in to_scalars(frame[name])] for name in target.columns]
        readable = _readable_parts(target, frame, np.flatnonzero(np.any(given, axis=0)))
    for rows in readable:
        values[rows] = target.encode(frame.iloc[rows].reset_index(drop=True))
    return TaskLabels(target.name, tuple(target.classes), values)


def _readable_parts(
    target: Target, frame: pd.DataFrame, rows: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Rows whose labels can be read, found by halving those among which some cannot."""
    part = frame.iloc[rows].reset_index(drop=True)
    try:
        rows = rows[~target.excluded(part)]
        if len(rows):
            target.encode(frame.iloc[rows].reset_index(drop=True))
            yield rows
    except ManifestError:
        if len(rows) > 1:
            for half in np.array_split(rows, 2):
                yield from _readable_parts(target, frame, half)
