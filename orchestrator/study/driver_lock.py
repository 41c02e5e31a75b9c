"""Who drives a study holds its lock, and its journal besides: a lock that somebody deletes lets nobody in."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.core.errors import StorageError, StudyError
from orchestrator.study.files import StudyFiles
from orchestrator.study.journal import JournalWriter

LOCKS = Path("/proc/locks")


def take_lock(files: StudyFiles) -> FileLock:
    """Raises StudyError where another process has it, StorageError where there can be none."""
    lock = FileLock(files.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StudyError(
            f"study {files.folder} is being driven by another process; wait for it or end it first"
        ) from None
    except OSError as error:
        way_out = "make the folder writable, or copy it and name the copy with --study"
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            way_out = "copy it to a disk that knows locks, and name the copy with --study"
        raise StorageError(
            f"study {files.folder} cannot go on there ({error.strerror}: {files.lock}); {way_out}"
        ) from error
    return lock


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Nobody drives the study meanwhile, whatever its journal holds. Raises as `take_lock`."""
    files = StudyFiles(folder)
    lock = take_lock(files)
    writer = JournalWriter(files.journal)
    try:
        if files.journal.is_file():
            writer.hold()
        yield
    finally:
        writer.close()
        lock.release()


def is_driven(folder: Path) -> bool:
    """Whether a process of this machine drives the study, as far as can be seen without touching its lock:
    an attempt to take it could refuse a driver that starts at that moment."""
    with suppress(OSError, ValueError):
        files = StudyFiles(folder)
        taken = _locked_inodes(LOCKS.read_text())
        return {files.lock.stat().st_ino, files.journal.stat().st_ino} <= taken
    return False


def _locked_inodes(text: str) -> set[int]:
    """Of files locked by flock, as /proc/locks says: `1: FLOCK  ADVISORY  WRITE 9451 fe:00:2147817 0 EOF`."""
    words = [line.split() for line in text.splitlines()]
    return {int(line[5].rpartition(":")[2]) for line in words if len(line) > 5 and line[1] == "FLOCK"}
