"""Folders that cannot be written, and names that stand for no file: a line, and never a wait."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.check.__main__ import main as check
from orchestrator.data.importers.listing import list_tree
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.study import Study
from orchestrator.tune.__main__ import main as tune
from tests.support.helpers import refusal_lines
from tests.support.small_study import MADE

ROOT = Path(__file__).parents[2]
Output = pytest.CaptureFixture[str]
DROP, OVERRIDE, SEARCH = 24, 1, 2  # of prctl: a capability that no program started from here gets


def without_root_s_rights() -> None:
    """Root may write everywhere; a process without these two capabilities may not."""
    for capability in (OVERRIDE, SEARCH):
        ctypes.CDLL(None).prctl(DROP, capability, 0, 0, 0)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # pytest's own are its user's alone
    shutil.copytree(MADE / "data", tmp_path / "data")
    shutil.copytree(MADE / "studies", tmp_path / "runs")
    return tmp_path


def in_its_own_rights(here: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command of somebody who may write nothing here: root is asked for no rights."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HOME": str(here / "home"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *words],
        cwd=here,
        env=environ,
        preexec_fn=without_root_s_rights,
        capture_output=True,
        text=True,
        check=False,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lock_up(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


RESUME = ("tune", "--resume", "--study", "killed", "--inline", "--data-root", "data")


@pytest.mark.parametrize("writable", ["nothing", "all but the checkpoints"])
def test_a_study_that_cannot_be_written_is_not_resumed(here: Path, writable: str) -> None:
    lock_up(here / "runs")
    if writable != "nothing":
        (here / "runs").chmod(0o777)
        (here / "runs" / ".cache").mkdir(mode=0o777)
        (here / "runs" / ".cache").chmod(0o777)
    if writable == "all but the checkpoints":
        for path in (here / "runs" / "killed", *(here / "runs" / "killed").iterdir()):
            path.chmod(0o777 if path.is_dir() else 0o666)
        (here / "runs" / "killed" / "checkpoints").chmod(0o555)
    before = contents(here / "runs")
    done = in_its_own_rights(here, *RESUME)
    error = refusal_lines(done.stderr)
    assert done.returncode == 2 and error[-1].startswith("error: ") and len(error) <= 2, done.stderr
    assert "Permission denied" in done.stderr and "killed" in done.stderr
    assert "--study" in done.stderr or "--resume" in done.stderr, "the way out"
    after = contents(here / "runs")
    assert {path: after[path] for path in before if "journal" not in path} == {
        path: data for path, data in before.items() if "journal" not in path
    }
    if writable != "all but the checkpoints":
        assert after == before


def test_nor_does_an_ensemble_appear_where_nothing_may_be_written(here: Path) -> None:
    lock_up(here / "runs")
    done = in_its_own_rights(here, "ensemble", "--study", "complete", "--repeats", "20")
    assert done.returncode == 2 and len(refusal_lines(done.stderr)) <= 2, done.stderr
    assert "error: " in done.stderr and "Permission denied" in done.stderr


def test_a_journal_under_two_names_is_not_written(here: Path, capsys: Output) -> None:
    """As in a copy that `cp -al` made: both studies would go on in one file."""
    journal = here / "runs" / "killed" / "journal.jsonl"
    (here / "backup.jsonl").hardlink_to(journal)
    before = journal.read_bytes()
    words = ["--resume", "--study", "killed", "--runs", str(here / "runs"), "--inline"]
    assert tune([*words, "--data-root", str(here / "data")]) == 2
    assert "has another name" in capsys.readouterr().err and journal.read_bytes() == before
    assert Study(here / "runs" / "killed").configs, "it can be looked at"


# ---- images ---------------------------------------------------------------------------------------


def space_of(here: Path, *more: str) -> list[str]:
    return ["--space", str(MADE / "tint.py"), "--data", str(here / "data" / "rows.csv"), *more]


def test_a_fifo_that_a_table_names_is_told_and_not_waited_for(here: Path, capsys: Output) -> None:
    image = sorted((here / "data").rglob("*.png"))[0]
    image.unlink()
    os.mkfifo(image)
    for command in (check, lambda words: tune([*words, "--inline", "--study", "a"])):
        assert command([*space_of(here), "--runs", str(here / "new")]) == 2
        error = capsys.readouterr().err
        assert f"no file, but a FIFO, a socket or a device: {image.relative_to(here / 'data')}" in error
        assert len(error.strip().splitlines()) == 1
    assert not (here / "new" / "a").exists()


def test_a_fifo_in_a_folder_is_left_out_and_told(here: Path) -> None:
    for name in ("a.png", "b.png"):
        shutil.copy(next((here / "data").rglob("*.png")), here / name)
    os.mkfifo(here / "c.png")
    found = list_tree(here)
    assert "c.png" in found.specials and not found.broken
    assert any("left out 1 FIFO, socket or device: c.png" in note for note in found.notes())


@pytest.mark.parametrize("what", ["--data", "--space", "--template"])
def test_a_fifo_named_in_place_of_a_file_is_refused(here: Path, what: str, capsys: Output) -> None:
    os.mkfifo(here / "fifo.csv")
    if what == "--template":
        words = [
            "--ensemble",
            str(here / "runs" / "complete" / "ensemble"),
            "--submission",
            str(here / "s.csv"),
        ]
        assert ensemble([*words, "--template", str(here / "fifo.csv")]) == 2
    else:
        words = [*space_of(here), "--runs", str(here / "new"), "--inline"]
        words[words.index(what) + 1] = str(here / "fifo.csv")
        assert tune(words) == 2
    error = capsys.readouterr().err
    assert "fifo.csv" in error and len(error.strip().splitlines()) == 1


@pytest.mark.parametrize("what", ["--data", "--runs", "--space", "--data-root"])
def test_a_link_to_itself_is_a_line_wherever_it_is_named(here: Path, what: str, capsys: Output) -> None:
    loop = here / "loop"
    loop.symlink_to("loop")
    words = {
        "--space": str(MADE / "tint.py"),
        "--data": str(here / "data" / "rows.csv"),
        "--runs": str(here / "r"),
    }
    words[what] = str(loop)
    assert tune([*(word for pair in words.items() for word in pair), "--inline"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and str(loop) in error and len(error.strip().splitlines()) <= 2
