"""Images that are there twice: they share a group, and no image has two labels or two roles unseen.

Identical are files with the same bytes, under any names, and images in which `check` found the same pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.callbacks import Announce
from orchestrator.core.choices import ON_CONFLICT, TORN_CLUSTERS
from orchestrator.core.errors import FoldPlanError, InputError, ManifestError
from orchestrator.core.text import counted, on_one_line, shortened
from orchestrator.data.given_folds import fold_names
from orchestrator.data.identical_files import codes_of, identical_files
from orchestrator.data.known_clusters import known_clusters
from orchestrator.data.manifest import Manifest, joined_folds
from orchestrator.data.quality.crossing import Pair, at_odds, mates
from orchestrator.data.quality.joined_groups import join_codes, with_joined_groups
from orchestrator.inputs.data_options import DataOptions
from orchestrator.progress import progress_bar


@dataclass(frozen=True)
class Copies:
    """Which of a manifest's images are the same, and what was done about it."""

    code_of: dict[str, int] = field(default_factory=dict)  # path -> equal numbers for identical images
    on_conflict: str = "error"
    record: dict[str, Any] = field(default_factory=dict)  # for the header; empty where there are none

    def codes(self, frame: pd.DataFrame) -> NDArray[np.int64]:
        """(n,) of a table of the manifest's rows."""
        return codes_of(self.code_of.get(path, path) for path in frame["path"])


NO_COPIES = Copies()
MANY_GROUPS = 5
"""Given groups that have one image: so many are hardly one patient."""


def join_copies(
    manifest: Manifest, fold_column: str | None, options: DataOptions, say: Announce
) -> tuple[Manifest, Copies]:
    """The manifest in which identical images of one role share a group, and which images those are.

    Raises ManifestError where an image is trained on in one row and judged in another, FoldPlanError where
    the fold column tears copies.
    """
    on_conflict = _one_of("--on-conflict", options.on_conflict, ON_CONFLICT)
    _one_of("--torn-clusters", options.torn_clusters, TORN_CLUSTERS)
    codes = _same_images(manifest, options)
    twice = np.bincount(codes)[codes] > 1
    if not twice.any():
        return manifest, Copies(on_conflict=on_conflict)
    _refuse_judged_copies(manifest, codes)
    _warn_of_test_copies(manifest, codes, say)
    code_of = dict(zip(manifest.frame["path"], codes.tolist(), strict=True))
    torn = _torn_by_column(manifest, codes, fold_column)
    if torn:
        _refuse_or_warn(manifest, torn, fold_column, options, say)
        stays = np.isin(codes, codes[[row for pair in torn for row in pair]])
        codes = np.where(stays, codes.max() + 1 + np.arange(len(codes)), codes)
    joined = with_joined_groups(manifest, codes)
    record: dict[str, Any] = {"torn_by_fold_column": len(torn)} if torn else {}
    if joined is not manifest:
        counts, line = _joining(manifest, joined, codes)
        say(line)
        record |= counts
        _warn_of_placeholder(manifest, codes, say)
    return joined, Copies(code_of, on_conflict, record)


def _one_of(option: str, asked: str | None, known: Sequence[str]) -> str:
    """The first where nothing is asked for. Raises InputError."""
    if asked is not None and asked not in known:
        raise InputError(f"{option} {asked}: use {', '.join(known)}")
    return asked or known[0]


def _same_images(manifest: Manifest, options: DataOptions) -> NDArray[np.int64]:
    """(n,)"""
    paths = [str(path) for path in manifest.frame["path"]]
    if options.data is None:
        return np.arange(len(paths))  # drawn by the program, no two alike
    cache = options.runs / ".cache"
    with progress_bar("looking for copies") as progress:
        codes = identical_files(manifest.root, paths, cache / "contents", progress)
    known = known_clusters(cache, manifest.root, paths)
    return codes if known is None else join_codes(codes, known.exact)


# ---- copies in two roles --------------------------------------------------------------------------


def _refuse_judged_copies(manifest: Manifest, codes: NDArray[np.int64]) -> None:
    """As `extra_rows.refuse_copies` does between two sources."""
    roles, bound = manifest.frame["role"].to_numpy(), joined_folds(manifest.frame) >= 0
    extra = roles == "extra"
    # A label that models gave to a test image for one fold is no knowledge of its own label.
    pairs = mates(codes, extra, roles == "train") + mates(codes, extra & ~bound, roles == "test")
    if pairs:
        raise ManifestError(
            f"{manifest.name}: {counted(len(pairs), 'image')} with role extra of which a copy is to be "
            f"judged: {_named(manifest, pairs)}; what is judged must not be trained on: take these rows out"
        )


def _warn_of_test_copies(manifest: Manifest, codes: NDArray[np.int64], say: Announce) -> None:
    roles = manifest.frame["role"].to_numpy()
    pairs = mates(codes, roles == "test", roles == "train")
    if pairs:
        say(
            f"warning: {len(pairs)} of {int((roles == 'test').sum())} images with role test are copies of "
            f"training images: {_named(manifest, pairs)}; a score on them says nothing of new images, and "
            "an ensemble leaves them out of its score on untouched rows"
        )


# ---- copies in two folds of the user's own ---------------------------------------------------------


def _torn_by_column(manifest: Manifest, codes: NDArray[np.int64], column: str | None) -> list[Pair]:
    if column is None or column not in manifest.frame:
        return []
    folds = fold_names(manifest.frame, column)
    is_train = manifest.frame["role"] == "train"
    return at_odds(codes, [name if trained else None for name, trained in zip(folds, is_train, strict=True)])


def _refuse_or_warn(
    manifest: Manifest, torn: list[Pair], column: str | None, options: DataOptions, say: Announce
) -> None:
    found = (
        f"fold column {column!r} puts {counted(len(torn), 'copy', 'copies')} of an image into another fold: "
        f"{_named(manifest, torn)}"
    )
    if options.torn_clusters == "warn":
        say(f"warning: {found}; their score is too good, as models trained on what they are judged by")
        return
    raise FoldPlanError(
        f"{found}; a model would be judged on what it trained on. Give copies one fold, keep one of each, or "
        "leave fold_column out; --torn-clusters warn keeps the folds as they are"
    )


def _joining(manifest: Manifest, joined: Manifest, codes: NDArray[np.int64]) -> tuple[dict[str, Any], str]:
    """What is kept of it, and said."""
    paths, roles = manifest.frame["path"], manifest.frame["role"]
    pairs = _copies(codes_of(zip(roles, codes.tolist(), strict=True)), paths.tolist())
    before, after = (item.frame["group"].nunique() for item in (manifest, joined))
    line = (
        f"copies: {len(pairs)} of {paths.nunique()} images hold the same as another "
        f"({_named(manifest, pairs)}); copies share a group, so {counted(before, 'group')} became {after}"
    )
    return {"images": len(pairs), "groups_given": before, "groups": after}, line


def _warn_of_placeholder(manifest: Manifest, codes: NDArray[np.int64], say: Announce) -> None:
    """One picture that stands for many, such as a black one, would make one group of all that have it."""
    groups, paths = manifest.frame["group"].to_numpy(), manifest.frame["path"].to_numpy()
    if (groups == paths).all():
        return  # nothing gives groups that it could join
    held = pd.Series(groups).groupby(codes).nunique()
    if held.max() >= MANY_GROUPS:
        example = paths[np.flatnonzero(codes == held.idxmax())[0]]
        say(
            f"warning: the image {on_one_line(str(example))} is in {held.max()} groups, which it makes one; "
            "if it stands for pictures that are missing, take its rows out"
        )


def _copies(codes: NDArray[np.int64], paths: Sequence[str]) -> list[Pair]:
    """The first row of each code with every other one; an image in rows for several folds counts once."""
    once = dict(zip(reversed(paths), reversed(range(len(paths))), strict=True))
    return at_odds(codes, [path if once[path] == row else None for row, path in enumerate(paths)])


def _named(manifest: Manifest, pairs: Sequence[Pair]) -> str:
    paths = manifest.frame["path"].tolist()
    return shortened([f"{paths[one]} = {paths[other]}" for one, other in pairs])
