"""Sentences of docs/explanation/reliability.md that no other tests hold: writing ahead, clocks, places."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.storage import DirectoryStore
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from tests.conftest import SPACE
from tests.support.helpers import check_consistent, curves, journal


def tune(space: Path, data: Path, runs: Path, *more: str) -> int:
    return main(
        ["--space", str(space), "--data", str(data), "--runs", str(runs), "--inline", "--no-report", *more]
    )


def resume(runs: Path, *more: str) -> int:
    return main(["--resume", "--study", "a", "--runs", str(runs), "--inline", "--no-report", *more])


class DiedError(BaseException):
    """The driver is gone, with nothing said or tidied."""


@pytest.fixture(scope="module")
def made(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of runs with the study `a`, whose driver died in the middle, and the study `whole`."""
    folder = tmp_path_factory.mktemp("made")
    runs, append, left = folder / "runs", Study.append, [40]
    space_file = folder / "tint.py"
    space_file.write_text(SPACE)

    def dies(study: Study, *events: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise DiedError
        append(study, *events)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Study, "append", dies)
        with pytest.raises(DiedError):
            tune(space_file, faces, runs, "--study", "a")
    assert tune(space_file, faces, runs, "--study", "whole") == 0
    return runs


@pytest.fixture
def killed(made: Path, tmp_path: Path) -> Path:
    """A copy of its own."""
    return Path(shutil.copytree(made, tmp_path / "runs"))


def check_as_whole(study: Path, whole: Path) -> None:
    check_consistent(study, folds=3, max_t=4)
    assert curves(study) == curves(whole)
    assert Study(study).complete_trials() == Study(whole).complete_trials()


def test_nothing_is_deleted_before_the_reason_is_in_the_journal_fsynced(
    space_file: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced, deleted = tmp_path / "a" / "journal.jsonl", 0, 0
    fsync, delete = os.fsync, DirectoryStore.delete

    def noted(file: int) -> None:
        nonlocal synced
        fsync(file)
        if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
            synced = path.stat().st_size

    def checked(store: DirectoryStore, name: str) -> None:
        nonlocal deleted
        deleted += 1
        assert synced == path.stat().st_size > 0
        delete(store, name)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(DirectoryStore, "delete", checked)
    assert tune(space_file, faces, tmp_path, "--study", "a") == 0
    assert deleted > 9


@pytest.mark.parametrize("shift", [-10 * 365 * 86400, 50 * 365 * 86400])
def test_clocks_decide_nothing(shift: int, killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + shift)
    assert resume(killed) == 0
    times = [event["time"] for event in journal(killed / "a")]
    assert max(times) - min(times) > abs(shift) - 86400, "less what passed since the study was made"
    check_as_whole(killed / "a", killed / "whole")


@pytest.mark.parametrize("take", [shutil.move, shutil.copytree])
def test_a_study_that_was_moved_or_copied_goes_on_elsewhere(take: Any, killed: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    take(killed / "a", tmp_path / "elsewhere" / "a")
    assert resume(tmp_path / "elsewhere") == 0
    check_as_whole(tmp_path / "elsewhere" / "a", killed / "whole")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_asks_to_end_saves_and_says_how_to_go_on(
    number: signal.Signals,
    space_file: Path,
    faces: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    append, left = Study.append, [20]
    before = signal.getsignal(number)
    signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore it, and Ray handles it

    def sends(study: Study, *events: Any) -> None:
        append(study, *events)
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(Study, "append", sends)
        assert tune(space_file, faces, tmp_path, "--study", "a") == 130
    said = capsys.readouterr().out
    assert "everything finished is saved" in said and "--resume --study a" in said
    assert journal(tmp_path / "a")[-1]["outcome"] == "interrupted"
    signal.signal(number, before)
    assert resume(tmp_path) == 0
    check_consistent(tmp_path / "a", folds=3, max_t=4)
