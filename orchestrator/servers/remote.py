"""Reaching a worker from the head: SSH without questions, rsync of what the head itself was given."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from orchestrator.servers.inventory import Servers

# A first key is believed (there is nobody to ask) and remembered; a changed one is refused.
OPTIONS = [
    *("-o", "BatchMode=yes"),
    *("-o", "LogLevel=ERROR"),
    *("-o", "StrictHostKeyChecking=accept-new"),
    *("-o", "ConnectTimeout=15"),
    *("-o", "ServerAliveInterval=15"),
]
KEPT_LINES = 12
PROJECT = "~/fold-orchestrator/"
# Nothing else is deleted: weights, images, what someone put there. rsync takes the first rule that fits.
ONLY_MODULES_OF_THE_HEAD = ["--delete", "--filter=risk */", "--filter=risk *.py", "--filter=protect *"]


class RemoteError(Exception):
    """A step on a worker failed; the text says which and how its output ended."""


def ssh(servers: Servers) -> list[str]:
    key = ["-i", str(Path(servers.key).expanduser())] if servers.key else []
    return ["ssh", *OPTIONS, *key]


def on(servers: Servers, worker: str, step: str, command: str, **environment: str) -> None:
    """Runs `command` there in a login shell. Raises RemoteError."""
    exports = "".join(f"export {name}={shlex.quote(value)}; " for name, value in environment.items())
    inner = f"bash --login -c {shlex.quote(exports + command)}"
    run(step, [*ssh(servers), f"{servers.user}@{worker}", inner])


def copy(servers: Servers, worker: str, path: str) -> None:
    """`path` of the head (~ is each home) to the same place there; of the project's folders no module stays
    there that the head has not. Raises RemoteError."""
    here = Path(path).expanduser()
    folder = "/" if here.is_dir() else ""
    there = path.removeprefix("~/").rstrip("/")  # relative to home there, whatever its name
    on(
        servers,
        worker,
        "making a folder",
        f"cd && umask 077 && mkdir -p {shlex.quote(str(Path(there).parent))}",
    )
    options = [f"--exclude={pattern}" for pattern in servers.excluded]
    if folder and path.startswith(PROJECT):
        options += ONLY_MODULES_OF_THE_HEAD
    target = f"{servers.user}@{worker}:{there}{folder}"
    through = ["-e", shlex.join(ssh(servers))]
    run(f"copying {path}", ["rsync", "-az", *options, *through, f"{here}{folder}", target])


def run(step: str, command: Sequence[str]) -> None:
    """Raises RemoteError with the last lines of the output."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode:
        last = "\n".join(f"    {line}" for line in done.stdout.strip().splitlines()[-KEPT_LINES:])
        raise RemoteError(f"{step} failed (exit {done.returncode}):\n{last}")
