"""Our own Ray on the servers: whose a process is, and where the head listens. On real servers: tests/lab."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config

from orchestrator.core.errors import InputError
from orchestrator.execution.on_ray import auth_token as token
from orchestrator.servers import __main__ as main_module
from orchestrator.servers import processes, remote
from orchestrator.servers.__main__ import main
from orchestrator.servers.inventory import Servers, from_config, head_address, read

ROOT = Path(__file__).parents[2]
# Forgets its environment, as a Ray worker does when it renames itself, and says when it has.
FORGETFUL = "import os, sys; os.execve('/bin/sh', ['sh', '-c', 'echo up; exec cat'], {})"


def servers(head: str, *workers: str) -> Servers:
    given = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    given["provider"].update(head_ip=head, worker_ips=list(workers))
    return from_config(prepare_config(given))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """A process with the mark, its child that lost it, and one of another Ray."""
    monkeypatch.setattr(processes, "TEMP", str(tmp_path / "ray"))
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {FORGETFUL!r}])"
    found = []
    for temp in (tmp_path / "ray", tmp_path / "rays"):
        marked = {**os.environ, processes.MARK: str(temp)}
        process = subprocess.Popen(
            [sys.executable, "-c", parent],
            env=marked,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        found.append(process)
    yield found
    for process in found:
        process.communicate()  # their input ends, and they with it


def test_ours_are_those_with_the_mark_and_what_descends_from_them(
    started: list[subprocess.Popen[str]],
) -> None:
    ours, theirs = started
    (child,) = Path(f"/proc/{ours.pid}/task/{ours.pid}/children").read_text().split()
    assert processes.ours() == sorted([ours.pid, int(child)])
    assert theirs.poll() is None


def test_ending_ours_leaves_theirs(started: list[subprocess.Popen[str]]) -> None:
    ours, theirs = started
    assert processes.end(grace_s=1.0) == 2
    assert processes.ours() == []
    assert ours.wait(timeout=30) != 0
    assert theirs.poll() is None


def test_a_head_alone_listens_on_loopback_and_with_workers_where_they_reach_it() -> None:
    assert head_address(servers("10.0.0.11")) == "127.0.0.1"
    assert head_address(servers("10.0.0.11", "10.0.0.12")) == "10.0.0.11"
    with pytest.raises(InputError, match=r"head_ip: 127\.0\.0\.1 cannot be reached by 10\.0\.0\.12"):
        head_address(servers("127.0.0.1", "10.0.0.12"))
    with pytest.raises(InputError, match=r"nobody\.invalid: no such server"):
        head_address(servers("nobody.invalid", "10.0.0.12"))


@pytest.mark.parametrize("left, way_out", [([], "in place of"), ([7], "what is left of our Ray")])
def test_a_head_whose_port_is_taken_is_refused_before_ray_is_started(
    left: list[int],
    way_out: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(main_module, "read", lambda: servers("127.0.0.1"))
    monkeypatch.setattr(processes, "ours", lambda *_: left)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["head", "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert f"port {port} of this server: Address already in use" in error
    assert way_out in error
    assert main(["head", "--port", str(port)]) == 0


@pytest.mark.parametrize("name", main_module.COMMANDS)
def test_every_command_of_servers_says_what_it_does_with_an_example_that_it_takes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    text = capsys.readouterr().out
    assert ended.value.code == 0
    [explanation] = re.findall(r"\n\n([A-Z].*?\.)\n\n", text, re.DOTALL)
    assert len(explanation.split(". ")) >= 2
    examples = re.findall(r"^  python -m orchestrator\.servers (.+)$", text, re.MULTILINE)
    assert examples
    for example in examples:
        assert main_module.parser().parse_args(example.split()).command == name


def test_workers_keep_no_module_that_the_head_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing else is deleted."""
    head, worker = tmp_path / "head", tmp_path / "worker"
    for folder, names in (
        (head, ["a.py", "of_the_head.bin"]),
        (worker, ["a.py", "old/b.py", "old/kept.bin", "kept.bin"]),
    ):
        for name in names:
            path = folder / "fold-orchestrator" / "trainables" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(folder))
    shutil.copytree(worker / "fold-orchestrator" / "trainables", worker / "data")
    shutil.copytree(head / "fold-orchestrator" / "trainables", head / "data")
    monkeypatch.setenv("HOME", str(head))
    monkeypatch.setattr(remote, "on", lambda *_: None)
    run = remote.run
    here = lambda step, command: run(step, [*command[:-1], f"{worker}/{command[-1].partition(':')[2]}"])  # noqa: E731
    monkeypatch.setattr(remote, "run", here)
    for path in ("~/fold-orchestrator/trainables", "~/data"):
        remote.copy(servers("10.0.0.11", "10.0.0.12"), "10.0.0.12", path)
    files = lambda folder: {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}  # noqa: E731
    kept = {"a.py", "of_the_head.bin", "old/kept.bin", "kept.bin"}
    assert files(worker / "fold-orchestrator" / "trainables") == kept
    assert files(worker / "data") == kept | {"old/b.py"}
    assert (worker / "data" / "a.py").read_text() == str(head)


def test_workers_get_what_the_head_got_and_start_with_their_own_command() -> None:
    given = servers("10.0.0.11", "10.0.0.12")
    assert "~/fold-orchestrator/orchestrator" in given.mounts
    assert not [path for path in given.mounts if "bootstrap" in path]
    assert [command for command in given.setup if "install.sh" in command]
    assert all("--address=$RAY_HEAD_IP:6390" in command for command in given.start)


def test_where_ray_up_has_not_been_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match="run this on the head, after `ray up"):
        read(tmp_path / "ray_bootstrap_config.yaml")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["stop"]) == 2
    assert "after `ray up cluster.yaml`" in capsys.readouterr().err


@pytest.mark.parametrize("chosen", [{}, {"RAY_AUTH_TOKEN": "mine"}, {"RAY_AUTH_MODE": "disabled"}])
def test_the_token_is_shown_unless_another_was_chosen(
    chosen: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {name: value for name, value in os.environ.items() if name not in token.CHOSEN}
    (tmp_path / ".fold-orchestrator").mkdir()
    (tmp_path / ".fold-orchestrator" / "token").write_text("0" * 64)
    ask = (
        "import os, ray; from orchestrator.execution.on_ray.auth_token import use_ray_token;"
        "use_ray_token();"
        "from ray._raylet import AuthenticationMode as Mode, get_authentication_mode as mode;"
        "print(mode() == Mode.TOKEN, os.environ.get('RAY_AUTH_TOKEN_PATH'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask], env={**env, **chosen, "HOME": str(tmp_path)},
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    shown = f"True {tmp_path}/.fold-orchestrator/token"
    assert done.stdout.strip() == ("False None" if chosen else shown)
