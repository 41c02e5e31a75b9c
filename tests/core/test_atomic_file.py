"""What is written outlasts a loss of power: bytes are on the disk before the name is, and the name before
anything refers to it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.events import Closed
from orchestrator.study.journal import JournalWriter


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[str, ...]]]:
    """What was fsynced, in order: a path, and of a folder the names that were in it then."""
    found: list[tuple[str, tuple[str, ...]]] = []
    fsync = os.fsync

    def noted(file: int) -> None:
        path = Path(f"/proc/self/fd/{file}").resolve()
        names = sorted(os.listdir(path)) if stat.S_ISDIR(os.fstat(file).st_mode) else []  # noqa: PTH208
        found.append((path.name, tuple(names)))
        fsync(file)

    monkeypatch.setattr(os, "fsync", noted)
    return found


def test_bytes_then_name_then_the_folders_that_were_made(
    synced: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    for _ in range(2):
        with atomic_write(tmp_path / "new" / "a") as file:
            file.write(b"x")
    first, part, name, again, last = synced
    assert first == (tmp_path.name, ("new",))
    assert part[0].endswith(".part") and again[0].endswith(".part")
    assert name == last == ("new", ("a",))


def test_a_new_journal_has_its_name_before_its_first_line(
    synced: list[tuple[str, tuple[str, ...]]], tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    writer = JournalWriter(tmp_path / "a" / "journal.jsonl")
    writer.append(Closed("finished"))
    writer.append(Closed("finished"))
    writer.close()
    assert [name for name, _ in synced] == ["a", tmp_path.name, "journal.jsonl", "journal.jsonl"]


def test_a_file_system_that_cannot_sync_a_folder_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errors.pop(), "no")

    monkeypatch.setattr(os, "fsync", refuses)
    errors = [errno.EINVAL]
    with atomic_write(tmp_path / "a") as file:
        file.write(b"x")
    assert (tmp_path / "a").read_bytes() == b"x"
    errors = [errno.EIO]
    with pytest.raises(OSError, match="no"), atomic_write(tmp_path / "b") as file:
        file.write(b"x")
