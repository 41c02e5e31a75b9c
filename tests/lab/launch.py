"""The repository's cluster.yaml on servers of the laboratory."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab.server import HOME, Server

ROOT = Path(__file__).resolve().parents[2]
RAY = Path(sys.executable).with_name("ray")
REFUSED = "InvalidAuthToken"


def adapted(head: str, workers: Sequence[str] = ()) -> str:
    """cluster.yaml with its marked lines as a user would change them, and nothing else."""
    text = (ROOT / "cluster.yaml").read_text()
    changes = {
        r"head_ip: \S+": f"head_ip: {head}",
        r"worker_ips: \[\]": f"worker_ips: [{', '.join(workers)}]",
        r"ssh_user: \S+": "ssh_user: root",
    }
    for pattern, line in changes.items():
        text, count = re.subn(rf"^(  ){pattern}(?=\s+# <--)", rf"\g<1>{line}", text, flags=re.MULTILINE)
        assert count == 1, f"cluster.yaml has {count} marked lines like {pattern}"
    return text


def ray_up(
    machine: Server, head: str, workers: Sequence[str] = (), check: bool = True
) -> subprocess.CompletedProcess[str]:
    """`ray up` typed on `machine` in this repository."""
    (machine.home / "cluster.yaml").write_text(adapted(head, workers))
    command = [str(RAY), "up", "-y", str(HOME / "cluster.yaml")]
    return machine.run(command, folder=ROOT, check=check, timeout=240)


def install_packages(server: Server) -> None:
    """What the set-up commands would leave: ~/fold-orchestrator/.venv with the packages of this very Python.

    There is no index to install from in the laboratory. The stamp says what was installed, as theirs does.
    """
    venv = server.home / "fold-orchestrator" / ".venv"
    there = HOME / "fold-orchestrator"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", venv], check=True)
    (packages,) = venv.glob("lib/python*/site-packages")
    paths = [str(there), *(path for path in sys.path if path.endswith("site-packages"))]
    (packages / "lab.pth").write_text("\n".join(paths) + "\n")
    ray = venv / "bin" / "ray"
    ray.write_text(
        f"#!{there}/.venv/bin/python\nfrom ray.scripts.scripts import main\nraise SystemExit(main())\n"
    )
    ray.chmod(0o755)
    installed = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    (venv / ".installed-here").write_bytes(b"".join(installed))


def raylets(server: Server) -> list[int]:
    return [pid for pid, words in server.programs().items() if "/raylet/raylet " in words]


def rays(server: Server) -> dict[int, str]:
    """Every process of any Ray there."""
    return {pid: words for pid, words in server.processes().items() if re.search(r"\bray(::|/|let)", words)}


def lasting_rays(server: Server) -> dict[int, str]:
    """Those that are there as long as their Ray is: workers come and go as it likes."""
    found = {pid: words for pid, words in server.programs().items() if re.search(r"\bray(/|let)", words)}
    return {pid: words for pid, words in found.items() if not re.search(r"ray::|/workers/", words)}


def listening_beyond_loopback(server: Server) -> set[str]:
    """Without sshd."""
    loopback = r"(127\.\d+\.\d+\.\d+|\[::ffff:127\.\d+\.\d+\.\d+\]|\[::1\]):\d+"
    found = server.listening() - {"0.0.0.0:22", "[::]:22"}
    return {address for address in found if not re.fullmatch(loopback, address)}
