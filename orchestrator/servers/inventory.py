"""What `ray up` left on the head about the servers: cluster.yaml, with its paths as they are there."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.errors import InputError

LEFT_BY_RAY = Path("~/ray_bootstrap_config.yaml")  # JSON, whatever its name says


@dataclass(frozen=True)
class Servers:
    """The servers, how to reach them, and what to do on a worker."""

    head: str  # as cluster.yaml writes it: address or name
    workers: tuple[str, ...]  # the same
    user: str  # of SSH
    key: str | None  # of SSH; ssh chooses if None
    mounts: tuple[str, ...]  # paths on the head that the workers get under the same name
    excluded: tuple[str, ...]  # patterns of what is not copied
    setup: tuple[str, ...]  # commands that install, in order
    start: tuple[str, ...]  # commands that start Ray, in order


def read(path: Path = LEFT_BY_RAY) -> Servers:
    """Raises InputError where `ray up` has not been."""
    try:
        given = json.loads(path.expanduser().read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: not here; run this on the head, after `ray up cluster.yaml`") from None
    return from_config(given)


def from_config(given: Mapping[str, Any]) -> Servers:
    """given: a cluster.yaml that Ray has completed."""
    auth, provider = given["auth"], given["provider"]
    return Servers(
        head=provider["head_ip"],
        workers=tuple(provider["worker_ips"]),
        user=auth["ssh_user"],
        key=auth.get("ssh_private_key"),
        mounts=tuple(given["file_mounts"]),
        excluded=tuple(given.get("rsync_exclude", ())),
        setup=(*given.get("setup_commands", ()), *given.get("worker_setup_commands", ())),
        start=tuple(given["worker_start_ray_commands"]),
    )


def head_address(servers: Servers) -> str:
    """Where the head's Ray listens: loopback when alone. Raises InputError when workers cannot reach it."""
    if not servers.workers:
        return "127.0.0.1"
    address = address_of(servers.head)
    if address.startswith("127."):
        raise InputError(
            f"head_ip: {servers.head} cannot be reached by {', '.join(servers.workers)}; "
            "put the head's own address into cluster.yaml"
        )
    return address


def address_of(host: str) -> str:
    """Raises InputError for a name that nobody knows."""
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise InputError(f"{host}: no such server ({error}); correct it in cluster.yaml") from error
