"""A stored file in another folder without a second copy of its bytes, where the disk can do that."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def link_or_copy(source: Path, target: Path) -> None:
    """`target` is the same file as `source` by a hard link, or a copy of it on another disk.

    Deleting one leaves the other. Nothing may write into either: stores and folders replace files whole.
    Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    real = source.resolve(strict=True)  # a link to a symbolic link would lead out of the folder
    if not _would_be_readable_by_more(real):
        try:
            target.hardlink_to(real)
            return
        except OSError:  # another disk, or one that knows no hard links
            target.unlink(missing_ok=True)
    write_durably(target, real.read_bytes())


def write_durably(path: Path, data: bytes) -> None:
    """On the disk when this returns. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _would_be_readable_by_more(source: Path) -> bool:
    """Whether a link would give people rights (--private) that a file written now would not."""
    mask = os.umask(0o077)
    os.umask(mask)
    return bool(stat.S_IMODE(source.stat().st_mode) & mask)
