"""The rows of a new study: the data, its label fixes, and what other sources add to the training parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.core.arrays import Labels
from orchestrator.core.callbacks import Announce
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import ManifestError
from orchestrator.core.text import counted, shortened
from orchestrator.data.extra_rows import add_extra, load_extra, refuse_copies, refuse_shared_groups
from orchestrator.data.given_folds import held_out
from orchestrator.data.label_fixes import FixReport, apply_fixes
from orchestrator.data.manifest import DataSource, Manifest, joined_folds, load_manifest, source_name
from orchestrator.data.targets import Target, given_text
from orchestrator.demo.faces import demo_faces
from orchestrator.inputs.copies import join_copies
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.fixes_table import fixes_table
from orchestrator.inputs.target_resolution import resolve_targets, unlabelled_rows
from orchestrator.progress import progress_bar
from orchestrator.space import SearchSpace

_CLASSES_SHOWN = 30  # in a line
DEMO_NAME = "the embedded demo faces"
DEMO = f"{DEMO_NAME} (drawn by the program; give your own with --data)"


@dataclass(frozen=True)
class Rows:
    """The rows of a new study, and its space."""

    space: SearchSpace  # whose targets know their classes
    manifest: Manifest  # no row has role test
    header: dict[str, Any]  # where the rows came from, for the study's header
    fixes: FixReport | None = None
    full: Manifest | None = (
        None  # every row of the data, before any was left out; None for rows made otherwise
    )


def gather_rows(options: DataOptions, space: SearchSpace, say: Announce) -> Rows:
    """Everything a study is made of, read and checked once; resuming reads the study alone.

    Raises ManifestError.
    """
    source, full_manifest = _read_data(options, space, say)
    fixes = None
    if options.label_fixes is not None:
        full_manifest, fixes = apply_fixes(full_manifest, options.label_fixes, space.fold_column)
        say(f"{fixes}\n{fixes_table(fixes.fixes)}")
    full_manifest, line = held_out(full_manifest, space.fold_column)
    if line is not None:
        say(line)
    if (full_manifest.frame["role"] == "test").all():
        raise ManifestError(
            f"{source}: {full_manifest.why_nothing_trains()}; a search needs rows with role train"
        )
    joined, copies = join_copies(full_manifest, space.fold_column, options, say)
    resolved = resolve_targets(space, joined, options, say, copies)
    space, manifest, extras = resolved.space, resolved.manifest, []
    for other in options.extra:
        manifest, record = _joined(manifest, full_manifest, other, space, say)
        extras.append(record)
    header: dict[str, Any] = {"manifest": _origin(source, manifest)}
    if told := replace(options.reading, data_root=options.data_root).to_json():
        header["manifest"]["reading"] = told  # so that its rows with role test can be found again
    if fixes is not None:
        header["label_fixes"] = fixes.to_json()
    if extras:
        header["extra"] = extras
    if resolved.record:
        header["label_rules"] = resolved.record
    if copies.record:
        header["copies"] = copies.record
    return Rows(space, manifest, header, fixes, joined)


def _read_data(options: DataOptions, space: SearchSpace, say: Announce) -> tuple[Path, Manifest]:
    """What the data is called, and all its rows, those with role test included."""
    given: DataSource = draw_demo(options.runs) if options.data is None else options.data
    if options.data is None:
        say(f"data: {DEMO}")
    manifest = load_manifest(
        given, reading=options.reading, group_column=space.group, data_root=options.data_root
    )
    for line in manifest.lines():
        say(line)
    return source_name(given), manifest


def _origin(source: Path, manifest: Manifest) -> dict[str, Any]:
    return {"source": str(source), "root": str(manifest.root), "fingerprint": manifest.fingerprint}


def _joined(
    manifest: Manifest, full_manifest: Manifest, source: Path, space: SearchSpace, say: Announce
) -> tuple[Manifest, dict[str, Any]]:
    """full_manifest: with the rows that have role test, which must not be trained on either."""
    extra = load_extra(source, space.group, full_manifest)
    for line in extra.lines():
        say(line)
    extra = _labelled(extra, source, space, say)
    refuse_shared_groups(full_manifest, extra)
    with progress_bar("looking for copies") as progress:
        refuse_copies(full_manifest, extra, progress)
    say(f"extra: {len(extra)} rows of {extra.name} join {_joined_parts(extra)} and no validation part")
    return add_extra(manifest, extra), {**_origin(source, extra), "rows": len(extra)}


def _labelled(extra: Manifest, source: Path, space: SearchSpace, say: Announce) -> Manifest:
    """Without the rows that the targets' own rules leave out. Raises ManifestError for a row without a label,
    while rows still have the names and numbers of their own file."""
    gone = unlabelled_rows(space, extra.frame)
    if gone.any():
        say(f"note: --extra {source}: {counted(int(gone.sum()), 'row')} left out (no label, or a rare class)")
        extra = replace(extra, frame=extra.frame[~gone].reset_index(drop=True))
    if extra.frame.empty:
        raise ManifestError(f"--extra {source}: no row has a label of {space.target.name}; leave it out")
    for target in (space.target, *(space.given or ())[:1]):
        try:
            target.encode(extra.frame)
        except ManifestError as error:
            raise ManifestError(f"--extra {source}: {error}") from None
    return extra


def _joined_parts(extra: Manifest) -> str:
    bound = int((joined_folds(extra.frame) >= 0).sum())
    if bound == len(extra):
        return "one fold's training part each"
    return "every training part" + (f" ({bound} of them one fold's alone)" if bound else "")


def rows_line(manifest: Manifest, dataset: Dataset, space: SearchSpace) -> str:
    """How many images of how many groups, how many of each class; an image in several folds counts once."""
    own = (manifest.frame["role"] == "train").to_numpy()
    scored = own if dataset.condition_mask is None else own & dataset.condition_mask
    per_class = shortened(_class_counts(space.target, dataset.labels[scored]), _CLASSES_SHOWN)
    groups = manifest.frame["group"][own].nunique()
    others = manifest.frame["path"][~own].nunique()
    extra = f"; {others} images with role extra, never validated" if others else ""
    given = "" if space.given is None else f" given {given_text(space.given)}"
    return f"rows: {own.sum()} images of {groups} groups; {space.target.name}{given}: {per_class}{extra}"


def _class_counts(target: Target, labels: Labels) -> list[str]:
    """Each class with its number of images; of a multi-label target, whose labels overlap, also no label."""
    if labels.ndim == 1:
        counts = np.bincount(labels, minlength=len(target.classes))
        return [f"{name} {count}" for name, count in zip(target.classes, counts, strict=True)]
    none = int((labels.sum(axis=1) == 0).sum())
    held = [f"{name} {count}" for name, count in zip(target.classes, labels.sum(axis=0), strict=True)]
    return [*held, f"no label {none}"] if none else held


def draw_demo(runs: Path) -> Path:
    """The demo faces' training folder; drawn where they are not there yet, the same every time."""
    with progress_bar("drawing demo faces") as progress:
        return demo_faces(runs / ".cache", progress=progress) / "train"
