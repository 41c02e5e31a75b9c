"""`ray up cluster.yaml` on a server that is head and all, and a search on it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from tests.lab import Lab, Server, why_not
from tests.lab.launch import (
    REFUSED,
    ROOT,
    install_packages,
    lasting_rays,
    listening_beyond_loopback,
    ray_up,
    raylets,
    rays,
)
from tests.lab.namespaces import processes_in
from tests.lab.server import HOME

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}"),
]
ADDRESS = "127.0.0.1:6390"
ASK = f"python -m orchestrator.execution.joined {ADDRESS}"
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0"  # a Ray of 127.0.0.1 is at 127.0.0.1
OURS = ". ~/fold-orchestrator/cluster/ours.sh"
# A Python named {name}; `venv` copies it, and a copy has pip only where it {works}.
PYTHON = """#!/bin/sh
case "$*" in
-V) echo {name} ;;
*python%d*) echo python3.12-venv ;;
-c*) exit 0 ;;
*running) exit 1 ;;
"-m pip --version") {works} ;;
"-m venv --clear .venv")
    echo {name} makes >> ~/asked.log
    mkdir -p .venv/bin && rm -f .venv/.installed-here && cp ~/{name} .venv/bin/python && {works} ;;
"-m pip install"*) echo {name} installs >> ~/asked.log ;;
esac
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab") / "one", servers=1) as lab:
        install_packages(lab.servers[0])
        yield lab
    assert lab.processes() == []


@pytest.fixture
def server(lab: Lab) -> Server:
    """With our Ray on it, whatever the test before did."""
    (server,) = lab.servers
    if server.ssh("python -m orchestrator.servers running", check=False).returncode:
        ray_up(server, "127.0.0.1")
    return server


@pytest.fixture
def idle(lab: Lab) -> Server:
    """The project is on it, and no Ray of ours runs."""
    (server,) = lab.servers
    if not (server.home / "fold-orchestrator").is_dir():
        ray_up(server, "127.0.0.1")
    server.ssh("python -m orchestrator.servers stop")
    return server


def test_a_search_on_the_demo_faces_runs_and_nothing_listens_beyond_loopback(server: Server) -> None:
    command = (
        "cd ~/fold-orchestrator && python -m orchestrator.tune --space search_spaces/demo.py"
        f" --scale smoke --trials 1 --address {ADDRESS} --study first"
    )
    outside: set[str] = set()
    with ThreadPoolExecutor(1) as pool:
        search = pool.submit(server.ssh, command, timeout=240)
        while not wait([search], timeout=0.5).done:
            outside |= listening_beyond_loopback(server)
    assert "best: trial" in search.result().stdout
    assert (server.home / "fold-orchestrator" / "runs" / "first" / "journal.jsonl").is_file()
    assert outside == set()
    assert any(address.endswith(":6390") for address in server.listening())


def test_who_has_no_token_or_another_one_is_refused(server: Server) -> None:
    for token in ("", "RAY_AUTH_MODE=token RAY_AUTH_TOKEN=guessed "):
        refused = server.ssh(f"{token}{ASK}", check=False)
        assert refused.returncode != 0
        assert REFUSED in refused.stdout
    assert '"alive": true' in server.ssh(f"{OURS}; {ASK}").stdout


def test_token_and_key_lie_with_their_owner_and_never_in_the_project(server: Server) -> None:
    token = (server.home / ".fold-orchestrator" / "token").read_text()
    assert len(token) == 64
    modes = server.ssh("stat -c %a ~/.fold-orchestrator ~/.fold-orchestrator/token").stdout
    assert modes.split() == ["700", "600"]
    key = (server.home / ".ssh" / "id_ed25519").read_text().splitlines()[1]
    found = server.ssh(f"grep -rl -e {token} -e {key} ~/fold-orchestrator", check=False)
    assert found.stdout == ""
    stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "ls", "/tmp/fold-root"]
    assert "Permission denied" in server.run(stranger, check=False).stdout


def test_ray_up_again_leaves_the_ray_that_runs_alone(server: Server) -> None:
    before = lasting_rays(server)
    profile = (server.home / ".profile").read_text()
    assert profile.count("# fold-orchestrator") == 1
    # As after a change: everything is copied and set up once more.
    server.ssh("rm -r /tmp/ray")
    again = ray_up(server, "127.0.0.1")
    assert "install.sh" in again.stdout
    assert lasting_rays(server) == before
    assert (server.home / ".profile").read_text() == profile
    assert server.ssh("which ray").stdout.strip().endswith("fold-orchestrator/.venv/bin/ray")


def test_packages_are_not_exchanged_under_a_ray_that_runs(server: Server) -> None:
    constraints = server.home / "fold-orchestrator" / "constraints.txt"
    given, before = constraints.read_text(), lasting_rays(server)
    try:
        constraints.write_text(given + "# newer\n")
        refused = server.ssh("bash ~/fold-orchestrator/cluster/install.sh", check=False)
    finally:
        constraints.write_text(given)
    assert refused.returncode == 1
    assert "packages are not exchanged under a Ray that runs" in refused.stdout
    assert "python -m orchestrator.servers stop" in refused.stdout
    assert lasting_rays(server) == before


def test_stop_ends_our_ray_and_leaves_another_one_of_the_same_user(server: Server) -> None:
    other = "--port=6399 --temp-dir=/tmp/other --include-dashboard=false --node-ip-address=127.0.0.1"
    # From a shell that has read what ours is started with: a mark left there would make all of this ours.
    server.ssh(
        f"{OURS}; {{ setsid sleep 87654 > /dev/null 2>&1 & }}; export {LOOPBACK} RAY_AUTH_MODE=disabled;"
        f" ray start --head {other} --num-cpus=1 --disable-usage-stats"
    )
    try:
        assert len(raylets(server)) == 2
        server.ssh("python -m orchestrator.servers stop")
        (left,) = raylets(server)
        assert "/tmp/other" in server.processes()[left]
        assert "/tmp/fold-root" not in " ".join(server.processes().values())
        assert server.wait_for("sleep 87654")
        assert '"alive": true' in server.ssh(ASK.replace("6390", "6399")).stdout
    finally:
        server.end([*rays(server), *server.wait_for("sleep 87654")])


def test_what_a_worker_started_is_ended_with_the_rest(server: Server) -> None:
    """Workers rename themselves and lose the mark; what they start is neither named nor marked as Ray's."""
    script = (
        "import ray, subprocess, time; ray.init(address='127.0.0.1:6390', log_to_driver=False)\n"
        "@ray.remote\n"
        "def leave(): subprocess.run(['/bin/sleep', '98765'], env={})\n"
        "ray.get(leave.remote())\n"
    )
    (server.home / "leave.py").write_text(script)
    server.ssh(f"{OURS}; {LOOPBACK} nohup python ~/leave.py > ~/leave.log 2>&1 &")
    server.wait_for("sleep 98765")
    server.ssh("python -m orchestrator.servers stop")
    left = " ".join(server.processes().values())
    assert "sleep 98765" not in left
    assert "ray::" not in left


def test_a_port_that_is_taken_is_said_before_ray_is_started(idle: Server) -> None:
    listen = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 6390)); print('up', flush=True); input()"
    )
    (idle.home / "listen.py").write_text(listen)
    idle.ssh("mkfifo ~/hold; { setsid python3 ~/listen.py <> ~/hold > ~/listen.log 2>&1 & }")
    (other,) = idle.wait_for(f"python3 {HOME}/listen.py")
    try:
        refused = ray_up(idle, "127.0.0.1", check=False)
    finally:
        idle.end([other])
    assert refused.returncode != 0
    assert "error: port 6390 of this server: Address already in use" in refused.stdout
    assert rays(idle) == {}


def test_a_venv_left_without_pip_is_made_anew_and_python_is_the_one_asked_for(idle: Server) -> None:
    """Pythons of the set-up that only write down what they are asked; the first has no ensurepip."""
    project = idle.home / "fold-orchestrator"
    venv, kept, log = project / ".venv", project / ".venv-kept", idle.home / "asked.log"
    venv.rename(kept)
    try:
        for name, works in (("bare", "false"), ("whole", "true")):
            fake = idle.home / name
            fake.write_text(PYTHON.format(name=name, works=works))
            fake.chmod(0o755)
        install = "bash ~/fold-orchestrator/cluster/install.sh"
        refused = idle.ssh(f"PYTHON=~/bare {install}", check=False)
        assert refused.returncode == 1
        assert "sudo apt-get install python3.12-venv" in refused.stdout
        assert (venv / "bin" / "python").exists()
        assert "installs" not in log.read_text()
        idle.ssh(f"PYTHON=~/whole {install} && PYTHON=~/whole {install} && {install}")
        assert log.read_text().split() == ["bare", "makes", "whole", "makes", "whole", "installs"]
        (idle.home / "newer").write_text(PYTHON.format(name="newer", works="true"))
        (idle.home / "newer").chmod(0o755)
        idle.ssh(f"PYTHON=~/newer {install}")
        assert log.read_text().split()[6:] == ["newer", "makes", "newer", "installs"]
    finally:
        shutil.rmtree(venv, ignore_errors=True)
        kept.rename(venv)


def test_the_set_up_installs_only_when_what_is_asked_for_has_changed(idle: Server) -> None:
    venv = idle.home / "fold-orchestrator" / ".venv" / "bin"
    real = (venv / "python").readlink()
    (venv / "python").unlink()
    asked = 'case "$*" in *running) exit 1 ;; *--version) ;; *) echo "$@" >> ~/pip.log ;; esac'
    (venv / "python").write_text(f"#!/bin/sh\n{asked}\n")
    (venv / "python").chmod(0o755)
    install = "bash ~/fold-orchestrator/cluster/install.sh"
    constraints = idle.home / "fold-orchestrator" / "constraints.txt"
    given = constraints.read_text()
    try:
        idle.ssh(install)
        assert not (idle.home / "pip.log").exists()
        constraints.write_text(given + "# newer\n")
        idle.ssh(f"{install} && {install}")
        (line,) = (idle.home / "pip.log").read_text().splitlines()
        assert "--constraint constraints.txt --editable" in line
    finally:
        constraints.write_text(given)
        (venv / "python").unlink()
        (venv / "python").symlink_to(real)


def test_a_laboratory_ends_with_everything_in_it(tmp_path: Path) -> None:
    with Lab(tmp_path / "short", servers=1) as lab:
        lab.servers[0].ssh("setsid --fork sleep 99999 > /dev/null 2>&1")
        assert any("sleep 99999" in words for words in lab.servers[0].processes().values())
        assert len(lab.processes()) > 5
    assert lab.processes() == []


def test_a_laboratory_ends_when_what_started_it_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from tests.lab import Lab\n"
        f"with Lab(pathlib.Path({str(tmp_path / 'orphan')!r})) as lab:\n"
        "    print(*lab.namespaces, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        namespaces = set(started.stdout.readline().split())
        assert len(processes_in(namespaces)) >= 3
        started.kill()
    deadline = time.monotonic() + 200
    while processes_in(namespaces) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_in(namespaces) == []
