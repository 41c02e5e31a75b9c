"""The rows of a new study: the data, its label fixes, and what other sources add to the training parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.core.callbacks import Announce
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import ManifestError
from orchestrator.data.extra_rows import add_extra, load_extra, refuse_copies, refuse_shared_groups
from orchestrator.data.label_fixes import FixReport, apply_fixes
from orchestrator.data.manifest import DataSource, Manifest, joined_folds, load_manifest, source_name
from orchestrator.data.targets import given_text
from orchestrator.demo.faces import demo_faces
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.fixes_table import fixes_table
from orchestrator.progress import progress_bar
from orchestrator.space import SearchSpace

DEMO = "the embedded demo faces (drawn by the program; give your own with --data)"


@dataclass(frozen=True)
class Rows:
    """The rows of a new study."""

    manifest: Manifest  # no row has role test
    header: dict[str, Any]  # where the rows came from, for the study's header
    fixes: FixReport | None = None


def gather_rows(options: DataOptions, space: SearchSpace, say: Announce) -> Rows:
    """Everything a study is made of, read and checked once; resuming reads the study alone.

    Raises ManifestError.
    """
    source, full_manifest = _read_data(options, space, say)
    fixes = None
    if options.label_fixes is not None:
        full_manifest, fixes = apply_fixes(full_manifest, options.label_fixes, space.fold_column)
        say(f"{fixes}\n{fixes_table(fixes.fixes)}")
    kept = full_manifest.frame[full_manifest.frame["role"] != "test"].reset_index(drop=True)
    if kept.empty:
        raise ManifestError(f"{source}: every row has role test; a search needs rows with role train")
    manifest, extras = replace(full_manifest, frame=kept), []
    for other in options.extra:
        manifest, record = _joined(manifest, full_manifest, other, space, say)
        extras.append(record)
    header: dict[str, Any] = {"manifest": _origin(source, manifest)}
    if fixes is not None:
        header["label_fixes"] = fixes.to_json()
    if extras:
        header["extra"] = extras
    return Rows(manifest, header, fixes)


def _read_data(options: DataOptions, space: SearchSpace, say: Announce) -> tuple[Path, Manifest]:
    """What the data is called, and all its rows, those with role test included."""
    given: DataSource = draw_demo(options.runs) if options.data is None else options.data
    if options.data is None:
        say(f"data: {DEMO}")
    manifest = load_manifest(
        given, reading=options.reading, group_column=space.group, data_root=options.data_root
    )
    for note in manifest.notes:
        say(f"note: {note}")
    return source_name(given), manifest


def _origin(source: Path, manifest: Manifest) -> dict[str, Any]:
    return {"source": str(source), "root": str(manifest.root), "fingerprint": manifest.fingerprint}


def _joined(
    manifest: Manifest, full_manifest: Manifest, source: Path, space: SearchSpace, say: Announce
) -> tuple[Manifest, dict[str, Any]]:
    """full_manifest: with the rows that have role test, which must not be trained on either."""
    extra = load_extra(source, space.group, full_manifest)
    for note in extra.notes:
        say(f"note: {note}")
    _refuse_unlabelled(extra, source, space)
    refuse_shared_groups(full_manifest, extra)
    with progress_bar("looking for copies") as progress:
        refuse_copies(full_manifest, extra, progress)
    say(f"extra: {len(extra)} rows of {extra.name} join {_joined_parts(extra)} and no validation part")
    return add_extra(manifest, extra), {**_origin(source, extra), "rows": len(extra)}


def _refuse_unlabelled(extra: Manifest, source: Path, space: SearchSpace) -> None:
    """While rows still have the names and numbers of their own file. Raises ManifestError."""
    for target in (space.target, *(space.given or ())[:1]):
        try:
            target.encode(extra.frame)
        except ManifestError as error:
            raise ManifestError(f"--extra {source}: {error}") from None


def _joined_parts(extra: Manifest) -> str:
    bound = int((joined_folds(extra.frame) >= 0).sum())
    if bound == len(extra):
        return "one fold's training part each"
    return "every training part" + (f" ({bound} of them one fold's alone)" if bound else "")


def rows_line(manifest: Manifest, dataset: Dataset, space: SearchSpace) -> str:
    """How many images of how many groups, how many of each class; an image in several folds counts once."""
    own = (manifest.frame["role"] == "train").to_numpy()
    scored = own if dataset.condition_mask is None else own & dataset.condition_mask
    counts = np.bincount(dataset.labels[scored], minlength=len(space.target.classes))
    per_class = ", ".join(f"{name} {count}" for name, count in zip(space.target.classes, counts, strict=True))
    groups = manifest.frame["group"][own].nunique()
    others = manifest.frame["path"][~own].nunique()
    extra = f"; {others} images with role extra, never validated" if others else ""
    given = "" if space.given is None else f" given {given_text(space.given)}"
    return f"rows: {own.sum()} images of {groups} groups; {space.target.name}{given}: {per_class}{extra}"


def draw_demo(runs: Path) -> Path:
    """The demo faces' training folder; drawn where they are not there yet, the same every time."""
    with progress_bar("drawing demo faces") as progress:
        return demo_faces(runs / ".cache", progress=progress) / "train"
