from __future__ import annotations

import errno
from pathlib import Path

import pytest

from orchestrator.core.errors import StorageError
from orchestrator.core.events import FoldRunKey
from orchestrator.storage import DirectoryStore
from orchestrator.storage.checkpoint_files import later, oof_name, resume_name, superseded, weights_name

KEY = FoldRunKey(3, 1)


def names_until(epoch: int, bests: list[int]) -> list[str]:
    resumes = [resume_name(KEY, item) for item in range(1, epoch + 1)]
    return resumes + [name for best in bests for name in (weights_name(KEY, best), oof_name(KEY, best))]


def test_what_the_two_newest_resume_states_refer_to_is_kept() -> None:
    names = names_until(5, [1, 3, 5])
    gone = superseded(names, epoch=5, bests=[3, 5])
    assert set(names) - set(gone) == {
        resume_name(KEY, 4),
        resume_name(KEY, 5),
        weights_name(KEY, 3),
        weights_name(KEY, 5),
        oof_name(KEY, 3),
        oof_name(KEY, 5),
    }


def test_later_epochs_are_left_to_the_worker_that_wrote_them() -> None:
    """One that was given up may still store an epoch when another has gone further."""
    names = names_until(6, [2, 6])
    left = {resume_name(KEY, 6), weights_name(KEY, 6), oof_name(KEY, 6)}
    assert not left & set(superseded(names, epoch=5, bests=[2]))
    assert set(later(names, 5)) == left


def test_files_with_other_names_are_never_deleted(tmp_path: Path) -> None:
    assert superseded(["t0003-f1/notes.txt"], epoch=9, bests=[]) == []


def test_a_full_disk_leaves_the_old_bytes_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(tmp_path)
    store.put("t0003-f1/x.pt", b"old")

    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match=r"disk full: 3 bytes .*x\.pt.*--resume"):
        store.put("t0003-f1/x.pt", b"new")
    assert store.get("t0003-f1/x.pt") == b"old"
    assert [path.name for path in (tmp_path / "t0003-f1").iterdir()] == ["x.pt"]
