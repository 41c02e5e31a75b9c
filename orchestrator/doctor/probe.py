"""What one server says of itself. Its text is sent over SSH and run by that server's python3, whether the
project is there or not: standard library alone, nothing newer than Python 3.8, and it changes nothing.

It prints two lines that begin with a mark: its clock as soon as it runs, then the answer as JSON.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TORCH = """
import json, sys
answer = {"cuda": None, "free": [], "error": "", "architectures": [], "devices": []}
try:
    import torch
    answer["cuda"] = torch.version.cuda
    answer["architectures"] = torch.cuda.get_arch_list()
    for number in range(torch.cuda.device_count()):
        capability = torch.cuda.get_device_capability(number)
        answer["devices"].append([torch.cuda.get_device_name(number), *capability])
    for number in range(torch.cuda.device_count()):
        torch.ones(1, device=f"cuda:{number}").add_(1).item()
        free, total = torch.cuda.mem_get_info(number)
        answer["free"].append(free / total)
    if not answer["free"]:
        torch.cuda.init()
        answer["error"] = "it sees no GPU"
except Exception as error:
    answer["error"] = f"{type(error).__name__}: {error}"[:300]
print(json.dumps(answer))
"""
"""Run by a Python that has torch: whether CUDA works on every GPU, the share of memory that is free, for what
this torch has kernels, and the name and compute capability of each device."""
TORCH_S = 120  # seconds; torch on a cold disk takes a minute
# A server may still run version 0.1: the old names are answered by every version (0.1 has no others).
FACTS = "orchestrator.node_facts"
LIST_NODES = "orchestrator.execution.joined"
FACTS_S = 60
LIST_NODES_S = 60
CONNECT_S = 3  # seconds until a port that says nothing counts as closed
TAIL_LINES, TAIL_BYTES = 200, 2**17  # kept and read of the end of a log
LINE = 500  # characters of it that are kept: a traceback on one line may have thousands
NODE_LOGS = ("raylet.err", "raylet.out")
HEAD_LOGS = ("monitor.err", "monitor.out", "monitor.log", "gcs_server.err")


def main(mark: str, asked: dict[str, Any], before_setup: Callable[[], dict[str, Any]]) -> None:
    """Looks at this server and prints what it found.

    asked has
        project, temp_dir: as in cluster.yaml
        trainable: the package whose source is digested
        port: of the head's Ray
        head: its address; None on the head itself
        workers: their addresses
        data: candidate_roots and paths of the images; None where no images are looked for
    before_setup is called where the project does not run.
    """
    print(mark + json.dumps({"begun": time.time()}), flush=True)
    # Not every sshd sets it, and the paths of cluster.yaml are made of it.
    os.environ.setdefault("USER", user_name(os.getuid()))
    project = Path(expanded(asked["project"]))
    temp_dir = Path(expanded(asked["temp_dir"]))
    rays = ray_processes()
    python = project_python(project)
    answer: dict[str, Any] = {
        "user": user_name(os.getuid()),
        "python": sys.version.split()[0],
        "paths": {name: shutil.which(name) for name in ("rsync", "ray", "python", "python3")},
        "project": str(project),
        "project_there": (project / "pyproject.toml").is_file(),
        "project_python": python,
        "temp_dir": str(temp_dir),
        "rays": rays,
        "logs": tails(temp_dir / "session_latest" / "logs"),
        "data": images(asked["data"]),
        "port": reach(asked["head"] or own_host(rays, str(temp_dir)), asked["port"]),
    }
    if python is not None and answer["project_there"]:
        answer.update(project_answers(python, project, asked, rays, str(temp_dir)))
    if "error" in answer.get("facts", {"error": "not installed"}):
        answer["before_setup"] = before_setup()
    answer["ended"] = time.time()
    print(mark + json.dumps(answer), flush=True)


def project_answers(
    python: str, project: Path, asked: dict[str, Any], rays: list[dict[str, Any]], temp_dir: str
) -> dict[str, Any]:
    """What the project's own Python says: facts, torch, and on the head who has joined."""
    facts = json_output([python, "-m", FACTS, "--trainable", asked["trainable"]], project, FACTS_S)
    answer = {"facts": facts}
    if facts.get("gpus"):  # the import of torch takes seconds; without a GPU there is nothing to ask it
        answer["torch"] = json_output([python, "-c", TORCH], project, TORCH_S)
    address = cluster_address(rays, temp_dir)
    if asked["head"] is None and address:
        command = [python, "-m", LIST_NODES, address]
        environment = ray_environment(rays, temp_dir)
        answer["joined"] = json_output(command, project, LIST_NODES_S, environment)
        answer["known_as"] = {name: address_of(name) for name in asked["workers"]}
    return answer


def expanded(path: str) -> str:
    return os.path.expandvars(str(Path(path).expanduser()))


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def project_python(project: Path) -> str | None:
    """That of the project's own environment, else the one beside the login shell's ray."""
    ray = shutil.which("ray")
    beside = [Path(ray).parent / "python"] if ray else []
    for path in [project / ".venv" / "bin" / "python", *beside]:
        if os.access(path, os.X_OK):
            return str(path)
    return None


def json_output(
    command: list[str], folder: Path, timeout: float, more: dict[str, str] | None = None
) -> dict[str, Any]:
    """What a program printed as JSON; {"error": ...} where it did not."""
    try:
        done = subprocess.run(
            command,
            cwd=str(folder),
            env={**os.environ, **(more or {})},
            stdin=subprocess.DEVNULL,  # ours is this program itself, as ssh sends it
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
        # The last line: what the program imports may have printed something before it.
        answer = json.loads(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else None
        if isinstance(answer, dict):
            return answer
        lines = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
        return {"error": lines[-1][-400:]}
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return {"error": f"{type(error).__name__}: {error}"[-400:]}


def ray_processes(proc: Path = Path("/proc")) -> list[dict[str, Any]]:
    """Every raylet and gcs_server this machine shows: pid, kind, user, temp_dir, gcs (host:port or None)."""
    found = []
    for folder in sorted(proc.glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            uid = folder.stat().st_uid
        except OSError:
            continue  # it has ended meanwhile, or is hidden
        kind = Path(words[0]).name
        if kind in ("raylet", "gcs_server"):
            found.append(
                {"pid": int(folder.name), "kind": kind, "user": user_name(uid), **ray_options(words)}
            )
    return found


def ray_options(words: list[str]) -> dict[str, Any]:
    """Temp folder and address of the GCS from the command line of a raylet or a gcs_server."""
    pairs = [word[2:].partition("=") for word in words if word.startswith("--")]
    options = {name.replace("-", "_"): value for name, _, value in pairs}
    session = options.get("session_dir") or options.get("log_dir", "").rpartition("/logs")[0]
    temp_dir = options.get("temp_dir") or (str(Path(session).parent) if session else None)
    gcs = options.get("gcs_address")
    if gcs is None and "gcs_server_port" in options:
        gcs = f"{options.get('node_ip_address', '127.0.0.1')}:{options['gcs_server_port']}"
    return {"temp_dir": temp_dir, "gcs": gcs}


def ray_environment(rays: list[dict[str, Any]], temp_dir: str) -> dict[str, str]:
    """How the Ray of this folder authenticates, read from its own process; it is never printed."""
    for ray in rays:
        if ray["temp_dir"] == temp_dir:
            try:
                pairs = Path(f"/proc/{ray['pid']}/environ").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue  # another user's
            return dict(pair.split("=", 1) for pair in pairs if pair.startswith("RAY_AUTH_"))
    return {}


def tails(logs: Path) -> dict[str, list[str]]:
    """The last lines of the logs that say why a node did not join."""
    found = {}
    for name in NODE_LOGS + HEAD_LOGS:
        try:
            with (logs / name).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            continue
        kept = [line[:LINE] for line in lines if line.strip() and not line.startswith("[state-dump]")]
        found[name] = kept[-TAIL_LINES:]
    return found


def images(asked: dict[str, Any] | None) -> dict[str, Any] | None:
    """How many of the manifest's images are under their root here; one listing per folder."""
    if asked is None:
        return None
    root = image_root(asked["candidate_roots"], asked["paths"])
    present: dict[Path, set[str]] = {}
    missing = []
    for path in asked["paths"]:
        folder, name = os.path.split(str(root / path))
        if Path(folder) not in present:
            try:
                present[Path(folder)] = set(os.listdir(folder))  # noqa: PTH208 - names alone
            except OSError:
                present[Path(folder)] = set()
        if name not in present[Path(folder)]:
            missing.append(path)
    there = root.is_dir()
    return {
        "root": str(root),
        "there": there,
        "missing": len(missing),
        "first": missing[:3],
        "of": len(asked["paths"]),
    }


def image_root(candidate_roots: list[str], paths: list[str]) -> Path:
    """The first root that holds some of them, this machine's own setting first; else the first of all."""
    own = os.environ.get("FOLD_ORCHESTRATOR_DATA_ROOT")
    roots = [Path(expanded(root)) for root in ([own] if own else []) + candidate_roots]
    few = [paths[row] for row in sorted({0, len(paths) // 2, len(paths) - 1})] if paths else ["."]
    return next((root for root in roots if any((root / path).exists() for path in few)), roots[0])


def address_of(name: str) -> str:
    try:
        return socket.gethostbyname(name)
    except OSError:
        return name


def cluster_address(rays: list[dict[str, Any]], temp_dir: str) -> str | None:
    """host:port of the Ray of this folder; a GCS that was told port 0 doesn't say it, its raylet does."""
    ours = [ray["gcs"] for ray in rays if ray["temp_dir"] == temp_dir and ray["gcs"]]
    known = [address for address in ours if not address.endswith(":0")]
    return known[-1] if known else None


def own_host(rays: list[dict[str, Any]], temp_dir: str) -> str:
    """Where our Ray listens if it runs here: not on loopback once there are workers."""
    return (cluster_address(rays, temp_dir) or "127.0.0.1:0").rpartition(":")[0]


def reach(host: str, port: int) -> str:
    """open, refused, or what kept a connection from being made."""
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except ConnectionRefusedError:
        return "refused"
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return "open"
