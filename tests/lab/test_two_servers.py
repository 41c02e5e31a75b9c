"""A head and workers that share nothing but SSH: in, or named when they are not; searched on together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SPACE
from tests.lab import Lab, Server, why_not
from tests.lab.launch import RAY, ROOT, install_packages, lasting_rays, ray_up, raylets, rays

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}"),
]
HEAD, FIRST, SECOND, NOBODY = "10.77.0.2", "10.77.0.3", "10.77.0.4", "10.77.0.99"
STUDY = "~/fold-orchestrator/runs/both"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, faces: Path) -> Iterator[Lab]:
    """Three servers, the third not in the cluster at first. Images lie elsewhere on the workers."""
    with Lab(tmp_path_factory.mktemp("lab") / "many", servers=3) as lab:
        for server, folder in zip(lab.servers, ("data", "elsewhere", "elsewhere"), strict=True):
            install_packages(server)
            shutil.copytree(faces.parent, server.home / folder)
            place_trainable(server)
            settings = server.home / ".fold-orchestrator" / "environment"
            settings.parent.mkdir()  # as an account with the usual umask leaves it
            if folder == "elsewhere":
                settings.write_text("export FOLD_ORCHESTRATOR_DATA_ROOT=~/elsewhere\n")
        ray_up(lab.laptop, HEAD, [FIRST])
        yield lab
    assert lab.processes() == []


def place_trainable(server: Server) -> None:
    """A trainable and a space of the user's own, on every server."""
    tests = server.home / "fold-orchestrator" / "tests"
    tests.mkdir()
    for name in ("__init__.py", "pixel_trainable.py"):
        shutil.copy(ROOT / "tests" / name, tests)
    (server.home / "tint.py").write_text(SPACE)


def tune(head: Server, options: str) -> str:
    command = f"python -m orchestrator.tune --address {HEAD}:6390 {options}"
    return head.ssh(f"cd ~/fold-orchestrator && {command}", timeout=240).stdout


def nodes(head: Server) -> dict[str, bool]:
    """Address to whether it is alive, dead ones included."""
    ask = f"python -m orchestrator.execution.joined {HEAD}:6390 2> /dev/null"
    told = json.loads(head.ssh(f". ~/fold-orchestrator/cluster/ours.sh; {ask}").stdout.splitlines()[-1])[
        "nodes"
    ]
    return {node["address"]: node["alive"] for node in sorted(told, key=lambda node: bool(node["alive"]))}


def events(head: Server) -> list[dict[str, object]]:
    journal = head.home / "fold-orchestrator" / "runs" / "both" / "journal.jsonl"
    return [json.loads(line) for line in journal.read_text().splitlines()]


def test_both_are_in_and_the_worker_was_given_the_token_but_no_key(lab: Lab) -> None:
    head, worker, _ = lab.servers
    assert nodes(head) == {HEAD: True, FIRST: True}
    token = Path(".fold-orchestrator") / "token"
    assert (worker.home / token).read_text() == (head.home / token).read_text()
    assert (worker.home / token).stat().st_mode & 0o777 == 0o600
    assert (worker.home / token).parent.stat().st_mode & 0o777 == 0o700
    assert not (worker.home / "ray_bootstrap_key.pem").exists()


def test_fold_runs_on_both_and_the_ensemble_needs_nothing_of_the_worker(lab: Lab) -> None:
    head, worker, _ = lab.servers
    printed = tune(head, "--space ~/tint.py --data ~/data/faces.csv --study both --trials 4")
    assert "best: trial" in printed
    used = {event["node"] for event in events(head) if "node" in event}
    assert all(any(name in str(node) for node in used) for name in ("server2", "server3")), used
    assert not (worker.home / "fold-orchestrator" / "runs" / "both").exists()
    printed = tune(head, "--resume --study both --trials 5")
    assert "best: trial" in printed
    ensemble = f"python -m orchestrator.ensemble --study {STUDY} --repeats 20 --predict ~/data/faces.csv"
    assert "BBC" in head.ssh(f"cd ~/fold-orchestrator && {ensemble}").stdout


def test_a_worker_that_does_not_join_is_named_and_the_others_stay(lab: Lab) -> None:
    head, worker, _ = lab.servers
    before = lasting_rays(head), lasting_rays(worker)
    failed = ray_up(lab.laptop, HEAD, [FIRST, NOBODY], check=False)
    assert failed.returncode != 0
    assert f"error: {NOBODY} is not in the cluster" in failed.stdout
    assert "No route to host" in failed.stdout
    assert "1 of 2 workers are in" in failed.stdout
    assert (lasting_rays(head), lasting_rays(worker)) == before


def test_a_server_is_added_by_one_address_and_nothing_is_started_anew(lab: Lab) -> None:
    head, worker, second = lab.servers
    before = raylets(head), raylets(worker)
    removed = worker.home / "fold-orchestrator" / "trainables" / "removed.py"
    removed.write_text("")
    printed = ray_up(lab.laptop, HEAD, [FIRST, SECOND]).stdout
    assert "2 of 2 workers are in" in printed
    assert nodes(head) == {HEAD: True, FIRST: True, SECOND: True}
    assert (raylets(head), raylets(worker)) == before
    assert not removed.exists()
    second.power_off()


def test_a_worker_whose_ray_was_ended_comes_back_with_ray_up(lab: Lab) -> None:
    head, worker, _ = lab.servers
    worker.end(raylets(worker))
    ray_up(lab.laptop, HEAD, [FIRST])
    assert nodes(head)[FIRST]


def test_a_head_for_itself_alone_is_not_a_head_for_others(lab: Lab) -> None:
    head = lab.servers[0]
    refused = ray_up(head, "127.0.0.1", [FIRST], check=False)
    corrected = ray_up(head, HEAD, [FIRST])
    assert refused.returncode != 0
    assert "head_ip: 127.0.0.1 cannot be reached by 10.77.0.3" in refused.stdout
    assert "1 of 1 workers are in" in corrected.stdout


def test_one_command_from_the_laptop_ends_our_ray_on_all_servers(lab: Lab) -> None:
    assert nodes(lab.servers[0])[FIRST]
    stop = [str(RAY), "exec", "/root/cluster.yaml", "python -m orchestrator.servers stop"]
    assert f"{FIRST}: ended" in lab.laptop.run(stop, folder=ROOT).stdout
    for server in lab.servers[:2]:
        assert rays(server) == {}
