"""Where a study's images lie on this machine, and whether they are the ones the study was begun with.

A dataset travels from the driver to every process that uses images; machines need share no folder. Each finds
the images by a rule that does not need to know which machine it is on (`resolve_on_node`), is checked to hold
the right ones before anything runs (`check_images`), and keeps the decoded ones in a cache of its own.
"""

from __future__ import annotations

import os
import platform
import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset, ImageFiles, ImageLocator
from orchestrator.core.errors import ManifestError
from orchestrator.core.private_files import keep_private
from orchestrator.core.text import shortened
from orchestrator.data.image_record import Differences, compare
from orchestrator.data.image_roots import (
    DATA_ROOT,
    folder_identity,
    has_images,
    is_beside,
)
from orchestrator.demo.faces import demo_faces, demo_folder

CACHE = "FOLD_ORCHESTRATOR_CACHE"
"""Environment variable of one machine: where it keeps decoded images and demo faces."""
_ELSEWHERE = (
    "say where they lie with --data-root DIR (of a study that was begun: --resume --data-root DIR) or, on "
    f"that server, {DATA_ROOT}"
)


def resolve_on_node(dataset: Dataset) -> Dataset:
    """The dataset with `root` and `cache_dir` as they are here. Cheap; looks, but makes nothing.

    A private dataset also makes this process write for its owner alone.
    """
    origin = dataset.origin
    if origin is None:
        return dataset  # made for this machine
    keep_private(origin.private)
    cache = _cache_dir(dataset.cache_dir, origin)
    sizes = None if origin.files is None else origin.files.sizes
    candidates = _candidate_roots(dataset)
    root = _drawn_root(dataset, cache) if origin.drawn else _found_root(dataset.paths, candidates, sizes)
    return replace(dataset, root=str(root), cache_dir=str(cache))


def check_images(dataset: Dataset, progress: Progress | None = None) -> None:
    """Whether this machine holds the images of a dataset that `resolve_on_node` returned; draws demo faces.

    Raises ManifestError, which names the host, the root and what is missing or differs, and StorageError.
    """
    _check_cache(Path(dataset.cache_dir))
    origin = dataset.origin
    root = Path(dataset.root)
    if origin is not None and origin.drawn and not has_images(root, dataset.paths):
        demo_faces(root.parents[1], progress=progress)
    found = compare(root, dataset.paths, None if origin is None else origin.files, progress)
    if found.missing or found.changed:
        raise ManifestError(_differ(dataset, found))


def _candidate_roots(dataset: Dataset) -> list[str]:
    """Where the images may lie, the machine's own word first."""
    origin = dataset.origin
    data_root = None if origin is None else origin.data_root
    return [root for root in (_variable(DATA_ROOT), data_root, dataset.root) if root]


def _variable(name: str) -> str | None:
    """The folder that the machine's environment names, if it names one."""
    given = os.environ.get(name)
    return str(Path(given).expanduser().absolute()) if given else None


def _found_root(paths: Sequence[str], candidates: Sequence[str], sizes: NDArray[np.int64] | None) -> Path:
    """The first folder below which the images lie; else, to complain of, the first that has some of
    their names or the first of all."""
    roots = [Path(root) for root in candidates]
    own = (root for root in roots if has_images(root, paths, sizes))
    named = (root for root in roots if has_images(root, paths))
    return next(own, None) or next(named, roots[0])


def _drawn_root(dataset: Dataset, cache: Path) -> Path:
    own = Path(dataset.root)
    return own if has_images(own, dataset.paths) else demo_folder(cache) / own.name


# ---- the cache ------------------------------------------------------------------------------------


def _cache_dir(given: str, origin: ImageLocator) -> Path:
    """The variable's; the driver's own folder for processes that see that very folder; else the user's.

    A folder of the same name on another machine, even the same one over a network, is not the driver's:
    every machine decodes for itself, onto a disk of its own.
    """
    if named := _variable(CACHE):
        return Path(named)
    own = Path(given)
    if own.is_dir() and folder_identity(own) == origin.cache:
        return own
    return Path.home() / ".cache" / "fold-orchestrator" / "images"


def _check_cache(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(cache, os.W_OK | os.X_OK) else "not writable"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise ManifestError(
            f"{platform.node()}: decoded images cannot be kept in {cache} ({reason}); "
            f"name another folder with {CACHE} on that server"
        )


# ---- what is wrong --------------------------------------------------------------------------------


def _differ(dataset: Dataset, found: Differences) -> str:
    """One or two lines, fit for a list of machines."""
    host, total, paths = platform.node(), len(dataset.paths), dataset.paths
    parts = []
    if found.missing:
        missing = [paths[row] for row in found.missing]
        parts.append(f"{len(missing)} of {total} images are missing ({shortened(missing)})")
    if found.changed:
        changed = [paths[row] for row in found.changed]
        parts.append(
            f"{len(changed)} of {total} images are not those the study was begun with ({shortened(changed)})"
        )
    where, what = f"under {dataset.root}{_why(dataset)}", " and ".join(parts)
    return f"{host}: {where} {what}{_outside(dataset, found)}; {_way_out(dataset, found)}"


def _why(dataset: Dataset) -> str:
    origin = dataset.origin
    if dataset.root == _variable(DATA_ROOT):
        return f" ({DATA_ROOT})"
    return " (--data-root)" if origin is not None and dataset.root == origin.data_root else ""


def _outside(dataset: Dataset, found: Differences) -> str:
    """Where that is, is not obvious to who reads a path with dots."""
    rows = [row for row in (*found.missing, *found.changed) if is_beside(dataset.paths[row])]
    if not rows:
        return ""
    sought = os.path.realpath(Path(dataset.root) / dataset.paths[rows[0]])
    return f", {len(rows)} of them beside it (sought at {sought}, ...)"


def _way_out(dataset: Dataset, found: Differences) -> str:
    origin = dataset.origin
    files = None if origin is None else origin.files
    if origin is None or files is None:
        return f"put them there, or {_ELSEWHERE}"
    here = folder_identity(Path(dataset.cache_dir)) == origin.cache  # servers may have the same name
    if here and (files.host, files.root) == (platform.node(), dataset.root):
        moved = "say with --resume --data-root DIR where they lie now, " if found.missing else ""
        return f"restore them, {moved}or begin another study"
    if found.changed and dataset.root == _variable(DATA_ROOT):  # a copy could overwrite another data set
        return (
            f"unset {DATA_ROOT} on that server if it is meant for other images, or let it name a copy of "
            f"{files.host}:{files.root}"
        )
    return f"copy them ({_copies(dataset, files, found)}), or {_ELSEWHERE}"


def _copies(dataset: Dataset, files: ImageFiles, found: Differences) -> str:
    """A command for each folder whose images are not right: the root, and other sources beside it."""
    paths = [dataset.paths[row] for row in (*found.missing, *found.changed)]
    # The driver's root may be a link there: what its dots lead to is for that machine to say.
    moves = [
        (f"{files.root}/{folder}", os.path.realpath(Path(dataset.root) / folder))
        for folder in _folders_beside(path for path in paths if is_beside(path))
    ]
    if not all(map(is_beside, paths)):
        moves.insert(0, (files.root, dataset.root))
    return shortened([f"rsync -a {files.host}:{there}/ {here}/" for there, here in moves])


def _folders_beside(paths: Iterable[str]) -> list[str]:
    """For each source beside the root (../more, ../../other) the folder that all its paths lie in."""
    sources: defaultdict[str, list[str]] = defaultdict(list)
    for path in paths:
        parts = path.split("/")
        sources["/".join(parts[: parts.count("..") + 1])].append(posixpath.dirname(path))
    return sorted({posixpath.commonpath(folders) for folders in sources.values()})
