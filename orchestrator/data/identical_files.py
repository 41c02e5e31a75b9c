"""Which image files hold the same, whatever they are called: copies, links, a folder that is there twice.

Only files of equal size are read, a large one in four places first and as a whole where those agree. What was
read is remembered by path, size and time, so that a later study on the same files reads none.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import ManifestError
from orchestrator.core.file_digest import sampled_sha256, sha256_of_file
from orchestrator.data.image_record import of_each
from orchestrator.data.table_files import read_parquet, write_parquet

WHOLE = 2**16
"""Bytes up to which `sampled_sha256` is of the whole file."""
Digest = Callable[[str], bytes]


class FileState(NamedTuple):
    """What tells whether a file was changed."""

    size: int  # bytes; -1 where there is no file
    time: int  # of its last change, nanoseconds


def file_states(root: Path, paths: Sequence[str], progress: Progress | None = None) -> list[FileState]:
    """Of each file, as it is now."""
    return list(of_each(_state, root, paths, progress))


def identical_files(
    root: Path, paths: Sequence[str], cache: Path | None = None, progress: Progress | None = None
) -> NDArray[np.int64]:
    """(n,) codes from 0, equal where files hold the same bytes; a file that cannot be read is like no other.

    cache: the folder where contents are remembered; None remembers nothing. Raises StorageError.
    """
    states = dict(zip(paths, file_states(root, paths, progress), strict=True))
    sizes = Counter(state.size for state in states.values())
    alike = [path for path, state in states.items() if state.size > 0 and sizes[state.size] > 1]
    memory = _Memory(root, states, cache)
    sampled = memory.digests("sampled", sampled_sha256, alike, progress)
    same = Counter(sampled.values())
    large = [path for path in alike if same[sampled[path]] > 1 and states[path].size > WHOLE]
    held = {**sampled, **memory.digests("whole", sha256_of_file, large, progress)}
    memory.write()
    return codes_of(held.get(path) or path for path in paths)


def are_copies(paths: Sequence[str], others: Sequence[str]) -> NDArray[np.bool_]:
    """(n,): whether each file holds the same bytes as one of the others. Paths are whole, or start in the
    current folder."""
    whole = [os.path.abspath(path) for path in (*paths, *others)]  # noqa: PTH100 - links stay as they are
    codes = identical_files(Path("/"), whole)
    return np.isin(codes[: len(paths)], codes[len(paths) :])


def codes_of(keys: Iterable[Any]) -> NDArray[np.int64]:
    """(n,) numbers from 0 in the order of the first of each, equal for equal keys."""
    number: dict[Any, int] = {}
    return np.array([number.setdefault(key, len(number)) for key in keys], np.int64)


def _state(path: str) -> FileState:
    try:
        entry = os.stat(path)  # noqa: PTH116 - no Path for each of many files
    except OSError:
        return FileState(-1, 0)
    return FileState(entry.st_size, entry.st_mtime_ns)


class _Memory:
    """Digests of the files below a root, kept from run to run."""

    def __init__(self, root: Path, states: Mapping[str, FileState], cache: Path | None) -> None:
        self._root, self._states = root, states
        name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:20]
        self._file = None if cache is None else cache / f"contents-{name}.parquet"
        self._known = {} if self._file is None else _read(self._file)
        self._is_new = False

    def digests(
        self, kind: str, digest: Digest, paths: Sequence[str], progress: Progress | None
    ) -> dict[str, str]:
        """Path -> digest (hex), empty where a file cannot be read."""
        keys = {path: (kind, path, *self._states[path]) for path in paths}
        unknown = [path for path in paths if keys[path] not in self._known]
        if unknown:
            self._is_new = True
            found = of_each(lambda path: _digest(path, digest), self._root, unknown, progress)
            self._known.update(zip((keys[path] for path in unknown), found, strict=True))
        return {path: self._known[keys[path]] for path in paths}

    def write(self) -> None:
        """Where something was read. Raises StorageError."""
        if self._file is None or not self._is_new:
            return
        rows = [(*key, digest) for key, digest in self._known.items() if digest and self._is_current(key)]
        write_parquet(self._file, pd.DataFrame(rows, columns=_COLUMNS), {})

    def _is_current(self, key: _Key) -> bool:
        """What a file held before it was changed is of no more use; other files of the root may be."""
        _, path, size, time = key
        return self._states.get(path, (size, time)) == (size, time)


_Key = tuple[str, str, int, int]  # kind, path, size, time
_COLUMNS = ["kind", "path", "size", "time", "digest"]


def _read(path: Path) -> dict[_Key, str]:
    """What is torn or of other make is read anew: it is a cache."""
    if not path.exists():
        return {}
    try:
        frame, _ = read_parquet(path)
        columns = [frame[name].tolist() for name in _COLUMNS]
        return {
            (kind, str(name), int(size), int(time)): str(digest)
            for kind, name, size, time, digest in zip(*columns, strict=True)
        }
    except (ManifestError, KeyError, ValueError, TypeError, OverflowError):
        return {}


def _digest(path: str, digest: Digest) -> str:
    try:
        return digest(path).hex()
    except OSError:
        return ""
