"""Where a study's images lie on this machine, and whether they are the ones the study was begun with.

A dataset travels from the driver to every process that uses images; machines need share no folder. Each finds
the images by a rule that does not need to know which machine it is on (`on_this_node`), is checked to hold
the right ones before anything runs (`check_images`), and keeps the decoded ones in a cache of its own.
"""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.demo_faces import demo_faces, demo_folder
from orchestrator.errors import ManifestError
from orchestrator.image_files import Differences, compare
from orchestrator.importers import shortened
from orchestrator.privacy import keep_private
from orchestrator.trial import Dataset, Origin, Progress

DATA_ROOT = "FOLD_ORCHESTRATOR_DATA_ROOT"
"""Environment variable of one machine: the folder below which its images lie, as the manifest lists them."""
CACHE = "FOLD_ORCHESTRATOR_CACHE"
"""Environment variable of one machine: where it keeps decoded images and demo faces."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def on_this_node(dataset: Dataset) -> Dataset:
    """The dataset with `root` and `cache_dir` as they are here. Cheap; looks, but makes nothing.

    A private dataset also makes this process write for its owner alone.
    """
    origin = dataset.origin
    if origin is None:
        return dataset  # made for this machine
    keep_private(origin.private)
    cache = _cache_dir(dataset.cache_dir, origin)
    root = _drawn_root(dataset, cache) if origin.drawn else found_root(dataset.paths, _places(dataset))
    return replace(dataset, root=str(root), cache_dir=str(cache))


def check_images(dataset: Dataset, progress: Progress | None = None) -> None:
    """Whether this machine holds the images, of a dataset that `on_this_node` returned; demo faces are drawn.

    Raises ManifestError, which names the host, the root and what is missing or differs, and StorageError.
    """
    _check_cache(Path(dataset.cache_dir))
    origin = dataset.origin
    root = Path(dataset.root)
    if origin is not None and origin.drawn and not _holds(root, dataset.paths):
        demo_faces(root.parents[1], progress=progress)
    found = compare(root, dataset.paths, None if origin is None else origin.files, progress)
    if found.missing or found.changed:
        raise ManifestError(_differ(dataset, found))


def found_root(paths: Sequence[str], places: Iterable[str | Path]) -> Path:
    """The first place below which images lie; the first of all where there is none."""
    given = [Path(place) for place in places]
    return next((place for place in given if _holds(place, paths)), given[0])


def identity(folder: Path) -> str:
    """Of a folder that exists, on a machine that runs: no other has the same, wherever it is mounted."""
    try:
        machine = _BOOT_ID.read_text().strip()
    except OSError:  # not Linux
        machine = f"{platform.node()}-{uuid.getnode():x}"
    found = folder.stat()
    return f"{machine}:{found.st_dev}:{found.st_ino}"


def _places(dataset: Dataset) -> list[str]:
    """Where the images may lie, the machine's own word first."""
    origin = dataset.origin
    data_root = None if origin is None else origin.data_root
    return [place for place in (_variable(DATA_ROOT), data_root, dataset.root) if place]


def _variable(name: str) -> str | None:
    """A folder that the machine's environment names; None: none."""
    given = os.environ.get(name)
    return str(Path(given).expanduser().absolute()) if given else None


def _holds(root: Path, paths: Sequence[str]) -> bool:
    """Whether images lie there; a few of them tell, all are looked at by `check_images`."""
    return any((root / paths[row]).is_file() for row in {0, len(paths) // 2, len(paths) - 1})


def _drawn_root(dataset: Dataset, cache: Path) -> Path:
    own = Path(dataset.root)
    return own if _holds(own, dataset.paths) else demo_folder(cache) / own.name


# ---- the cache ------------------------------------------------------------------------------------


def _cache_dir(given: str, origin: Origin) -> Path:
    """The variable's; the driver's own folder for processes that see that very folder; else the user's.

    A folder of the same name on another machine, even the same one over a network, is not the driver's:
    every machine decodes for itself, onto a disk of its own.
    """
    if named := _variable(CACHE):
        return Path(named)
    own = Path(given)
    if own.is_dir() and identity(own) == origin.cache:
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
    return f"{host}: {where} {what}{_outside(dataset, found)}; {_way_out(dataset)}"


def _why(dataset: Dataset) -> str:
    origin = dataset.origin
    if dataset.root == _variable(DATA_ROOT):
        return f" ({DATA_ROOT})"
    return " (--data-root)" if origin is not None and dataset.root == origin.data_root else ""


def _outside(dataset: Dataset, found: Differences) -> str:
    """Rows of other sources may lie beside the root; where is not obvious to who reads a path with dots."""
    rows = [row for row in (*found.missing, *found.changed) if dataset.paths[row].startswith("../")]
    if not rows:
        return ""
    sought = os.path.realpath(Path(dataset.root) / dataset.paths[rows[0]])
    return f", {len(rows)} of them beside it (sought at {sought}, ...)"


def _way_out(dataset: Dataset) -> str:
    origin = dataset.origin
    files = None if origin is None else origin.files
    if origin is None or files is None:
        return f"put them there, or say where they lie with --data-root or, on that server, {DATA_ROOT}"
    here = identity(Path(dataset.cache_dir)) == origin.cache  # servers may have the same name
    if here and (files.host, files.root) == (platform.node(), dataset.root):
        return "restore them, or begin another study"
    return (
        f"copy them (rsync -a {files.host}:{files.root}/ {dataset.root}/), or say where they lie with "
        f"--data-root or, on that server, {DATA_ROOT}"
    )
