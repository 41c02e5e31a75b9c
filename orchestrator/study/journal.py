"""The journal of a study: one event a line, only ever appended to, fsynced before anything follows from it.

Its driver writes it while others may read it, so the last line may be torn; readers leave it out, and the
next driver cuts it off. Each line ends with a checksum of what stands before it (until version 0.3 none did):
one that a disk or an editor changed is refused, where it could be read as something else.
"""

from __future__ import annotations

import errno
import fcntl
import json
import math
import os
import re
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.atomic_file import sync_folder
from orchestrator.core.errors import StorageError, StudyError
from orchestrator.core.events import EpochEnded, Event, from_json, to_json
from orchestrator.core.json_text import parse_json

FILE = "journal.jsonl"
_SEAL = re.compile(rb', "crc": "([0-9a-f]{8})"}\s*\Z')
"""The end of a line: CRC-32 (hex) of the line without it."""
_CHANGED = "it was changed after it was written, as its checksum says"


def has_journal(folder: Path) -> bool:
    """Whether a study was begun there: the first line of its journal is whole."""
    return _first_line(folder / FILE).endswith(b"\n")


def time_begun(folder: Path) -> float | None:
    """Unix seconds when the study began; None where its journal cannot be read."""
    try:
        return _parse(_first_line(folder / FILE))[1]
    except ValueError:
        return None


def first_event(folder: Path) -> Event | None:
    """What opens the study, whatever its other lines are; None where that cannot be read."""
    try:
        return _parse(_first_line(folder / FILE))[0]
    except (ValueError, OSError):
        return None


class JournalReader:
    """Reads a journal from its beginning, and again what was added since."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0
        self.bytes_read = 0  # of the lines that gave events
        self.started = 0.0  # unix seconds of the first line
        self.ended = 0.0  # unix seconds of the last one read

    def new_events(self) -> list[Event]:
        """Events of the whole lines since the last call. Raises StudyError for a line that is none, OSError.

        A last line that cannot be read is torn, though it may have its newline, and left for the next call.
        """
        with self._path.open("rb") as file:
            file.seek(self.bytes_read)
            lines = file.read().split(b"\n")[:-1]
        events = []
        for number, line in enumerate(lines, start=1):
            try:
                event, when = _parse(line)
            except ValueError as error:
                if number == len(lines):
                    break
                raise StudyError(self._broken(error)) from error
            events.append(event)
            self.started, self.ended = self.started or when, when
            self.bytes_read += len(line) + 1
            self._lines += 1
        return events

    def _broken(self, error: ValueError) -> str:
        line = f"{self._path}:{self._lines + 1}"
        cut = f", or cut it there (head -n {self._lines}) and lose what came after" if self._lines else ""
        what = f"{line}: not a journal line at byte {self.bytes_read} ({error})"
        return f"{what};\nrestore the file from a copy{cut}"


class JournalWriter:
    """Appends to a journal whose study's lock is held; the file is made by the first event or by `hold`.

    It is locked itself, too: a lock that somebody deletes lets nobody else in.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._size = 0  # bytes it had when this writer last looked

    def append(self, *events: Event) -> None:
        """Writes and fsyncs the events before returning. Raises StorageError (nothing half is kept).

        Also where the file is another one by now, or another process wrote to it: nothing is written then.
        """
        now = round(time.time(), 3)
        data = "".join(_lines(now, events)).encode()
        try:
            file = self.hold()
            self._refuse_changed(file)
            _append_whole(file, data)
            self._size += len(data)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        except KeyboardInterrupt:
            self._look_again()  # it may have come after the bytes were written
            raise

    def cut(self, size: int) -> None:
        """Only the first `size` bytes stay. Raises StorageError."""
        try:
            os.ftruncate(self.hold(), size)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self._size = size

    def hold(self) -> int:
        """Opens and locks the file. Raises StudyError where another process holds it, StorageError."""
        try:
            return self._opened()
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def _opened(self) -> int:
        if self._file is None:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                _lock(file, self._path)
            except StudyError:
                os.close(file)
                raise
            self._file, self._size = file, os.fstat(file).st_size
            if not self._size:  # it may just have been made
                sync_folder(self._path.parent)
                sync_folder(self._path.parent.parent)
        return self._file

    def _refuse_changed(self, file: int) -> None:
        held = os.fstat(file)
        fault = ""
        if not is_same_file(self._path, held):
            fault = "was removed or replaced"
        elif held.st_size != self._size:
            fault = f"has {held.st_size} bytes, not {self._size}: something else wrote to it"
        if fault:
            raise StorageError(
                f"{self._path} {fault} while this command drove the study, so it stops; see that no other "
                "command drives it, then continue with --resume"
            )

    def _look_again(self) -> None:
        if self._file is not None:
            self._size = os.fstat(self._file).st_size

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot write {path}: {error.strerror}; correct that, then continue with --resume")


def is_same_file(path: Path, held: os.stat_result) -> bool:
    """Whether `path` still is the file that was opened as `held`."""
    try:
        return os.path.samestat(path.stat(), held)
    except FileNotFoundError:
        return False


def _lock(file: int, path: Path) -> None:
    """Raises StudyError where another process holds it. Where the disk knows no locks, nothing is done."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StudyError(
            f"study {path.parent} is being driven by another process, though its lock was deleted; wait for "
            "it or end it first"
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise


def _parse(line: bytes) -> tuple[Event, float]:
    """The event of a line and its time, unix seconds. Raises ValueError for anything else."""
    sealed = _SEAL.search(line)
    if sealed is not None:
        line = line[: sealed.start()] + b"}"
        if int(sealed[1], 16) != zlib.crc32(line):
            raise ValueError(_CHANGED)
    try:
        record = parse_json(line, parse_constant=_no_number)
        if "crc" in record:
            raise ValueError(_CHANGED)
        event = from_json(record)
        if isinstance(event, EpochEnded) and not math.isfinite(event.score):  # 1e999 is one to JSON
            raise ValueError(f"the score is {event.score}")
        return event, float(record["time"])
    except (KeyError, TypeError, AttributeError) as error:  # JSON, but no event of this version
        raise ValueError(repr(error)) from error


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number that a journal holds")


def _lines(now: float, events: tuple[Event, ...]) -> Iterator[str]:
    for event in events:
        line = json.dumps({"time": now, **to_json(event)}, allow_nan=False)
        yield f'{line[:-1]}, "crc": "{zlib.crc32(line.encode()):08x}"}}\n'


def _append_whole(file: int, data: bytes) -> None:
    """Appends and fsyncs; what was written of it is taken back when it doesn't fit or when all of it cannot
    be written for an interrupt."""
    size = os.fstat(file).st_size
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)
        raise
    except KeyboardInterrupt:
        if view:
            os.ftruncate(file, size)
        raise


def _first_line(journal: Path) -> bytes:
    if not journal.is_file():
        return b""
    with journal.open("rb") as file:
        return file.readline()
