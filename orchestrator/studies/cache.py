"""What searches keep below `runs/.cache` to be quicker next time: what it is, when it was used, what goes.

Folds stay always: they are small, and studies of the same rows compare because they share them. So do the
copies that `check` found: a search refuses folds that tear them. What is unknown here stays, too.
"""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import OrchestratorError, StudyError
from orchestrator.core.text import counted
from orchestrator.studies.listing import files_below, study_folders
from orchestrator.study.driver_lock import held
from orchestrator.study.files import REMOVED
from orchestrator.study.study import Study

CACHE = ".cache"
RECENT_S = 600.0
"""What was used so lately may be of a search that is just beginning, and stays."""
DAY_S = 86400.0


@dataclass(frozen=True)
class CacheEntry:
    """Files that were made together and go together."""

    name: str
    paths: tuple[Path, ...]  # what says that it is whole, first
    size: int  # bytes
    used: float  # unix seconds: last read or written, as far as the disk keeps it
    costs: str  # what its loss costs, in words


@dataclass(frozen=True)
class _Kind:
    pattern: str  # below the cache; names one file or folder of each entry
    costs: str


_KINDS = (
    _Kind("images/images-*px.npy", "the next search of these images decodes them again"),
    _Kind("images/measures-*.npz", "the next check of these images measures them again"),
    _Kind("images/embeddings-*", "the next check computes their features again"),
    _Kind("contents/contents-*.parquet", "the next search reads these files again to find identical ones"),
    _Kind("baselines/*.parquet", "the next check of a study's baseline fits it again, in seconds"),
    _Kind("demo-faces-*", "the next search without --data draws them again, in seconds"),
)
_LEFT = _Kind(f"{REMOVED}*", "nothing: it is the rest of an earlier cleaning")


def cache_entries(cache: Path) -> list[CacheEntry]:
    """The one that was used longest ago first."""
    made = [_entry(path, kind.costs) for kind in _KINDS for path in cache.glob(kind.pattern) if _is_own(path)]
    left = [_entry(path, _LEFT.costs) for path in cache.glob(_LEFT.pattern) if _is_own(path)]
    return sorted((*made, *left), key=lambda entry: (entry.used, entry.name))


def _is_own(path: Path) -> bool:
    """Neither a lock, nor half-written, nor somewhere else."""
    return path.suffix not in (".lock", ".part") and not path.is_symlink()


def _entry(path: Path, costs: str) -> CacheEntry:
    state = path.with_suffix(".json")
    paths = tuple(item for item in (state, path) if item.exists())
    sizes, times = [0], [0.0]
    for item in paths:
        stats = [each[0] for each in files_below(item).values()] if item.is_dir() else [item.lstat()]
        sizes += [found.st_size for found in stats]
        times += [max(found.st_mtime, found.st_atime) for found in stats]
    return CacheEntry(path.name, paths, sum(sizes), max(times), _with_count(state, costs))


def _with_count(state: Path, costs: str) -> str:
    """How many images a store says it has."""
    try:
        count = int(json.loads(state.read_text())["facts"]["images"])
    except (OSError, ValueError, KeyError, TypeError):
        return costs
    return costs.replace("these images", f"these {counted(count, 'image')}")


def to_clean(
    entries: Sequence[CacheEntry], now: float, older_s: float | None, most_bytes: int | None
) -> list[CacheEntry]:
    """Those not used for `older_s` seconds, and as many more, the longest unused first, as it takes until the
    rest has at most `most_bytes`. None: no such limit. Rests of earlier cleanings always."""
    free = [entry for entry in entries if now - entry.used > RECENT_S or _is_left(entry)]
    old = [entry for entry in free if _is_left(entry) or (older_s is not None and now - entry.used > older_s)]
    size = sum(entry.size for entry in entries) - sum(entry.size for entry in old)
    for entry in free:
        if most_bytes is not None and size > most_bytes and entry not in old:
            old.append(entry)
            size -= entry.size
    return old


def _is_left(entry: CacheEntry) -> bool:
    return entry.name.startswith(REMOVED)


def clean(runs: Path, entries: Iterable[CacheEntry], progress: Progress | None = None) -> list[CacheEntry]:
    """Removes them; returns those that are in use and stay. While it does, no study of `runs` that is open
    can be driven. Raises StudyError where one is, OSError."""
    waiting, kept = list(entries), []
    with ExitStack() as stack:
        for folder in _open_studies(runs):
            try:
                stack.enter_context(held(folder))
            except StudyError as error:
                raise StudyError(f"{error}; its workers may read what would be removed") from error
        for number, entry in enumerate(waiting, 1):
            if not _remove(runs / CACHE, entry):
                kept.append(entry)
            if progress is not None:
                progress(number, len(waiting))
    return kept


def _open_studies(runs: Path) -> Iterator[Path]:
    """Those that a process may be driving; one that cannot be read may be, too."""
    for folder in study_folders(runs):
        try:
            if Study(folder).state == "open":
                yield folder
        except (OrchestratorError, OSError):
            yield folder


def _remove(cache: Path, entry: CacheEntry) -> bool:
    """Aside first: what is half gone must not look whole. False where somebody is making it."""
    lock = _lock_of(entry.paths[-1])
    try:
        if lock is not None:
            lock.acquire(timeout=0)
    except Timeout:
        return False
    try:
        aside = cache / f"{REMOVED}{secrets.token_hex(4)}"
        aside.mkdir()
        for path in entry.paths:
            path.rename(aside / path.name)
        shutil.rmtree(aside)
    finally:
        if lock is not None:
            lock.release()
    return True


def _lock_of(path: Path) -> FileLock | None:
    """As who makes it takes it; the file of the lock stays, for somebody may wait for it."""
    lock = path / "lock" if path.is_dir() else path.with_name(f"{path.name}.lock")
    return FileLock(lock) if lock.exists() else None
