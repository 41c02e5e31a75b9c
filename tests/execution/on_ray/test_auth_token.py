"""Whoever reads the token of a Ray may run code as its owner."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.execution.on_ray import auth_token
from orchestrator.execution.on_ray.auth_token import keep_to_owner, prepare_own_token
from orchestrator.machine.private_folder import private_folder
from tests.support.nodes import below

ROOT = Path(__file__).parents[3]
KILLED = """
import os, ray
from orchestrator.execution.on_ray.cluster import connect
with connect(None, cpus=1):
    ray.get(ray.remote(lambda: os.getpid()).remote())
    print(ray._private.worker._global_node.get_session_dir_path(), flush=True)
    input()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in auth_token.CHOSEN:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_new_token_is_its_owners_alone_whatever_the_umask(home: Path) -> None:
    before = os.umask(0)
    try:
        prepare_own_token()
    finally:
        os.umask(before)
    token = home / ".ray" / "auth_token"
    assert (mode(token), mode(token.parent)) == (0o600, 0o700)
    assert len(token.read_text()) == 64


def test_an_open_token_is_closed_and_told_and_stays_the_same(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = home / ".ray" / "auth_token"
    token.parent.mkdir(mode=0o755)
    token.write_text("0" * 64)
    token.chmod(0o644)
    prepare_own_token()
    assert (mode(token), mode(token.parent), token.read_text()) == (0o600, 0o700, "0" * 64)
    assert "could be read by other accounts" in caplog.text
    caplog.clear()
    prepare_own_token()
    assert caplog.text == ""


def test_one_named_by_the_user_is_closed_and_its_folder_left_alone(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = home / "my_token"
    named.write_text("1" * 64)
    named.chmod(0o640)
    home.chmod(0o755)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(named))
    prepare_own_token()
    assert (mode(named), mode(home)) == (0o600, 0o755)
    assert not (home / ".ray").exists()


def test_another_accounts_token_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = home / "token"
    token.write_text("2" * 64)
    another = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: another)
    with pytest.raises(InputError, match=r"token belongs to another account \(number \d+\)"):
        keep_to_owner(token)


@pytest.mark.ray
def test_of_a_killed_search_neither_processes_nor_files_outlast_the_start_of_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And no other account can reach its sockets."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    environ.pop("RAY_TMPDIR", None)
    start = [sys.executable, "-c", KILLED]
    pipe = subprocess.PIPE
    with subprocess.Popen(start, stdin=pipe, stdout=pipe, text=True, env=environ, cwd=ROOT) as first:
        assert first.stdout is not None
        session = Path(first.stdout.readline().strip())
        account = next(folder for folder in session.parents if folder.name.startswith("orch-"))
        assert mode(account) == 0o700
        of_first = below(first.pid)
        assert len(of_first) >= 3
        first.kill()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    with private_folder():  # as the next search begins
        assert not session.exists()
        named = [Path(f"/proc/{pid}/cmdline") for pid in of_first]
        words = [path.read_bytes() for path in named if path.exists()]
        assert [item for item in words if str(session.parent).encode() in item] == []
