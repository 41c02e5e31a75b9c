"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PARTIAL_NAME = re.compile(r".+\.\d+(-[0-9a-f]+)?\.part")
"""What a file is called while it is written; of a process that was killed it stays."""


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """What is written to it stands under `path` once the block ends: written beside, fsynced, renamed, and
    the renaming fsynced.

    Whatever is raised, `path` is as it was and nothing lies beside it. Raises OSError.
    """
    _make_folder(path.parent)
    # Threads of one process, and processes of several servers with the same number, may write one name.
    part = path.with_name(f"{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):  # usually gone; cleaning up must not hide what went wrong
            part.unlink()


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """The names in it outlast a loss of power. Raises OSError."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF):
            raise  # those are of file systems that know no such thing
    finally:
        os.close(file)
