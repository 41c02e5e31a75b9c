"""Asks the servers of a cluster file, all at once, over SSH; one connection each, nothing changed on them."""

from __future__ import annotations

import json
import secrets
import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.callbacks import Progress
from orchestrator.doctor import bootstrap, probe
from orchestrator.execution.on_ray.cluster_file import ClusterFile

CONNECT_S = 8
ANSWER_S = 240.0  # torch on a cold disk takes a minute
LINE = 2**24  # characters of an answer that are read
SSH_FAILED = 255
FUTURE = "from __future__ import annotations\n"  # only ever a program's first statement
SHELL = (
    "{ source ~/.bashrc; test ! -f ~/.fold-orchestrator/environment || . ~/.fold-orchestrator/environment; }"
    " < /dev/null > /dev/null 2>&1; python3 -"
)
"""What the servers' own start commands have in their environment, then the probe."""
OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": str(CONNECT_S),
    "ConnectionAttempts": "1",
    "LogLevel": "ERROR",
    # As `ray up` connects: only the key of the file; unknown hosts are taken, and not remembered.
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
}


@dataclass(frozen=True)
class Reply:
    """What came back from one address."""

    address: str
    answer: Mapping[str, Any] | None = None  # what `probe.main` printed; `error` says why there is none
    error: str = ""  # in the words of ssh or the login shell
    exit_code: int | None = None  # SSH_FAILED: of ssh itself
    ahead_s: tuple[float, float] = (0.0, 0.0)  # bounds of the seconds that its clock is ahead of this one's


def ask_all(
    file: ClusterFile, trainable: str, data: Mapping[str, Any] | None, progress: Progress
) -> dict[str, Reply]:
    """Address -> reply. Never raises for what a server does.

    Only the head needs to be reached from here: a worker that is not is asked by way of it.
    """
    count = len(file.servers)

    def near(address: str) -> Reply:
        return ask(file, address, trainable, data)

    replies = _ask_each(file.servers, near, lambda done: progress(done, count))
    farther = [
        address for address in file.workers if _another_way(replies[address], replies[file.head], file)
    ]

    def by_head(address: str) -> Reply:
        other = ask(file, address, trainable, data, by_head=True)
        # Where that fails too, the nearer failure is the one to act on.
        return other if other.exit_code != SSH_FAILED else replies[address]

    return replies | _ask_each(farther, by_head, lambda done: progress(count + done, count + len(farther)))


def _ask_each(
    addresses: Sequence[str], question: Callable[[str], Reply], on_reply: Callable[[int], None]
) -> dict[str, Reply]:
    replies: dict[str, Reply] = {}
    with ThreadPoolExecutor(max_workers=32) as pool:
        for number, done in enumerate(as_completed([pool.submit(question, item) for item in addresses]), 1):
            reply = done.result()
            replies[reply.address] = reply
            on_reply(number)
    return {address: replies[address] for address in addresses}


def _another_way(reply: Reply, head: Reply, file: ClusterFile) -> bool:
    # A key that its sshd refuses would be refused by way of the head as well.
    network = reply.answer is None and reply.exit_code == SSH_FAILED and "denied" not in reply.error
    return network and head.answer is not None and not file.proxy_command


def ask(
    file: ClusterFile, address: str, trainable: str, data: Mapping[str, Any] | None, by_head: bool = False
) -> Reply:
    if file.key is not None and not (
        file.key.exists() or Path(f"{file.key}.pub").exists()
    ):  # .pub: ssh-agent's
        return Reply(address, error=f"Identity file {file.key} not accessible", exit_code=SSH_FAILED)
    mark = f"@@{secrets.token_hex(8)} "
    asked = {
        "project": file.project,
        "temp_dir": file.temp_dir,
        "trainable": trainable,
        "port": file.port,
        "head": None if address == file.head else file.head,
        "workers": file.workers,
        "data": data,
    }
    call = f"main({mark!r}, json.loads({json.dumps(asked)!r}), before_setup)\n"
    parts = [Path(str(part.__file__)).read_text() for part in (bootstrap, probe)]
    program = FUTURE + "\n".join([*(part.replace(FUTURE, "") for part in parts), call])
    return converse(ssh_command(file, address, by_head), address, program, mark)


def ssh_command(file: ClusterFile, address: str, by_head: bool = False) -> list[str]:
    """A login shell as `ray up` opens it, and in it python3, which reads its program from standard input."""
    proxy = file.proxy_command
    if by_head:
        proxy = shlex.join([*_ssh(file, None), "-W", "%h:%p", _target(file, file.head)])
    return [*_ssh(file, proxy), _target(file, address), f"bash --login -c -i {shlex.quote(SHELL)}"]


def _ssh(file: ClusterFile, proxy: str | None) -> list[str]:
    options = [f"{name}={value}" for name, value in OPTIONS.items()]
    if file.key is not None:
        options.append("IdentitiesOnly=yes")
    if proxy:
        options.append(f"ProxyCommand={proxy}")
    command = ["ssh", *(word for option in options for word in ("-o", option))]
    return [*command, "-i", str(file.key)] if file.key is not None else command


def _target(file: ClusterFile, address: str) -> str:
    return f"{file.user}@{address}" if file.user else address


def converse(
    command: Sequence[str], address: str, program: str, mark: str, timeout_s: float = ANSWER_S
) -> Reply:
    """Runs the command with the program as its input; keeps only lines that begin with the mark."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(program.encode())
        given.seek(0)
        started = time.time()
        try:
            process = subprocess.Popen(command, stdin=given, stdout=subprocess.PIPE, stderr=errors)
        except OSError as error:
            return Reply(address, error=f"{command[0]}: {error.strerror}; install it here")
        killer = threading.Timer(timeout_s, process.kill)
        killer.start()
        try:
            marked = _marked(process, mark)
            code = process.wait()
        finally:
            killer.cancel()
        errors.seek(0)
        output = errors.read().decode(errors="replace").strip()
    if len(marked) < 2:  # its clock came and the answer did not, or neither
        if code == -9:
            output = f"no answer within {timeout_s:.0f} s; {output}"
        return Reply(address, error=output or f"exit code {code}, without a word", exit_code=code)
    (received, begun), (_, answer) = marked[0], marked[-1]
    return Reply(address, answer, exit_code=code, ahead_s=clock_bounds(started, received, begun.get("begun")))


def _marked(process: subprocess.Popen[bytes], mark: str) -> list[tuple[float, Mapping[str, Any]]]:
    """(this machine's clock when it was received, the JSON object in it) of every marked line."""
    found: list[tuple[float, Mapping[str, Any]]] = []
    assert process.stdout is not None
    while line := process.stdout.readline(LINE):  # what a server sends is not trusted to end
        text = line.decode(errors="replace")
        if mark in text:
            received = time.time()
            try:
                answer = json.loads(text.split(mark, 1)[1])
            except ValueError:
                continue
            if isinstance(answer, dict):
                found.append((received, answer))
    process.stdout.close()
    return found


def clock_bounds(started: float, received: float, there: object) -> tuple[float, float]:
    """How far the clock there is ahead of ours, at least and at most, from what it said between two of our
    times: the way there and back is not taken for a difference."""
    if not isinstance(there, int | float):
        return 0.0, 0.0
    return there - received, there - started
