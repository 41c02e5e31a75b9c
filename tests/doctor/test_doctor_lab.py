"""doctor against real servers: each with its own sshd, files, processes and address."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab import Lab, Server, why_not
from tests.lab.launch import install_packages
from tests.lab.server import HOME

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}"),
]
ROOT = Path(__file__).parents[2]
NOBODY = "10.77.0.99"
TEMP = "/tmp/ours/ray"
PORT = 6390
TOKEN = "RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$HOME/token RAY_USAGE_STATS_ENABLED=0"


@dataclass
class Doctor:
    """What one run of the command printed, by section."""

    returncode: int
    text: str

    def section(self, title: str) -> str:
        """Its lines, each finding with its way out on one line."""
        parts = re.split(r"^(?=\S)", self.text, flags=re.MULTILINE)
        [found] = [part for part in parts if part.startswith(title)]
        return re.sub(r"\s+", " ", found)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab") / "lab", servers=2) as made:
        for server in made.servers:
            put_project(server)
        yield made
    assert made.processes() == []


def put_project(server: Server) -> None:
    """What `ray up` would have copied and installed, its line in the profile included."""
    project = server.home / "fold-orchestrator"
    project.mkdir()
    for name in ("orchestrator", "trainables"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)
    install_packages(server)
    with (server.home / ".profile").open("a") as profile:
        profile.write("\nPATH=$HOME/fold-orchestrator/.venv/bin:$PATH\n")
    (server.home / "token").write_text("x" * 64)
    (server.home / "token").chmod(0o600)


def doctor(lab: Lab, workers: list[str], *words: str, key: str = "~/.ssh/id_ed25519") -> Doctor:
    """Run on the laptop, which has this very project."""
    (lab.laptop.home / "cluster.yaml").write_text(
        f"""
cluster_name: ours
provider: {{type: local, head_ip: {lab.servers[0].address}, worker_ips: [{", ".join(workers)}]}}
auth: {{ssh_user: root, ssh_private_key: {key}}}
file_mounts: {{~/fold-orchestrator: {ROOT}}}
head_start_ray_commands: ["ray start --head --port={PORT} --temp-dir={TEMP}"]
worker_start_ray_commands: ["ray start --address=$RAY_HEAD_IP:{PORT} --temp-dir={TEMP}"]
"""
    )
    command = [sys.executable, "-m", "orchestrator.doctor", "--cluster", str(HOME / "cluster.yaml"), *words]
    done = lab.laptop.run(command, folder=ROOT, check=False, timeout=200)
    assert "Traceback" not in done.stdout
    return Doctor(done.returncode, done.stdout)


def test_servers_as_they_should_be_before_ray_runs(lab: Lab) -> None:
    head, worker = lab.servers
    (lab.laptop.home / "faces.csv").write_text("path,group\n0.png,a\n1.png,b\n")
    for server, folder in ((head, "data"), (worker, "elsewhere")):
        (server.home / folder).mkdir()
        for number in range(2):
            (server.home / folder / f"{number}.png").touch()
    (worker.home / ".fold-orchestrator").mkdir()
    (worker.home / ".fold-orchestrator" / "environment").write_text(
        "export FOLD_ORCHESTRATOR_DATA_ROOT=~/elsewhere\n"
    )
    data = ["--data", str(HOME / "faces.csv"), "--data-root", str(HOME / "data")]
    found = doctor(lab, [worker.address], *data)
    assert found.returncode == 0, found.text
    assert "! data not on this machine: " in found.section("this machine")
    assert f"✓ data {HOME}/data: all 2 images" in found.section(head.address)
    assert f"✓ data {HOME}/elsewhere: all 2 images" in found.section(worker.address)
    for server in (head, worker):
        section = found.section(server.address)
        assert "ssh open as root" in section
        assert "clock as here" in section
        assert f"the login shell finds {HOME}/fold-orchestrator/.venv/bin/ray" in section
    assert "versions the same on the head and 1 of 1 workers" in found.section("the cluster")
    assert f"no Ray runs in {TEMP} on the head" in found.section("the cluster")


def test_a_server_that_is_not_there_and_one_that_lacks_things(lab: Lab) -> None:
    worker = lab.servers[1]
    profile = worker.home / ".profile"
    source = worker.home / "fold-orchestrator" / "trainables" / "network" / "heads.py"
    kept = profile.read_text(), source.read_text()
    profile.write_text("echo welcome; echo to >&2\n")
    source.write_text(source.read_text() + "\n# changed by hand\n")
    (lab.laptop.home / "faces.csv").write_text("path,group\nfaces/0.png,a\nfaces/1.png,b\n")
    (lab.servers[0].home / "faces").mkdir()
    for number in range(2):
        (lab.servers[0].home / "faces" / f"{number}.png").touch()
    (worker.home / ".fold-orchestrator" / "environment").unlink()
    try:
        found = doctor(lab, [worker.address, NOBODY], "--data", str(HOME / "faces.csv"))
    finally:
        profile.write_text(kept[0])
        source.write_text(kept[1])
    assert found.returncode == 1
    assert "all 2 images" in found.section(lab.servers[0].address)
    section = found.section(worker.address)
    assert "✗ path the login shell finds no ray" in section
    assert "→ put `export PATH=" in section
    assert f"✗ data {HOME}: 2 of 2 images are missing, first faces/0.png, faces/1.png" in section
    assert "✗ ssh" in found.section(NOBODY)
    assert "correct the address" in found.section(NOBODY)
    together = found.section("the cluster")
    assert f"✗ versions {worker.address}: server3 has other source files of trainables" in together
    assert "run `ray up cluster.yaml` again" in together
    assert "4 block" in found.text.splitlines()[-1]


def test_a_server_without_the_project_tells_what_the_set_up_will_meet(lab: Lab) -> None:
    worker = lab.servers[1]
    project, away, profile = (worker.home / name for name in ("fold-orchestrator", "away", ".profile"))
    kept = profile.read_text()
    project.rename(away)
    driver = worker.home / "tools" / "nvidia-smi"
    driver.parent.mkdir()
    driver.write_text("#!/bin/sh\necho Driver/library version mismatch\nexit 9\n")
    driver.chmod(0o755)
    profile.write_text("PATH=$HOME/tools:$PATH\n")
    try:
        section = doctor(lab, [worker.address]).section(worker.address)
    finally:
        profile.write_text(kept)
        away.rename(project)
    assert "! project not in" in section
    assert re.search(r"[✓!✗] python (python3 is )?3\.", section)
    assert "free at home, where the set-up installs" in section
    assert "✗ gpu nvidia-smi: Driver/library version mismatch" in section


def test_a_key_that_opens_nothing(lab: Lab) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.laptop.home / ".ssh" / "other"], check=True
    )
    found = doctor(lab, [lab.servers[1].address], key="~/.ssh/other")
    assert found.returncode == 1
    for server in lab.servers:
        assert "Permission denied" in found.section(server.address)
        assert f"ssh-copy-id -i {HOME}/.ssh/other root@{server.address}" in found.section(server.address)


def test_a_worker_that_only_the_head_reaches_is_asked_by_way_of_it(lab: Lab) -> None:
    worker = lab.servers[1]
    rule = ["ip", "route", "add", "unreachable", f"{worker.address}/32"]
    lab.laptop.init.run(rule)
    try:
        found = doctor(lab, [worker.address])
    finally:
        lab.laptop.init.run(["ip", "route", "del", "unreachable", f"{worker.address}/32"])
    assert found.returncode == 0, found.text
    assert "ssh open as root" in found.section(worker.address)


def test_who_has_joined_and_why_another_has_not(lab: Lab) -> None:
    head, worker = lab.servers
    options = f"--num-cpus=1 --disable-usage-stats --temp-dir={TEMP}"
    start = f"{TOKEN} ray start --head --node-ip-address={head.address} --port={PORT} {options}"
    head.ssh(f"{start} --include-dashboard=false")
    logs = worker.folder / TEMP.lstrip("/") / "session_latest" / "logs"
    logs.mkdir(parents=True)
    (logs / "raylet.err").write_text("fine\n" * 300 + "\x1b[2J[red]Failed to register[/red]: no token\n")
    alone = doctor(lab, [worker.address])
    shutil.rmtree(logs.parent)
    assert alone.returncode == 1
    assert f"✓ port {PORT} is ours" in alone.section(head.address)
    assert f"✓ port reaches the head's {head.address}:{PORT}" in alone.section(worker.address)
    together = alone.section("the cluster")
    assert f"✗ cluster {worker.address} has not joined (the head is alone of 2)" in together
    assert "its raylet.err ends: [2J[red]Failed to register[/red]: no token" in together
    assert "fine" not in together
    assert "\x1b" not in alone.text

    join = f"ray start --address={head.address}:{PORT} --node-ip-address={worker.address} {options}"
    worker.ssh(f"{TOKEN} {join}")
    both = doctor(lab, [worker.address])
    assert both.returncode == 0, both.text
    assert "2 of 2 servers have joined: 2 CPUs, 0 GPUs" in both.section("the cluster")
    assert ": ours" in both.section(worker.address)

    [raylet] = [pid for pid, args in worker.programs().items() if "/raylet --raylet_socket_name" in args]
    worker.run(["kill", "-TERM", str(raylet)])
    worker.run(["sh", "-c", f"while kill -0 {raylet} 2> /dev/null; do sleep 0.1; done"])
    left = doctor(lab, [worker.address])
    assert left.returncode == 1
    together = left.section("the cluster")
    assert f"✗ cluster {worker.address} has not joined" in together
    assert "it left: " in together
    assert "SIGTERM" in together
