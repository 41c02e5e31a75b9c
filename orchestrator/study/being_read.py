"""Who reads a study for minutes, as an ensemble does that is built of it, keeps it from being removed.

The lock is on the folder itself: it needs no file, so it works where nobody may write, and many may read. A
driver is not in its way. Where a disk knows no such locks, nobody is kept from anything.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.core.errors import StudyError


@contextmanager
def being_read(folder: Path) -> Iterator[None]:
    """Raises StudyError where it is being removed."""
    with _locked(folder, fcntl.LOCK_SH, f"study {folder} is being removed by another process"):
        yield


@contextmanager
def read_by_nobody(folder: Path) -> Iterator[None]:
    """Raises StudyError where it is being read."""
    refusal = f"study {folder} is being read by another process, such as an ensemble that is built of it"
    with _locked(folder, fcntl.LOCK_EX, f"{refusal}; wait for it or end it first"):
        yield


@contextmanager
def _locked(folder: Path, kind: int, refusal: str) -> Iterator[None]:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StudyError(refusal) from None
        except OSError:
            pass  # a network drive: it locks files alone, and those that are open for writing
        yield
    finally:
        os.close(file)
