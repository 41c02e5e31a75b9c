"""cluster.yaml as `ray up` reads it, and what the doctor needs of it."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.core.errors import InputError

RAY_PORT, RAY_TEMP_DIR = 6379, "/tmp/ray"  # Ray's own, where the start command names none
PROJECT = "~/fold-orchestrator"
BARE_RAY = re.compile(r"(?<![\w./-])ray\s+start\b")


@dataclass(frozen=True)
class ClusterFile:
    """What the doctor needs of a cluster.yaml that Ray has completed."""

    path: Path
    head: str  # address
    workers: tuple[str, ...]  # addresses
    user: str | None  # of SSH on the servers; ssh chooses if None
    key: Path | None  # of SSH, on this machine; ssh chooses if None
    proxy_command: str | None  # of SSH
    project: str  # its folder on the servers, with ~ and $USER not yet replaced
    port: int  # of the head's Ray
    temp_dir: str  # of Ray on the servers, with ~ and $USER not yet replaced
    bare_ray: bool  # whether a start command finds `ray` by the login shell's PATH

    @property
    def servers(self) -> tuple[str, ...]:
        return (self.head, *self.workers)


def read_cluster_file(path: Path) -> ClusterFile:
    """Raises InputError for what `ray up` would refuse, and for servers that are not listed by address."""
    given = _loaded(path)
    provider = given.get("provider")
    if not isinstance(provider, dict) or provider.get("type") != "local":
        raise InputError(
            f"{path}: provider type is not local; servers are found by the addresses listed there"
        )
    if not isinstance(provider.get("head_ip"), str) or not isinstance(provider.get("worker_ips"), list):
        raise InputError(f"{path}: provider needs head_ip (an address) and worker_ips (a list, may be empty)")
    prepared = _completed(path, given)
    servers = [provider["head_ip"], *map(str, provider["worker_ips"])]
    twice = sorted({address for address in servers if servers.count(address) > 1})
    if twice:
        raise InputError(f"{path}: {', '.join(twice)} is listed twice; each server is one node")
    return _needed(path, provider, prepared)


def _loaded(path: Path) -> dict[str, Any]:
    try:
        given = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(f"--cluster {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"--cluster {path} is no YAML: {_first_line(error)}") from error
    if not isinstance(given, dict):
        raise InputError(f"--cluster {path} is no cluster file; the one beside pyproject.toml is an example")
    return given


def _completed(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """The file with Ray's defaults, checked by its schema. What Ray prints is shown where it refuses."""
    # It imports ray: a second that a look at this machine alone, or --help, need not spend.
    from orchestrator.execution.on_ray.compat import CLUSTER, check_ray, completed_cluster_config

    check_ray(CLUSTER)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            return completed_cluster_config(given)
    except Exception as error:  # its schema, its YAML helpers and its command line each raise their own kind
        reason = _first_line(error) if str(error).strip() else printed.getvalue().strip()
        raise InputError(f"{path}: `ray up` would refuse it: {reason}; correct it there") from error


def _needed(path: Path, provider: Mapping[str, Any], prepared: Mapping[str, Any]) -> ClusterFile:
    auth = prepared.get("auth") or {}
    key = auth.get("ssh_private_key")
    head_start = prepared.get("head_start_ray_commands") or []
    starts = [*head_start, *(prepared.get("worker_start_ray_commands") or [])]
    return ClusterFile(
        path=path,
        head=provider["head_ip"],
        workers=tuple(map(str, provider["worker_ips"])),
        user=auth.get("ssh_user"),
        key=Path(key).expanduser() if key else None,
        proxy_command=auth.get("ssh_proxy_command"),
        project=_project(path, prepared.get("file_mounts") or {}),
        port=int(_option("port", head_start) or RAY_PORT),
        temp_dir=_option("temp-dir", head_start) or RAY_TEMP_DIR,
        bare_ray=any(map(_needs_path, starts)),
    )


def _project(path: Path, mounts: Mapping[str, Any]) -> str:
    """The folder where the project goes: of the mount that is, or has, a pyproject.toml."""
    for remote, local in mounts.items():
        source = path.parent / Path(str(local)).expanduser()
        if source.name == "pyproject.toml":
            return str(remote).rpartition("/")[0]
        if (source / "pyproject.toml").is_file():
            return str(remote)
    return PROJECT


def _needs_path(command: str) -> bool:
    """Whether it calls `ray` by name without having set PATH or read a file that may."""
    before, found, _ = (
        command.partition(match.group()) if (match := BARE_RAY.search(command)) else (command, "", "")
    )
    return bool(found) and not re.search(r"\bPATH=|(?:^|[;&|{(\s])(?:\.|source)\s+\S", before)


def _option(name: str, commands: list[str]) -> str | None:
    found = re.search(rf"--{name}[= ]([^\s;}})]+)", " ".join(commands))
    return found.group(1).strip("'\"") if found else None


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
