"""Rows of other sources that join training parts and are never validated.

They have role extra. Rows whose labels a fold's own models gave (column only_fold) join that fold's training
part alone, and only in a study whose folds those models were trained on (column fold_plan_digest).
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import FoldPlanError, ManifestError
from orchestrator.core.file_digest import sha256_of_file
from orchestrator.core.text import shortened
from orchestrator.data.folds import FoldPlan
from orchestrator.data.manifest import (
    FOLD_PLAN_DIGEST,
    NAMES_NO_GROUP,
    ONLY_FOLD,
    Manifest,
    group_columns,
    group_names,
    joined_folds,
    load_manifest,
    role_conflict,
)
from orchestrator.data.scalars import Scalar, to_scalars, to_text
from orchestrator.data.table_files import normalise_column_types

_TEXTS = ("path", "group", "role")
_DIGEST = 16  # hex digits; the digest is repeated in every row


# ---- joining --------------------------------------------------------------------------------------


def load_extra(source: Path, group: str | None, judged: Manifest | None = None) -> Manifest:
    """The rows of `source` that may be trained on: all but those with role test. Raises ManifestError.

    group: the space's column; judged: the rows it joins. A source is grouped by that column, else by a column
    group, else by the one that the judged rows' groups came from, so that a group that is in both is seen;
    where it has none of them, a note says what that means.
    """
    manifest = load_manifest(source)
    if ONLY_FOLD not in manifest.frame:
        manifest = _grouped_alike(manifest, source, group, judged)
    kept = manifest.frame[manifest.frame["role"] != "test"].reset_index(drop=True)
    if kept.empty:
        raise ManifestError(f"--extra {source}: every row has role test, so no label can be trained on")
    return replace(manifest, frame=kept.assign(role="extra"))


def _grouped_alike(manifest: Manifest, source: Path, group: str | None, judged: Manifest | None) -> Manifest:
    if group in manifest.frame:
        return load_manifest(source, group_column=group)
    names_one = manifest.frame["group"].tolist() != manifest.frame["path"].tolist()
    if judged is None or names_one:
        return manifest
    columns = group_columns(judged.frame)
    known = next((name for name in columns if name in manifest.frame), None)
    if known is not None:
        return load_manifest(source, group_column=known)
    others = (note for note in manifest.notes if not note.startswith(f"{source} {NAMES_NO_GROUP}"))
    note = (
        f"{source} {NAMES_NO_GROUP}: its images are taken for other groups than those of "
        f"{judged.name}; give it a column {' or '.join([*columns[:1], 'group'])} if they may be the same"
    )
    return replace(manifest, notes=(*others, note))


def add_extra(manifest: Manifest, extra: Manifest) -> Manifest:
    """The rows of both, the extra ones last and with role extra; paths stay relative to `manifest.root`.

    A column that one of them lacks is missing in its rows. Raises ManifestError for a group in both.
    """
    refuse_shared_groups(manifest, extra)
    moved = extra.frame.assign(path=paths_below(manifest.root, extra), role="extra")
    columns = dict.fromkeys([*manifest.frame.columns, *moved.columns])
    cells = {str(name): _cells(manifest.frame, name) + _cells(moved, name) for name in columns}
    texts = {name: [to_text(cell) for cell in cells[name]] for name in _TEXTS}
    frame = normalise_column_types(cells).assign(
        **{name: pd.Series(values, dtype=object) for name, values in texts.items()}
    )
    conflict = role_conflict(frame)
    if conflict is not None:
        raise ManifestError(f"--extra {extra.name}: {conflict}")
    return replace(manifest, frame=frame)


def paths_below(root: Path, other: Manifest) -> list[str]:
    """The paths of another manifest's rows, relative to `root`."""
    # Links are followed on both sides: `..` out of a linked folder leads elsewhere than it reads.
    prefix = Path(os.path.relpath(os.path.realpath(other.root), os.path.realpath(root))).as_posix()
    return [posixpath.normpath(posixpath.join(prefix, path)) for path in other.frame["path"]]


def _cells(frame: pd.DataFrame, name: str) -> list[Scalar]:
    return to_scalars(frame[name]) if name in frame else [None] * len(frame)


def refuse_shared_groups(manifest: Manifest, extra: Manifest) -> None:
    """Raises ManifestError when a group that is not extra is in both."""
    judged = group_names(manifest.frame[manifest.frame["role"] != "extra"])
    shared = sorted(judged & set(extra.frame["group"]))
    if shared:
        raise ManifestError(
            f"--extra {extra.name}: {len(shared)} of its groups are in {manifest.name} too: "
            f"{shortened(shared)}; those groups would be trained on and judged on, so take their rows out.\n"
            "If they are other groups with the same ids, give the extra table ids of its own in that column "
            f"(such as {extra.name}-{shared[0]})"
        )


# ---- copies of judged images ------------------------------------------------------------------------


def refuse_copies(manifest: Manifest, extra: Manifest, progress: Progress | None = None) -> None:
    """Raises ManifestError when an extra image is, byte for byte, one of the manifest's, whatever its name.

    A row that joins one fold may be an image with role test: its label is predicted, not known. Images that
    were encoded anew are not found.
    """
    report = progress or (lambda done, total: None)
    test = set(manifest.frame["path"][manifest.frame["role"] == "test"])
    own, known = manifest.frame["path"].tolist(), set(extra.frame["path"][joined_folds(extra.frame) < 0])
    foreign = extra.frame["path"].drop_duplicates().tolist()
    total = len(own) + len(foreign)
    of_size: defaultdict[int, list[str]] = defaultdict(list)
    for done, path in enumerate(own):
        report(done, total)
        of_size[_size(manifest.root / path)].append(path)
    suspects = []
    for done, path in enumerate(foreign, start=len(own)):
        report(done, total)
        same = [
            mate for mate in of_size.get(_size(extra.root / path), []) if path in known or mate not in test
        ]
        suspects.extend([(path, same)] * bool(same))
    _refuse_equal(manifest, extra, suspects, report)


def _refuse_equal(
    manifest: Manifest, extra: Manifest, suspects: list[tuple[str, list[str]]], report: Progress
) -> None:
    digests: dict[str, bytes] = {}  # only of files of equal size: reading all would take minutes
    pairs = []
    for done, (path, same) in enumerate(suspects):
        report(done, len(suspects))
        own = _digest(extra.root / path)
        for mate in same:
            if mate not in digests:
                digests[mate] = _digest(manifest.root / mate)
            pairs.extend([f"{path} = {mate}"] * (digests[mate] == own))
    if pairs:
        raise ManifestError(
            f"--extra {extra.name}: {len(pairs)} of its images are, byte for byte, images of "
            f"{manifest.name}: {shortened(pairs)}; what is judged must not be trained on, so take "
            "these rows out"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise ManifestError(f"image {path} cannot be read: {error.strerror}; take its row out") from None


def _digest(path: Path) -> bytes:
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise ManifestError(f"image {path} cannot be read: {error.strerror}; take its row out") from None


# ---- rows that join one fold ----------------------------------------------------------------------


def train_digest(paths: Iterable[str], folds: NDArray[np.int16]) -> str:
    """Of which train row is validated in which fold, in any order. folds (n,); rows with a negative one are
    no train rows and don't count."""
    pairs = sorted((str(path), int(fold)) for path, fold in zip(paths, folds, strict=True) if fold >= 0)
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()[:_DIGEST]


def refuse_other_folds(manifest: Manifest, plan: FoldPlan) -> None:
    """Raises FoldPlanError when a row joins one fold of a plan that has other train rows or folds."""
    joins = joined_folds(manifest.frame)
    bound = joins >= 0
    if not bound.any():
        return
    wanted = train_digest(manifest.frame["path"], plan.folds)
    found = np.array([to_text(cell) or "" for cell in _cells(manifest.frame, FOLD_PLAN_DIGEST)])
    strange = bound & ((found != wanted) | (joins >= plan.k))
    if strange.any():
        raise FoldPlanError(
            f"{int(strange.sum())} rows ({manifest.frame['path'][strange].iloc[0]}, ...) have labels for one "
            f"fold, but not of this study's {plan.k} folds (other rows, k, seed or strata): the models that "
            "gave them trained on what is validated here.\nMake them anew with `python -m "
            "orchestrator.pseudo_labels` from a study with these folds, or use that one's data and --seed"
        )


def dataset_folds(manifest: Manifest, plan: FoldPlan) -> NDArray[np.int16]:
    """(n,) as in `Dataset.folds`: the plan's, and -2 - f where a row joins fold f alone."""
    joins = joined_folds(manifest.frame)
    return np.where(joins >= 0, -2 - joins, plan.folds).astype(np.int16)
