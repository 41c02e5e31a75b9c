"""CUDA's MPS daemon as this account's own: started, told to end, and ended by the next one after a kill."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.machine import mps
from orchestrator.machine.gpu_cards import parse_log
from orchestrator.machine.mps import LOGS, PIPES, SWITCH, MpsError, card_reason, own_daemon, reason_against
from orchestrator.machine.private_folder import account_folder, private_folder
from tests.support.drawn_nvidia_smi import SLICED, card, log, put_nvidia_smi, uuid

DRAWN = """#!/bin/bash
pid=$CUDA_MPS_PIPE_DIRECTORY/pid
if [ "$1" = -d ]; then
  [ -n "$REFUSES" ] && { echo "cannot create\x1b a directory" >&2; exit 1; }
  echo "start visible=${CUDA_VISIBLE_DEVICES-unset} $(ls -d $CUDA_MPS_LOG_DIRECTORY)" >> $CALLS
  [ -n "$DIES" ] || { sleep 600 > /dev/null 2>&1 & echo $! > $pid; }
  exit 0
fi
read order
echo "$order" >> $CALLS
kill -0 $(cat $pid) 2> /dev/null || { echo "Cannot find MPS control daemon process"; exit 0; }
[ "$order" = quit ] && kill -KILL $(cat $pid)  # also where SIGTERM is ignored
exit 0
"""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One with a card, a driver and the program; the file that its calls are written to."""
    programs = tmp_path / "bin"
    put_nvidia_smi(programs, log(card(0), card(1)))
    (programs / mps.PROGRAM).write_text(DRAWN)
    (programs / mps.PROGRAM).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("orchestrator.machine.private_folder.LONGEST", 500)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    for name in (PIPES, LOGS, SWITCH):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(mps, "mps_daemons", dict)
    monkeypatch.setattr(mps, "ANSWER_S", 120.0)  # drawn programs answer, if the machine lets them
    monkeypatch.setattr(mps, "QUIT_S", 120.0)
    yield tmp_path / "calls"
    with private_folder():
        """What a test left running ends here."""


def daemon_of(environment: dict[str, str]) -> int:
    return int((Path(environment[PIPES]) / "pid").read_text())


def is_there(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def ends(pid: int) -> bool:
    """Whether it ends, or has ended: what was told to may take a moment."""
    try:
        found = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([found], [], [], 120)[0])
    finally:
        os.close(found)


def test_it_runs_for_the_block_in_folders_of_nobody_else(machine: Path) -> None:
    with own_daemon({**os.environ, "CUDA_VISIBLE_DEVICES": "1"}) as environment:
        pipes, logs = Path(environment[PIPES]), Path(environment[LOGS])
        assert set(environment) == {PIPES, LOGS} and pipes.is_relative_to(account_folder())
        assert pipes.stat().st_mode & 0o777 == logs.stat().st_mode & 0o777 == 0o700
        daemon = daemon_of(environment)
        assert is_there(daemon)
    assert ends(daemon) and not pipes.exists()
    assert machine.read_text().splitlines() == [f"start visible=unset {logs}", "get_server_list", "quit"]


def test_it_ends_with_an_error_of_the_block() -> None:
    with pytest.raises(KeyboardInterrupt), own_daemon() as environment:
        daemon = daemon_of(environment)
        raise KeyboardInterrupt
    assert ends(daemon)


def test_one_that_has_ended_by_itself_is_no_error() -> None:
    with own_daemon() as environment:
        os.kill(daemon_of(environment), signal.SIGKILL)


def test_what_a_killed_command_left_is_ended_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import orchestrator.machine.mps as m, orchestrator.machine.private_folder as f\n"
    script += "f.LONGEST = 500\nm.mps_daemons = dict\nwith m.own_daemon() as e:\n"
    script += " print(e[m.PIPES], flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        pipes = Path(other.stdout.readline().strip())
        daemon = daemon_of({PIPES: str(pipes)})
        monkeypatch.setattr(mps, "mps_daemons", lambda: {str(daemon): "us"} if is_there(daemon) else {})
        with pytest.raises(MpsError, match="a daemon of us runs already"), own_daemon():
            raise AssertionError("not reached: whose daemon it is still lives")
        other.kill()
        other.wait()
        assert is_there(daemon) and pipes.exists()
        with own_daemon():
            assert not is_there(daemon) and not pipes.exists()


@pytest.mark.parametrize(
    ("set_to", "words"),
    [
        ({SWITCH: "off"}, f"{SWITCH}=off"),
        ({PIPES: "/tmp/mine"}, f"{PIPES} is set, so that a daemon of yours is used"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "no GPU is visible"),
    ],
)
def test_what_the_environment_forbids(set_to: dict[str, str], words: str) -> None:
    assert reason_against({**os.environ, **set_to}) == words
    with pytest.raises(MpsError, match=words), own_daemon({**os.environ, **set_to}):
        raise AssertionError("not reached")


def test_nothing_is_started_where_a_daemon_runs_or_none_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert reason_against() is None
    monkeypatch.setattr(mps, "mps_daemons", lambda: {"17": "root", "19": "ali\x1bce"})
    assert reason_against() == "a daemon of ali\\x1bce, root runs already"
    (tmp_path / "bin" / mps.PROGRAM).unlink()
    assert reason_against() == f"{mps.PROGRAM} is not installed"


def test_nothing_is_started_where_nvidia_smi_does_not_answer(tmp_path: Path) -> None:
    put_nvidia_smi(tmp_path / "bin", "", exit_code=9)
    assert (reason_against() or "").startswith("nvidia-smi does not tell of the GPUs: ")


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        (card(0), None),
        (card(0, compute_mode="Exclusive_Process"), None),
        (card(0, compute_mode="Prohibited"), "a GPU's compute mode is Prohibited"),
        (SLICED, "a GPU is in slices (MIG), each of which would need a daemon of its own"),
        (card(0, mig="", name="NVIDIA L4"), None),
    ],
)
def test_cards_that_share_through_it_and_those_that_do_not(drawn: str, words: str | None) -> None:
    assert card_reason(parse_log(log(drawn)).cards) == words


def test_a_card_that_is_not_ours_to_use_does_not_count(tmp_path: Path) -> None:
    put_nvidia_smi(tmp_path / "bin", log(card(0), card(1, compute_mode="Prohibited")))
    assert reason_against() == "a GPU's compute mode is Prohibited"
    assert reason_against({**os.environ, "CUDA_VISIBLE_DEVICES": uuid(0)}) is None


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("REFUSES", "ended with 1: cannot create\\\\x1b a directory"),
        ("DIES", "Cannot find MPS control daemon"),
    ],
)
def test_one_that_does_not_start_is_told_in_its_words(
    how: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(how, "1")
    with pytest.raises(MpsError, match=words), own_daemon():
        raise AssertionError("not reached")
    assert [path for path in account_folder().iterdir() if path.is_dir()] == []
