"""Files alone are read: a FIFO, a socket or a device under a file's name would be waited for without end."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def kind_of_special(mode: int) -> str:
    """mode: of `os.stat`. "" for a file, a folder or a link."""
    return next((name for is_kind, name in _KINDS if is_kind(mode)), "")


def open_file(path: Path | str) -> BufferedReader:
    """To read its bytes. Raises OSError, also for what is no file; nothing is waited for."""
    try:
        found = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise _no_file("a socket", path) from None
        raise
    try:
        mode = os.fstat(found).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if kind := kind_of_special(mode):
            raise _no_file(kind, path)
        return os.fdopen(found, "rb")
    except OSError:
        os.close(found)
        raise


def read_file(path: Path | str) -> bytes:
    """The bytes of a file. Raises OSError as `open_file` does."""
    with open_file(path) as file:
        return file.read()


def _no_file(kind: str, path: Path | str) -> OSError:
    return OSError(errno.EINVAL, f"{kind}, not a file", str(path))
