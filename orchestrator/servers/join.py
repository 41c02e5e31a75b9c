"""Brings the workers into the cluster: who is in, who is not and why.

Ray's own launcher leaves this to its autoscaler, after `ray up` has reported success: a worker that fails is
then a line in a log on the head, and one added to a head that runs is never started. Here `ray up` itself
waits, and reports.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from orchestrator.servers.inventory import Servers, address_of, head_address
from orchestrator.servers.remote import RemoteError, copy, on

TOKEN = "~/.fold-orchestrator/token"  # also in execution/on_ray/auth_token.py, which costs the import of Ray
# A raylet whose head was replaced ends itself within a minute, and only then can a new one be started.
JOIN_S = 100.0


@dataclass(frozen=True)
class Refusal:
    """A worker that is not in the cluster."""

    worker: str  # address, as cluster.yaml writes it
    reason: str


def join(servers: Servers, members: Callable[[], set[str]], say: Callable[[str], None]) -> list[Refusal]:
    """Sets up and starts all workers at once; returns who is not in. members(): addresses of nodes alive."""
    with ThreadPoolExecutor(max_workers=16) as pool:
        tried = pool.map(lambda worker: attempt(servers, worker, say), servers.workers)
        refusals = [refusal for refusal in tried if refusal]
    out = {refusal.worker for refusal in refusals}
    return refusals + await_members(servers, [w for w in servers.workers if w not in out], members, say)


def attempt(servers: Servers, worker: str, say: Callable[[str], None]) -> Refusal | None:
    """Copies, sets up and starts one worker; returns why that failed, or None."""
    began = time.monotonic()
    try:
        for path in (*servers.mounts, TOKEN):
            say(f"{worker}: copying {path}")
            copy(servers, worker, path)
        for command in servers.setup:
            on(servers, worker, "set-up", command)
        start(servers, worker)
    except RemoteError as error:
        return Refusal(worker, str(error))
    say(f"{worker}: copied, set up, started in {time.monotonic() - began:.0f} s")
    return None


def start(servers: Servers, worker: str) -> None:
    """Does nothing where our Ray runs already. Raises RemoteError."""
    known = {"RAY_HEAD_IP": head_address(servers), "RAY_CLOUD_INSTANCE_ID": address_of(worker)}
    for command in servers.start:
        on(servers, worker, "starting Ray", command, **known)


def await_members(
    servers: Servers, expected: list[str], members: Callable[[], set[str]], say: Callable[[str], None]
) -> list[Refusal]:
    """Starts them again and asks again, until all are in or JOIN_S is over."""
    deadline = time.monotonic() + JOIN_S
    missing = dict.fromkeys(expected, "")
    while missing:
        there = members()
        for worker in [worker for worker in missing if address_of(worker) in there]:
            del missing[worker]
            say(f"{worker}: in")
        if not missing or time.monotonic() > deadline:
            break
        time.sleep(2)  # each round asks every missing worker over SSH
        for worker in missing:
            try:
                start(servers, worker)
            except RemoteError as error:
                missing[worker] = str(error)
    return [Refusal(worker, why or NOT_SEEN) for worker, why in missing.items()]


NOT_SEEN = (
    "its Ray runs, but not in this cluster: it is another head's, or ports between the servers are closed; "
    "its log there: /tmp/fold-<user>/ray/session_latest/logs/raylet.out"
)
