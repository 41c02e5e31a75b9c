"""What a command keeps among temporary files is its account's alone, and does not stay for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.machine import private_folder as module
from orchestrator.machine.private_folder import account_folder, private_folder

HOLDER = "import sys; from orchestrator.machine.private_folder import private_folder\n" + (
    "with private_folder() as folder: print(folder.path, flush=True); sys.stdin.read()"
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(module, "LONGEST", 1000)
    return tmp_path


@pytest.fixture
def other() -> Iterator[subprocess.Popen[str]]:
    """Another command with a folder of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER.replace("import sys;", "import sys; "
         "from orchestrator.machine import private_folder as m; m.LONGEST = 1000;")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        yield process
        process.kill()


def user_of(folder: Path) -> subprocess.Popen[bytes]:
    """A process with a path in it, which has begun: for a moment before, the kernel shows no words of it."""
    command = [sys.executable, "-c", "print(flush=True); input()", f"{folder}/x"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stdout.readline()
    return child


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_it_is_there_for_the_block_and_for_its_account_alone(place: Path) -> None:
    before = os.umask(0)
    try:
        with private_folder() as folder:
            assert mode(folder.path) == mode(folder.path.parent) == 0o700
            (folder.path / "socket").write_text("")
        assert list(account_folder().iterdir()) == []
    finally:
        os.umask(before)


def test_a_folder_that_an_earlier_umask_left_open_is_closed(place: Path) -> None:
    account_folder().chmod(0o777)
    assert mode(account_folder()) == 0o700


def test_a_link_or_another_accounts_folder_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = account_folder().name
    account_folder().rmdir()
    (place / "elsewhere").mkdir()
    (place / name).symlink_to(place / "elsewhere")
    with pytest.raises(InputError, match=r"is a link, or belongs to another account.*set TMPDIR"):
        account_folder()
    (place / name).unlink()
    (place / name).mkdir()
    another = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: another)
    (place / name).rename(place / f"orch-{os.getuid()}")
    with pytest.raises(InputError, match="belongs to another account"):
        account_folder()


def test_a_place_too_long_for_sockets_is_left_for_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 30)
    monkeypatch.setenv("RAY_TMPDIR", "/" + "long/" * 30)
    assert account_folder() == Path(f"/tmp/orch-{os.getuid()}")
    longest = f"{account_folder()}/abcdef/session_2026-11-29_08-00-00_123456_1234567/sockets/plasma_store"
    assert len(longest) < 107


def test_what_a_killed_command_left_goes_with_its_processes_when_the_next_begins(
    other: subprocess.Popen[str],
) -> None:
    assert other.stdout is not None
    left = Path(other.stdout.readline().strip())
    with user_of(left) as child:
        with private_folder():
            assert left.is_dir()  # in use
            assert child.poll() is None
        other.kill()
        other.wait()
        assert left.is_dir()
        with private_folder():
            assert not left.exists()
            assert child.wait(timeout=100) == -9
    assert list(account_folder().iterdir()) == []


def test_a_process_that_another_was_just_starting_is_ended_too(
    other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert other.stdout is not None
    left = Path(other.stdout.readline().strip())
    looks, users_of = iter([1]), module._users_of
    # The first look sees but one of the two: the kernel's list is read while processes begin.
    monkeypatch.setattr(module, "_users_of", lambda path: islice(users_of(path), next(looks, None)))
    with user_of(left) as one, user_of(left) as another:
        other.kill()
        other.wait()
        with private_folder():
            assert not left.exists()
            assert [child.wait(timeout=100) for child in (one, another)] == [-9, -9]


def test_one_that_is_kept_stays_until_the_next_begins() -> None:
    with private_folder() as folder:
        folder.kept = True
    assert folder.path.is_dir()
    with private_folder():
        assert not folder.path.exists()


@pytest.mark.parametrize("first", [True, False])
def test_the_advice_is_a_place_that_can_be_used(
    tmp_path: Path, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long one would be passed over, and TMPDIR counts for nothing beside RAY_TMPDIR."""
    monkeypatch.setattr(module, "LONGEST", 30)
    monkeypatch.setenv("RAY_TMPDIR", "/proc/nowhere" if first else "")
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/proc/nowhere")
    with pytest.raises(
        InputError, match=r"cannot be made.*set TMPDIR to a folder.* at most 30 char"
    ) as caught:
        account_folder()
    assert ("unset RAY_TMPDIR" in str(caught.value)) == first
