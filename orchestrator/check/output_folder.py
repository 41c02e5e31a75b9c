"""Where a check writes: a folder of its own for each data set, never over what is somebody else's."""

from __future__ import annotations

import json
import re
from pathlib import Path

from orchestrator.check.record import CheckRecord, read_check
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import InputError, StorageError

PAGE, RECORD = "check.html", "check.json"
_TRIES = 100


def output_folder(asked: Path | None, runs: Path, name: str, source: str, root: str) -> Path:
    """The folder to write to; nothing is made yet. An earlier check of the same data is replaced.

    asked: --out. name: of the data set. Raises InputError where an asked one holds other things.
    """
    if asked is not None:
        if not _is_ours(asked, source, root):
            raise InputError(
                f"--out {asked} exists and holds no check of these data; name another folder, or delete it"
            )
        return asked
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "data"
    names = [f"check-{plain}", *(f"check-{plain}-{number}" for number in range(2, _TRIES))]
    free = (runs / name for name in names if _is_ours(runs / name, source, root))
    found = next(free, None)
    if found is None:
        raise InputError(f"{runs} holds {_TRIES - 1} checks named {plain}; name a folder with --out")
    return found


def _is_ours(folder: Path, source: str, root: str) -> bool:
    """Whether it may be written to: not there yet, empty, or of an earlier check of the same data."""
    if not folder.exists():
        return True
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    try:
        earlier = read_check(folder / RECORD)
    except InputError:
        return False
    return (earlier.source, earlier.root) == (source, root)


def write_check(folder: Path, record: CheckRecord, page: str) -> None:
    """Each file whole or not at all. Raises StorageError."""
    text = json.dumps(record.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    try:
        for name, content in ((PAGE, page), (RECORD, text + "\n")):
            with atomic_write(folder / name) as file:
                file.write(content.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise StorageError(
            f"cannot write {folder}: {error.strerror}; name another folder with --out"
        ) from error
