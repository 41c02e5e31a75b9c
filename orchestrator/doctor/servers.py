"""What one server's answer means: pure, from the answer to findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.core.finding import Finding, blocks, ok, warning
from orchestrator.doctor.hardware import check_hardware
from orchestrator.doctor.network import SHORT, not_reached
from orchestrator.doctor.setup import check_before_setup
from orchestrator.doctor.ssh import Reply
from orchestrator.execution.on_ray.cluster_file import ClusterFile
from orchestrator.machine.node_facts import NodeFacts

SKEW_ODD_S, SKEW_BLOCKS_S = 1.0, 60.0  # seconds beyond which a clock is a warning, and blocks


def check_server(reply: Reply, file: ClusterFile) -> list[Finding]:
    """What is found on one server; what the servers have in common is for `check_together`."""
    if reply.answer is None:
        return [not_reached(reply, file)]
    answer = reply.answer
    return [
        ok("ssh", f"open as {answer.get('user')}"),
        _rsync(answer),
        _clock(reply.ahead_s),
        *_environment(answer, file),
        *_before_setup(answer),
        *_hardware(answer),
        *_images(answer.get("data")),
        *_port(answer, reply.address, file),
        *_rays(answer),
    ]


def facts_of(reply: Reply) -> NodeFacts | None:
    """The facts in a reply; None where there are none, or none in a form that can be read."""
    try:
        return NodeFacts.from_json((reply.answer or {}).get("facts") or {})
    except ValueError:
        return None


def path_of(answer: Mapping[str, Any], name: str) -> str | None:
    paths = answer.get("paths")
    found = paths.get(name) if isinstance(paths, Mapping) else None
    return str(found) if found else None


def own_rays(answer: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """The processes of the Ray that the cluster file starts, which is known by its folder."""
    return [
        ray
        for ray in _listed(answer)
        if ray.get("kind") == kind and ray.get("temp_dir") == answer.get("temp_dir")
    ]


def _listed(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rays = answer.get("rays")
    return [ray for ray in rays if isinstance(ray, Mapping)] if isinstance(rays, Sequence) else []


def _rsync(answer: Mapping[str, Any]) -> Finding:
    path = path_of(answer, "rsync")
    if path is None:
        return blocks("rsync", "not there", "install it: `ray up` copies the project with it")
    return ok("rsync", path)


def _clock(ahead_s: tuple[float, float]) -> Finding:
    low, high = ahead_s
    least = low if low > 0 else min(high, 0.0)  # 0 is possible: no difference is seen
    if abs(least) <= SKEW_ODD_S:
        return ok("clock", "as here" if low <= 0 <= high else f"{abs(least):.1f} s from this machine's")
    found = f"at least {abs(least):.1f} s {'ahead of' if least > 0 else 'behind'} this machine's"
    level = blocks if abs(least) > SKEW_BLOCKS_S else warning
    return level("clock", found, "set it by NTP: `timedatectl set-ntp true`, or install chrony")


def _environment(answer: Mapping[str, Any], file: ClusterFile) -> list[Finding]:
    """The project, its Python, and ray on the login shell's PATH."""
    if not answer.get("project_there"):
        return [
            warning(
                "project",
                f"not in {answer.get('project')} yet",
                f"`ray up {file.path}` copies and installs it",
            )
        ]
    findings = [_ray_on_path(answer, file)]
    python, facts = answer.get("project_python"), answer.get("facts")
    error = facts.get("error") if isinstance(facts, Mapping) else None
    if not python:
        findings.append(
            blocks(
                "project",
                f"{answer.get('project')} is there, its Python is not: the set-up did not come to its end",
                f"`ray up {file.path}` again, and read what its set-up commands print",
            )
        )
    elif error or not isinstance(facts, Mapping):
        findings.append(
            blocks(
                "project",
                f"{python} in {answer.get('project')}: {str(error)[-SHORT:]}",
                f"`ray up {file.path}` again copies and installs the project",
            )
        )
    return findings


def _before_setup(answer: Mapping[str, Any]) -> list[Finding]:
    """What a set-up would meet; nothing where the project runs already, for its own facts say more."""
    found = answer.get("before_setup")
    return check_before_setup(found) if isinstance(found, Mapping) else []


def _ray_on_path(answer: Mapping[str, Any], file: ClusterFile) -> Finding:
    """The login shell's own PATH: the start commands may add to it, `ray exec` and people may not."""
    path = path_of(answer, "ray")
    own = f"{answer.get('project')}/.venv/bin"
    if path == f"{own}/ray":
        return ok("path", f"the login shell finds {path}")
    found = f"the login shell finds {f'another ray first, {path}' if path else 'no ray'}"
    way_out = f"put `export PATH={own}:$PATH` into ~/.profile there"
    if file.bare_ray:
        return blocks("path", f"{found}; the start commands call it by name", way_out)
    return warning("path", f"{found}, and so will `ray exec` and you", way_out)


def _hardware(answer: Mapping[str, Any]) -> list[Finding]:
    facts = facts_of(Reply("", answer))  # the address plays no part
    torch = answer.get("torch")
    return check_hardware(facts, torch if isinstance(torch, Mapping) else None) if facts else []


def _images(data: object) -> list[Finding]:
    if not isinstance(data, Mapping):
        return []
    root, missing, total = data.get("root"), data.get("missing"), data.get("of")
    if not missing and data.get("there"):
        return [ok("data", f"{root}: all {total} images" if total else f"{root} is there")]
    found = (
        f"{root}: {missing} of {total} images are missing"
        if data.get("there")
        else f"{root} is no folder there"
    )
    first = data.get("first")
    named = f", first {', '.join(map(str, first))}" if data.get("there") and isinstance(first, list) else ""
    return [
        blocks("data", found + named, "copy the images there (rsync -a), or give the root they lie under")
    ]


def _port(answer: Mapping[str, Any], address: str, file: ClusterFile) -> list[Finding]:
    """On the head: whether Ray's port is free or ours. On a worker: whether it reaches the head's."""
    status = str(answer.get("port"))
    if address == file.head:
        if status == "open" and not own_rays(answer, "gcs_server"):
            found = f"{file.port} is taken by something else than the Ray of {answer.get('temp_dir')}"
            return [blocks("port", found, f"choose another --port in the start commands of {file.path}")]
        return [ok("port", f"{file.port} is {'ours' if status == 'open' else 'free'}")]
    target = f"{file.head}:{file.port}"
    if status == "open":
        return [ok("port", f"reaches the head's {target}")]
    if status == "refused":  # the way there is open; that no Ray runs on the head is said in its section
        return [ok("port", f"{target} answers that nothing listens there")]
    way_out = f"open port {file.port} and Ray's others between them; is {file.head} what the workers call it?"
    return [blocks("port", f"does not reach the head's {target}: {status[:SHORT]}", way_out)]


def _rays(answer: Mapping[str, Any]) -> list[Finding]:
    return check_rays(_listed(answer), str(answer.get("temp_dir")))


def check_rays(rays: Sequence[Mapping[str, Any]], own: str | None) -> list[Finding]:
    """own: the temp folder of the Ray that is ours; None where none is."""
    folders = list(dict.fromkeys((str(ray.get("user")), str(ray.get("temp_dir"))) for ray in rays))
    findings = []
    for user, folder in folders:
        members = [ray for ray in rays if (str(ray.get("user")), str(ray.get("temp_dir"))) == (user, folder)]
        known = [str(ray["gcs"]) for ray in members if ray.get("gcs") and not str(ray["gcs"]).endswith(":0")]
        address = known[-1] if known else "an address it does not tell"  # a raylet's is the real one
        kinds = "head" if any(ray.get("kind") == "gcs_server" for ray in members) else "worker"
        found = f"a {kinds} of user {user} in {folder}, cluster at {address}"
        if folder == own:
            findings.append(ok("ray", f"{found}: ours"))
        else:
            way_out = (
                "it shares CPUs and GPUs with yours; `ray stop` and `ray down` would end it too: use neither"
            )
            findings.append(warning("other ray", found, way_out))
    return findings or [ok("ray", "none runs here")]
