"""Files that nobody but their owner can read, for servers that several people use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

OWNER_ALONE = 0o077
"""The umask: nothing for the group, nothing for others."""


def keep_private(private: bool) -> None:
    """From now on this process, and those it starts, write files for their owner alone; False: as before."""
    if private:
        os.umask(OWNER_ALONE)


@contextlib.contextmanager
def private_files(private: bool) -> Iterator[None]:
    """`keep_private` for a block."""
    before = os.umask(OWNER_ALONE)
    if not private:
        os.umask(before)
    try:
        yield
    finally:
        os.umask(before)
