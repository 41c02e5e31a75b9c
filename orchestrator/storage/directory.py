"""A folder that holds checkpoints: a disk of one node, or one that every node mounts (NFS)."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from orchestrator.core.atomic_file import PARTIAL_NAME, atomic_write
from orchestrator.core.errors import InputError, StorageError
from orchestrator.core.regular_files import read_file
from orchestrator.storage.contract import CheckpointStore

CLAIM = "study.txt"
"""The first file of a study in a location that others may use too; see claim.py."""

RESUME = "correct that, then continue with --resume"


@dataclass(frozen=True)
class DirectoryStore(CheckpointStore):
    """Files below `root`."""

    root: Path
    # Every node sees the same files under this path. Then CLAIM has to be there already: a node that lost its
    # mount must not write to the empty folder under it.
    mounted: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", self.root.absolute())  # workers stand in other folders

    def __str__(self) -> str:
        return str(self.root)

    def put(self, name: str, data: bytes | memoryview) -> None:
        """Written beside, fsynced, renamed. Raises StorageError."""
        path = self._path(name)
        if name != CLAIM:
            self._check_mount()
        try:
            with atomic_write(path) as file:
                file.write(data)
        except OSError as error:
            raise StorageError(_cannot_write(path, len(data), error)) from error

    def get(self, name: str) -> bytes:
        """Raises KeyError, and StorageError where the folder cannot be read at all."""
        path = self._path(name)
        try:
            return read_file(path)
        except FileNotFoundError:
            self._check_mount()
            raise KeyError(name) from None
        except OSError as error:
            raise StorageError(f"cannot read {path}: {error.strerror}; {RESUME}") from error

    def names(self, prefix: str = "") -> list[str]:
        """Sorted. Lists only the folder that `prefix` names."""
        base = self._path(prefix.rpartition("/")[0])
        try:
            found = [path for path in _files_below(base) if path.suffix != ".part"]
        except OSError as error:
            raise StorageError(f"cannot list {base}: {error.strerror}; {RESUME}") from error
        names = (path.relative_to(self.root).as_posix() for path in found)
        return sorted(name for name in names if name.startswith(prefix))

    def delete(self, name: str) -> None:
        """Deletes the folder it was in too, when that is empty now."""
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return  # so there is no such file
        except OSError as error:
            raise StorageError(f"cannot delete {path}: {error.strerror}; {RESUME}") from error
        if path.parent != self.root:
            with contextlib.suppress(OSError):  # not empty yet, or gone: both are fine
                path.parent.rmdir()

    def file_of(self, name: str) -> Path | None:
        path = self._path(name)
        return path if path.is_file() else None

    @property
    def folder(self) -> Path | None:
        return self.root

    @property
    def is_local_to_driver(self) -> bool:
        return not self.mounted

    def at_existing_folder(self) -> DirectoryStore:
        """Not `mounted`: no study has claimed what is above its folder."""
        return DirectoryStore(next(path for path in (self.root, *self.root.parents) if path.exists()))

    def remove_partial_files(self) -> None:
        """Of `atomic_write`, by their names; where links lead, nothing is deleted."""
        self._check_mount()
        for place, _, names in os.walk(self.root):  # into no linked folder, nor one that goes meanwhile
            for name in filter(PARTIAL_NAME.fullmatch, names):
                with contextlib.suppress(OSError):  # it is of no use and hurts nobody
                    Path(place, name).unlink()

    def remove_if_empty(self) -> None:
        with contextlib.suppress(OSError):  # something lies in it, or it was never made
            self.root.rmdir()

    def _path(self, name: str) -> Path:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:  # names come from workers too
            raise ValueError(f"{name!r} is no name inside a store")
        return self.root / name

    def _check_mount(self) -> None:
        if self.mounted and not (self.root / CLAIM).is_file():
            raise StorageError(
                f"{self.root} is not what the driver sees there (no {CLAIM} in it); mount it on every "
                "server, then continue with --resume"
            )


def open_path(path: str) -> DirectoryStore:
    """The store of a folder that every node mounts."""
    return DirectoryStore(Path(path).expanduser().absolute(), mounted=True)


def open_file_uri(uri: str) -> DirectoryStore:
    """The same, written file:///absolute/path. Raises InputError."""
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost") or not parts.path or parts.query or parts.fragment:
        raise InputError(f"--storage {uri}: write file:///absolute/path, or just the path")
    return open_path(unquote(parts.path))


def _files_below(folder: Path) -> Iterator[Path]:
    """Of a folder that goes meanwhile none: whoever deletes the last file in one deletes it too."""

    def judge(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise error

    for place, _, names in os.walk(folder, onerror=judge):
        yield from (path for name in names if (path := Path(place, name)).is_file())


def _cannot_write(path: Path, size: int, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"disk full: {size} bytes do not fit at {path}; free space, then continue with --resume"
    return f"cannot write {path}: {error.strerror}; {RESUME}"
