"""What doctor makes of the answers of servers: pure, on answers written down."""

from __future__ import annotations

import ast
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.finding import Finding, Level
from orchestrator.doctor import bootstrap, probe
from orchestrator.doctor.cluster import check_together
from orchestrator.doctor.network import not_reached
from orchestrator.doctor.servers import check_server, facts_of
from orchestrator.doctor.ssh import Reply, ask, ask_all, clock_bounds, converse, ssh_command
from orchestrator.execution.on_ray.cluster_file import ClusterFile, read_cluster_file
from orchestrator.machine.node_facts import NodeFacts
from tests.machine.test_node_facts import HEAD, WORKER

ROOT = Path(__file__).parents[2]
TEMP = "/tmp/ours/ray"
FILE = ClusterFile(
    path=Path("cluster.yaml"),
    head="10.0.0.1",
    workers=("10.0.0.2",),
    user="ubuntu",
    key=Path("/keys/one"),
    proxy_command=None,
    project="~/fold-orchestrator",
    port=6390,
    temp_dir=TEMP,
    bare_ray=False,
)


def answer(facts: NodeFacts = HEAD, /, **changed: Any) -> dict[str, Any]:
    base = {
        "user": "ubuntu",
        "paths": {"rsync": "/usr/bin/rsync", "ray": "/home/u/fold-orchestrator/.venv/bin/ray"},
        "project": "/home/u/fold-orchestrator",
        "project_there": True,
        "project_python": "/home/u/fold-orchestrator/.venv/bin/python",
        "temp_dir": TEMP,
        "rays": [],
        "logs": {},
        "data": None,
        "port": "refused",
        "facts": facts.to_json(),
        "torch": {"cuda": "12.9", "free": [0.99], "error": ""},
    }
    return json.loads(json.dumps({**base, **changed}))  # as it arrives


def process(kind: str, temp_dir: str = TEMP, gcs: str = "10.0.0.1:6390") -> dict[str, Any]:
    return {"pid": 7, "kind": kind, "user": "ubuntu", "temp_dir": temp_dir, "gcs": gcs}


def odd(findings: list[Finding]) -> list[tuple[str, Level]]:
    return [(finding.topic, finding.level) for finding in findings if finding.level is not Level.OK]


def on_head(**changed: Any) -> list[Finding]:
    return check_server(Reply(FILE.head, answer(**changed)), FILE)


def on_worker(**changed: Any) -> list[Finding]:
    return check_server(Reply(FILE.workers[0], answer(WORKER, **changed)), FILE)


# ---- one server -------------------------------------------------------------------------------------


def test_a_server_where_all_is_well() -> None:
    assert odd(on_head()) == []
    assert odd(on_worker()) == []


@pytest.mark.parametrize(
    "changed, expected",
    [
        ({"paths": {}}, [("rsync", Level.BLOCKS), ("path", Level.WARNING)]),
        ({"project_there": False, "facts": None}, [("project", Level.WARNING)]),
        ({"project_python": None, "facts": None}, [("project", Level.BLOCKS)]),
        ({"facts": {"error": "No module named ray"}}, [("project", Level.BLOCKS)]),
        ({"port": "open"}, [("port", Level.BLOCKS)]),  # and it is not our Ray that listens
        ({"port": "open", "rays": [process("gcs_server")]}, []),
        ({"rays": [process("raylet", "/tmp/ray")]}, [("other ray", Level.WARNING)]),
        ({"torch": {"error": "it sees no GPU"}}, [("gpu", Level.BLOCKS)]),
    ],
)
def test_what_is_found_on_a_head(changed: dict[str, Any], expected: list[tuple[str, Level]]) -> None:
    findings = on_head(**changed)
    assert odd(findings) == expected
    assert all(finding.way_out for finding in findings if finding.level is not Level.OK)


@pytest.mark.parametrize(
    "port, expected",
    [("open", []), ("refused", []), ("TimeoutError: timed out", [("port", Level.BLOCKS)])],
)
def test_a_worker_must_reach_the_heads_port(port: str, expected: list[tuple[str, Level]]) -> None:
    assert odd(on_worker(port=port)) == expected


def test_ray_off_the_path_blocks_where_the_start_commands_need_it() -> None:
    bare = replace(FILE, bare_ray=True)
    [found] = [
        finding
        for finding in check_server(Reply(FILE.head, answer(paths={"rsync": "/usr/bin/rsync"})), bare)
        if finding.level is Level.BLOCKS
    ]
    assert "finds no ray" in found.found
    assert "export PATH=/home/u/fold-orchestrator/.venv/bin:$PATH" in found.way_out


def test_another_ray_first_on_the_path_is_named() -> None:
    paths = {"rsync": "/usr/bin/rsync", "ray": "/opt/conda/bin/ray"}
    [found] = [finding for finding in on_head(paths=paths) if finding.topic == "path"]
    assert found.level is Level.WARNING
    assert "/opt/conda/bin/ray" in found.found


@pytest.mark.parametrize(
    "data, level, expected",
    [
        ({"root": "/d", "there": True, "missing": 0, "first": [], "of": 60}, Level.OK, "all 60"),
        ({"root": "/d", "there": True, "missing": 0, "first": [], "of": 0}, Level.OK, "/d is there"),
        ({"root": "/d", "there": True, "missing": 2, "first": ["a", "b"], "of": 60}, Level.BLOCKS, "2 of 60"),
        ({"root": "/d", "there": False, "missing": 0, "first": [], "of": 0}, Level.BLOCKS, "no folder"),
    ],
)
def test_images_on_a_server(data: dict[str, Any], level: Level, expected: str) -> None:
    [found] = [finding for finding in on_worker(data=data) if finding.topic == "data"]
    assert found.level is level
    assert expected in found.found


@pytest.mark.parametrize(
    "ahead, level",
    [
        ((-0.4, 0.3), Level.OK),
        ((0.2, 0.9), Level.OK),
        ((1.5, 2.0), Level.WARNING),
        ((-2.0, -1.5), Level.WARNING),
        ((-400.0, 0.1), Level.OK),  # it took long to answer; that is no skew
        ((61.0, 62.0), Level.BLOCKS),
        ((-3700.0, -3600.0), Level.BLOCKS),
    ],
)
def test_clocks_are_compared_without_the_time_on_the_way(ahead: tuple[float, float], level: Level) -> None:
    findings = check_server(Reply(FILE.head, answer(), ahead_s=ahead), FILE)
    [found] = [finding for finding in findings if finding.topic == "clock"]
    assert found.level is level


def test_bounds_of_a_clock_come_from_when_it_was_asked_and_heard() -> None:
    assert clock_bounds(started=100.0, received=103.0, there=101.0) == (-2.0, 1.0)
    assert clock_bounds(started=100.0, received=103.0, there="soon") == (0.0, 0.0)


@pytest.mark.parametrize(
    "odd_answer",
    [
        {},
        {"facts": 3, "rays": 3, "paths": 3, "logs": 3, "data": 3, "torch": 3, "project_there": True},
        {"facts": {"host": 1}, "rays": [3], "data": {}, "joined": 3, "project_there": True},
        answer(logs={"raylet.err": 3}, joined={"nodes": [3]}, rays=[process("gcs_server")], known_as=3),
        answer(logs={"raylet.err": None}, joined={"nodes": 3}, rays=[process("gcs_server")]),
    ],
)
def test_no_answer_however_odd_ends_the_doctor(odd_answer: dict[str, Any]) -> None:
    replies = {address: Reply(address, odd_answer) for address in FILE.servers}
    findings = [finding for one in replies.values() for finding in check_server(one, FILE)]
    findings += check_together(replies, FILE, HEAD)
    assert all(isinstance(finding.found, str) for finding in findings)


# ---- servers that cannot be asked -------------------------------------------------------------------


@pytest.mark.parametrize(
    "error, way_out",
    [
        ("ubuntu@10.0.0.2: Permission denied (publickey).", "ssh-copy-id -i /keys/one ubuntu@10.0.0.2"),
        ("ssh: connect to host 10.0.0.2 port 22: Connection refused", "ssh_proxy_command"),
        ("ssh: connect to host 10.0.0.2 port 22: Connection timed out", "correct the address"),
        ("ssh: connect to host 10.0.0.2 port 22: No route to host", "correct the address"),
        ("ssh: Could not resolve hostname gpu7: Name or service not known", "no such name"),
        ("WARNING: UNPROTECTED PRIVATE KEY FILE!\nPermission denied (publickey).", "chmod 600 /keys/one"),
        ("Warning: Identity file /keys/one not accessible\nPermission denied", "there is no /keys/one here"),
        ("Host key verification failed.", "ssh-keygen -R"),
        ("something nobody has seen", "ssh -v -i /keys/one ubuntu@10.0.0.2"),
    ],
)
def test_a_server_that_ssh_does_not_reach_has_a_way_out_that_fits(error: str, way_out: str) -> None:
    found = not_reached(Reply("10.0.0.2", error=error, exit_code=255), FILE)
    assert (found.topic, found.level) == ("ssh", Level.BLOCKS)
    assert way_out in found.way_out
    assert error.split()[-1] in found.found


def test_a_login_shell_without_python_is_not_taken_for_an_ssh_that_failed() -> None:
    found = not_reached(
        Reply("10.0.0.2", error="bash: line 1: python3: command not found", exit_code=127), FILE
    )
    assert found.topic == "login shell"
    assert "install Python 3.11" in found.way_out


def test_what_is_asked_of_ssh_is_what_ray_up_asks() -> None:
    command = ssh_command(FILE, "10.0.0.2")
    assert command[0] == "ssh"
    assert "ubuntu@10.0.0.2" in command
    assert command[command.index("-i") + 1] == "/keys/one"
    assert {"BatchMode=yes", "IdentitiesOnly=yes", "UserKnownHostsFile=/dev/null"} <= set(command)
    assert not [word for word in command if word.startswith("ProxyCommand")]
    proxied = ssh_command(replace(FILE, proxy_command="nc %h 2222"), "10.0.0.2")
    assert "ProxyCommand=nc %h 2222" in proxied
    [jump] = [word for word in ssh_command(FILE, "10.0.0.2", by_head=True) if word.startswith("ProxyCommand")]
    assert jump.endswith("-W %h:%p ubuntu@10.0.0.1")


def test_only_marked_lines_count_and_noise_around_them_does_not_hurt() -> None:
    program = (
        "print('motd'); print('x@@1 {\"begun\": 1.0}'); print('@@1 broken'); print('@@2 {}')\n"
        "print('@@1 {\"user\": \"u\"}'); print('bye')"
    )
    reply = converse([sys.executable, "-"], "a", program, "@@1 ")
    assert reply.answer == {"user": "u"}
    assert reply.ahead_s[1] < 0  # its clock said 1970


@pytest.mark.timeout(100)
def test_a_server_that_never_answers_is_given_up_and_its_ssh_ended() -> None:
    reply = converse([sys.executable, "-"], "a", "while True: pass", "@@1 ", timeout_s=0.5)
    assert reply.answer is None
    assert "no answer within" in reply.error
    assert not_reached(reply, FILE).topic == "ssh"


@pytest.mark.parametrize("part", [probe, bootstrap])
def test_the_probe_runs_on_a_bare_python(part: ModuleType) -> None:
    source = Path(str(part.__file__)).read_text()
    ast.parse(source, feature_version=(3, 8))
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [
        node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports
    ]
    tops = {name.split(".")[0] for name in names}
    assert tops <= sys.stdlib_module_names


def test_a_key_that_is_not_there_is_said_before_ssh_hides_it() -> None:
    reply = ask(FILE, "127.0.0.1", "trainables", None)
    assert "there is no /keys/one here" in not_reached(reply, FILE).way_out


def test_without_ssh_on_this_machine_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    replies = ask_all(replace(FILE, key=None), "trainables", None, lambda done, total: None)
    for reply in replies.values():
        assert "install an SSH client" in not_reached(reply, FILE).way_out


# ---- together ---------------------------------------------------------------------------------------


def together(head: dict[str, Any], worker: dict[str, Any] | None) -> list[Finding]:
    replies = {"10.0.0.1": Reply("10.0.0.1", head), "10.0.0.2": Reply("10.0.0.2", worker, "timed out", 255)}
    return check_together(replies, FILE, HEAD)


def node(address: str, alive: bool = True, reason: str = "") -> dict[str, Any]:
    return {"address": address, "alive": alive, "reason": reason, "cpus": 8.0, "gpus": 1.0}


def running(*nodes: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return answer(rays=[process("gcs_server"), process("raylet")], joined={"nodes": list(nodes)}, **changed)


def test_a_cluster_in_which_everyone_has_joined() -> None:
    findings = together(running(node("10.0.0.1"), node("10.0.0.2")), answer(WORKER))
    assert odd(findings) == []
    assert "2 of 2 servers have joined: 16 CPUs, 2 GPUs" in findings[-1].found


def test_a_worker_that_is_called_by_name_is_known_by_its_address() -> None:
    head = running(node("10.0.0.1"), node("10.0.0.77"), known_as={"10.0.0.2": "10.0.0.77"})
    assert odd(together(head, answer(WORKER))) == []


@pytest.mark.parametrize(
    "changed, level, expected",
    [
        ({"python": "3.12.1"}, Level.BLOCKS, "3.12.1"),
        ({"python": "3.11.9"}, Level.BLOCKS, "Ray lets no such node join"),
        ({"versions": {**WORKER.versions, "ray": "2.59.0"}}, Level.BLOCKS, "ray 2.59.0"),
        ({"versions": {**WORKER.versions, "timm": "1.0.20"}}, Level.WARNING, "timm 1.0.20 (head: 1.0.31)"),
        (
            {"sources": {**WORKER.sources, "orchestrator": "ffff"}},
            Level.BLOCKS,
            "source files of orchestrator",
        ),
    ],
)
def test_a_worker_that_differs_from_the_head(changed: dict[str, Any], level: Level, expected: str) -> None:
    findings = together(running(node("10.0.0.1"), node("10.0.0.2")), answer(replace(WORKER, **changed)))
    [found] = [finding for finding in findings if finding.level is not Level.OK]
    assert found.level is level
    assert expected in found.found
    assert "10.0.0.2" in found.found
    assert found.way_out


def test_a_head_with_other_source_than_here_is_a_warning() -> None:
    stale = replace(HEAD, sources={**HEAD.sources, "orchestrator": "ffff"})
    same = replace(WORKER, sources=stale.sources)
    findings = together(running(node("10.0.0.1"), node("10.0.0.2"), facts=stale.to_json()), answer(same))
    assert odd(findings) == [("source", Level.WARNING)]
    there = "'ssh -i /keys/one' orchestrator/ ubuntu@10.0.0.1:fold-orchestrator/orchestrator/`"
    assert f"rsync -anv --delete --exclude=__pycache__ -e {there}" in findings[0].way_out


def test_no_ray_on_the_head_is_a_warning_with_its_last_words() -> None:
    head = answer(logs={"gcs_server.err": ["all fine", "Failed to bind 10.0.0.1:6390"]})
    findings = together(head, answer(WORKER))
    assert odd(findings) == [("cluster", Level.WARNING)] * 2
    assert "Failed to bind" in findings[-1].found


def not_joined(head: dict[str, Any], worker: dict[str, Any] | None) -> Finding:
    [found] = [finding for finding in together(head, worker) if finding.level is Level.BLOCKS]
    assert found.found.startswith("10.0.0.2 has not joined (the head is alone of 2)")
    assert "ray up" in found.way_out
    return found


def test_a_worker_that_has_not_joined_blocks_with_the_end_of_its_own_log() -> None:
    log = ["[state] ok"] * 5 + ["E raylet.cc:12: Failed to register: GCS unreachable", "bye"]
    found = not_joined(running(node("10.0.0.1")), answer(WORKER, logs={"raylet.out": log}))
    assert "no raylet runs there" in found.found
    assert "its raylet.out ends: E raylet.cc:12: Failed to register: GCS unreachable" in found.found
    assert "[state] ok" not in found.found


def test_else_with_what_the_heads_monitor_met_at_that_address() -> None:
    log = ["10.0.0.3: ray: command not found", "10.0.0.2: Permission denied (publickey)", "fine"]
    found = not_joined(running(node("10.0.0.1"), logs={"monitor.out": log}), answer(WORKER))
    assert "the head's monitor.out: 10.0.0.2: Permission denied" in found.found
    assert "10.0.0.3" not in found.found


def test_else_with_where_no_log_says_why() -> None:
    found = not_joined(running(node("10.0.0.1")), answer(WORKER, rays=[process("raylet")]))
    assert "its raylet runs but is not in the cluster" in found.found
    assert f"no log in {TEMP}/session_latest/logs says why" in found.found


def test_a_worker_that_left_has_rays_own_reason() -> None:
    gone = node("10.0.0.2", alive=False, reason="the node received SIGTERM")
    assert (
        "it left: the node received SIGTERM"
        in not_joined(running(node("10.0.0.1"), gone), answer(WORKER)).found
    )


def test_a_worker_that_cannot_be_reached_has_not_joined_for_that() -> None:
    assert "cannot be reached" in not_joined(running(node("10.0.0.1")), None).found


def test_a_head_that_does_not_answer_blocks_in_its_words() -> None:
    head = answer(rays=[process("gcs_server")], joined={"error": "InvalidAuthToken"})
    [found] = [finding for finding in together(head, answer(WORKER)) if finding.level is Level.BLOCKS]
    assert "InvalidAuthToken" in found.found


def test_facts_that_are_none_are_no_facts() -> None:
    assert facts_of(Reply("a", answer())) == HEAD
    assert facts_of(Reply("a", {"facts": {"error": "x"}})) is None
    assert facts_of(Reply("a")) is None


# ---- the cluster file -------------------------------------------------------------------------------

YAML = """
cluster_name: x
provider: {type: local, head_ip: 10.0.0.1, worker_ips: [10.0.0.2, gpu3]}
auth: {ssh_user: ubuntu, ssh_private_key: ~/.ssh/one, ssh_proxy_command: nc %h 2222}
file_mounts: {~/data: /data, ~/there/pyproject.toml: pyproject.toml}
head_start_ray_commands: ["ray start --head --port=6391 --temp-dir=/tmp/mine"]
worker_start_ray_commands: ["ray start --address=$RAY_HEAD_IP:6391 --temp-dir=/tmp/mine"]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text(text)
    return path


def test_a_cluster_file_is_read_as_ray_up_reads_it(tmp_path: Path) -> None:
    file = read_cluster_file(written(tmp_path, YAML))
    assert file.servers == ("10.0.0.1", "10.0.0.2", "gpu3")
    assert (file.user, file.key) == ("ubuntu", Path("~/.ssh/one").expanduser())
    assert file.proxy_command == "nc %h 2222"
    assert (file.project, file.port, file.temp_dir) == ("~/there", 6391, "/tmp/mine")
    assert file.bare_ray


@pytest.mark.parametrize(
    "start, bare",
    [
        ("ray start --head", True),
        ("cd ~/x && ray start --head", True),
        (".venv/bin/ray start --head", False),
        (". ~/x/ours.sh && ray start --head", False),
        ("export PATH=~/x:$PATH; ray start --head", False),
    ],
)
def test_start_commands_that_need_ray_on_the_path_are_known(start: str, bare: bool, tmp_path: Path) -> None:
    text = YAML.replace("ray start --head --port=6391 --temp-dir=/tmp/mine", start)
    text = text.replace("ray start --address", ".venv/bin/ray start --address")
    assert read_cluster_file(written(tmp_path, text)).bare_ray is bare


def test_the_projects_own_cluster_file_names_what_doctor_looks_for(capfd: pytest.CaptureFixture[str]) -> None:
    file = read_cluster_file(ROOT / "cluster.yaml")
    assert capfd.readouterr() == ("", "")
    assert file.workers == ()
    assert file.project == "~/fold-orchestrator"
    assert file.port == 6390
    assert file.temp_dir in (ROOT / "cluster" / "ours.sh").read_text()
    assert not file.bare_ray


@pytest.mark.parametrize(
    "text, expected",
    [
        ("a: [", "no YAML"),
        ("- a", "no cluster file"),
        (YAML.replace("type: local", "type: aws"), "provider type is not local"),
        (YAML.replace("head_ip: 10.0.0.1, ", ""), "head_ip"),
        (YAML.replace("cluster_name: x", "cluster_nam: x"), "`ray up` would refuse it"),
        (YAML.replace("gpu3", "10.0.0.1"), "listed twice"),
        (YAML + "min_workers: x\n", "`ray up` would refuse it"),
    ],
)
def test_a_cluster_file_that_ray_up_would_refuse_is_one_line(
    text: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        read_cluster_file(written(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "cluster.yaml" in str(caught.value)
