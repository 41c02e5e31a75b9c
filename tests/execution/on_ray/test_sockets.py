"""What listens while a search runs on this machine alone: a shared server's network must not see it."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nodes import below
from tests.support.open_files import open_files

ROOT = Path(__file__).parents[3]
LISTENING = "0A"  # state of a line in /proc/net/tcp
DRIVER = """
import json, os, sys
import ray
from orchestrator.execution.on_ray.cluster import connect
from tests.execution.on_ray.test_sockets import below, listening, words_of
with connect(None, cpus=1):
    worker = ray.get(ray.remote(lambda: os.getpid()).remote())
    words = [words_of(pid) for pid in below(os.getpid())]
    print(json.dumps({"worker": worker, "sockets": listening(os.getpid()), "commands": words}))
"""


def sockets_that_listen() -> dict[str, str]:
    """inode -> address, of the whole machine."""
    found = {}
    for table in ("tcp", "tcp6"):
        for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == LISTENING:
                found[inode] = address_of(local.partition(":")[0])
    return found


def address_of(hexadecimal: str) -> str:
    """The kernel writes addresses as words of the machine's own byte order."""
    data = bytes.fromhex(hexadecimal)
    words = [data[at : at + 4] for at in range(0, len(data), 4)]
    return str(ipaddress.ip_address(b"".join(w[::-1] if sys.byteorder == "little" else w for w in words)))


def listening(root: int) -> dict[int, list[str]]:
    """Addresses by process, of the family of `root`."""
    known, found = sockets_that_listen(), dict[int, list[str]]()
    for process in (root, *below(root)):
        for target in open_files(process):
            if target.startswith("socket:[") and target[8:-1] in known:
                found.setdefault(process, []).append(known[target[8:-1]])
    return found


def words_of(pid: int) -> str:
    """A process's command, spaces between its words; empty once it has ended."""
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def is_loopback(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback


@pytest.fixture
def short() -> Iterator[Path]:
    """Names of Unix sockets have little room."""
    with tempfile.TemporaryDirectory(prefix="r-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.parametrize(
    ("hexadecimal", "address", "loopback"),
    [
        ("0100007F", "127.0.0.1", True),
        ("00000000", "0.0.0.0", False),
        ("020200C0", "192.0.2.2", False),
        ("0000000000000000FFFF00000100007F", "::ffff:7f00:1", True),
        ("00000000000000000000000000000000", "::", False),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="the examples are of a little-endian machine")
def test_the_kernels_table_is_read(hexadecimal: str, address: str, loopback: bool) -> None:
    assert ipaddress.ip_address(address_of(hexadecimal)) == ipaddress.ip_address(address)
    assert is_loopback(address_of(hexadecimal)) == loopback


@pytest.mark.ray
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc/net/tcp")
def test_a_search_on_this_machine_listens_on_no_address_that_others_can_reach(short: Path) -> None:
    """And has a Ray of its own, whoever noted another one there (`ray start` does)."""
    (short / "ray").mkdir()
    (short / "ray" / "ray_current_cluster").write_text("127.0.0.1:9")
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(short)}
    environ.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], capture_output=True, text=True, env=environ, cwd=ROOT, timeout=200
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert str(found["worker"]) in found["sockets"]  # else the test would have looked in the wrong place
    assert len(found["sockets"]) >= 4  # the driver, the control service, the raylet, a worker
    assert [words for words in found["commands"] if "gcs_server" in words]  # as above
    dashboards = [words for words in found["commands"] if "dashboard/dashboard.py" in words]
    assert all("--disable-frontend" in words for words in dashboards)  # no pages for browsers
    assert not [words for words in found["commands"] if "monitor.py" in words]  # nobody asks them anything
    strangers = [item for addresses in found["sockets"].values() for item in addresses]
    assert [item for item in strangers if not is_loopback(item)] == []
