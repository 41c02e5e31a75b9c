"""Folders for a command's sockets and scratch files that no other account can look into or change.

They lie in one folder of the account, below RAY_TMPDIR or the folder for temporary files. What a command
that was killed left there, processes included, is ended and removed when the next one begins.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from orchestrator.core.errors import InputError

END_S = 20.0  # seconds for all processes of a folder to be found, ended and gone
LONGEST = 30
"""Characters of the folder's place: a Unix socket's path has 107 in all, of which Ray's own names take 70."""

RAY_PLACE = "RAY_TMPDIR"
"""Environment variable that names the place, before TMPDIR does."""


@dataclass
class PrivateFolder:
    """One command's own."""

    path: Path
    kept: bool = False  # until the next command begins, for who wants to read what lies there


@contextlib.contextmanager
def private_folder() -> Iterator[PrivateFolder]:
    """Made for the block and removed after it. Raises InputError where the account's folder is another's."""
    base = account_folder()
    remove_ended(base)
    path = base / secrets.token_hex(3)
    lock = FileLock(_lock_of(path), mode=0o600)
    with lock:  # before the folder is there: whoever sees it sees that it is in use
        path.mkdir(mode=0o700)
        made = PrivateFolder(path)
        try:
            yield made
        finally:
            if not made.kept:
                shutil.rmtree(path, ignore_errors=True)
                Path(lock.lock_file).unlink(missing_ok=True)


def account_folder() -> Path:
    """This account's, with the rights of nobody else. Raises InputError."""
    path = _short_place() / f"orch-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise InputError(
                f"{path} is a link, or belongs to another account, which could then read and change what "
                f"runs here; {_way_out()}"
            )
        path.chmod(0o700)  # as an earlier umask may not have left it
    except OSError as error:
        raise InputError(f"{path} cannot be made: {error.strerror}; {_way_out()}") from error
    return path


def _way_out() -> str:
    first = f", and unset {RAY_PLACE}, which comes before it" if os.environ.get(RAY_PLACE) else ""
    return f"set TMPDIR to a folder of your own with a path of at most {LONGEST} characters{first}"


def _short_place() -> Path:
    place = Path(os.environ.get(RAY_PLACE) or tempfile.gettempdir()).absolute()
    return place if len(str(place)) <= LONGEST else Path("/tmp")


def remove_ended(base: Path) -> None:
    """Folders in `base` whose command has ended, and the processes that still use them."""
    for path in sorted(item for item in base.iterdir() if item.is_dir() and not item.is_symlink()):
        lock = FileLock(_lock_of(path), mode=0o600)
        with contextlib.suppress(Timeout, OSError), lock.acquire(timeout=0):
            _end_users_of(path)
            shutil.rmtree(path, ignore_errors=True)
            Path(lock.lock_file).unlink(missing_ok=True)


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _end_users_of(path: Path) -> None:
    """Until none is seen: one that another was just starting is there only at the next look."""
    until = time.monotonic() + END_S
    while time.monotonic() < until and _end(_users_of(path), until):
        pass


def _users_of(path: Path) -> Iterator[int]:
    """This account's processes that were started with a path in that folder, such as Ray's, or with one in
    the environment, such as CUDA's daemons. Each as it is found: soon its number may be another's."""
    marks = f"{path}/".encode(), f"{path}\0".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid != os.getuid() or int(process.name) == os.getpid():
                continue
            words = b"\0".join([(process / name).read_bytes() for name in ("cmdline", "environ")]) + b"\0"
            if any(mark in words for mark in marks):
                yield int(process.name)
        except (OSError, ValueError):  # it has ended
            continue


def _end(processes: Iterable[int], until: float) -> bool:
    """Waits until they are gone, as whoever looks for them next takes for granted. Whether there were any."""
    ended = []
    for number in processes:
        with contextlib.suppress(OSError):  # it has ended
            ended.append(os.pidfd_open(number))
            signal.pidfd_send_signal(ended[-1], signal.SIGKILL)
    left = set(ended)
    while left and (seconds := until - time.monotonic()) > 0:
        left -= set(select.select(list(left), [], [], seconds)[0])
    for process in ended:
        os.close(process)
    return bool(ended)
