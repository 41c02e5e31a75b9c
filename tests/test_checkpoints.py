from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest

from orchestrator.checkpoints import (
    DirectoryStore,
    delete_fold_run,
    keep_only_best,
    oof_name,
    resume_name,
    superseded,
    weights_name,
)
from orchestrator.errors import StorageError
from orchestrator.trial import FoldRunKey

KEY = FoldRunKey(3, 1)


def names_until(epoch: int, bests: list[int]) -> list[str]:
    resumes = [resume_name(KEY, item) for item in range(1, epoch + 1)]
    return resumes + [name for best in bests for name in (weights_name(KEY, best), oof_name(KEY, best))]


def test_bytes_come_back_under_their_name_and_the_store_travels(tmp_path: Path) -> None:
    store = pickle.loads(pickle.dumps(DirectoryStore(tmp_path / "a")))  # noqa: S301  as Ray would send it
    store.put("t0003-f1/x.pt", b"one")
    store.put("t0003-f1/x.pt", b"two")
    assert store.get("t0003-f1/x.pt") == b"two"
    assert store.names("t0003-f1/") == ["t0003-f1/x.pt"] == store.names()
    store.delete("t0003-f1/x.pt")
    store.delete("t0003-f1/x.pt")
    assert store.names() == []
    with pytest.raises(KeyError):
        store.get("t0003-f1/x.pt")


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


def test_epochs_written_after_the_journal_ended_are_not_kept() -> None:
    assert resume_name(KEY, 6) in superseded(names_until(6, [2]), epoch=5, bests=[2])


def test_files_with_other_names_are_never_deleted(tmp_path: Path) -> None:
    assert superseded(["t0003-f1/notes.txt"], epoch=9, bests=[]) == []


def test_a_complete_fold_run_keeps_its_best_and_a_lost_one_nothing(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    for name in names_until(4, [2, 4]):
        store.put(name, b"x")
    store.put("t0003-f10/resume-e0001.pt", b"another fold run")
    keep_only_best(store, KEY, best=2)
    assert store.names("t0003-f1/") == [oof_name(KEY, 2), weights_name(KEY, 2)]
    delete_fold_run(store, KEY)
    assert store.names() == ["t0003-f10/resume-e0001.pt"]


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
