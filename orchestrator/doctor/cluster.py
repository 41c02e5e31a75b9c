"""What the servers of a cluster have in common, or not: pure, from their answers to findings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.core.finding import Finding, blocks, ok, warning
from orchestrator.doctor.servers import facts_of, own_rays
from orchestrator.doctor.ssh import Reply
from orchestrator.execution.on_ray.cluster_file import ClusterFile
from orchestrator.machine.node_facts import PACKAGES, SAME, NodeFacts, minor, reasons_against

# In a log of hundreds of lines these may say why.
TELLING = re.compile(
    "error|fail|not found|denied|refused|timed out|mismatch|unauthenticated|no such|traceback|exception",
    re.IGNORECASE,
)
LOG_LINES = 6  # of a log that are shown: more would push the other findings off the screen
RAYLET_LOGS, MONITOR_LOGS = ("raylet.err", "raylet.out"), ("monitor.err", "monitor.out", "monitor.log")


def check_together(replies: Mapping[str, Reply], file: ClusterFile, here: NodeFacts) -> list[Finding]:
    return [*_versions(replies, file, here), *_membership(replies, file)]


def _versions(replies: Mapping[str, Reply], file: ClusterFile, here: NodeFacts) -> list[Finding]:
    """Compares workers with the head, which drives, and the head with this machine, whose project it has."""
    head = facts_of(replies[file.head])
    if head is None:
        return []  # its own section says why
    findings = []
    for package, digest in here.sources.items():
        if head.sources.get(package) != digest:  # a warning: what runs is the head's project, not this one
            found = f"the head has other source files of {package} than this machine"
            findings.append(warning("source", found, _copied_again(package, file)))
    others = {address: facts_of(replies[address]) for address in file.workers}
    known = {address: facts for address, facts in others.items() if facts is not None}
    beside = [finding for address, facts in known.items() for finding in _beside(head, facts, address)]
    if known and not beside:
        beside = [ok("versions", f"the same on the head and {len(known)} of {len(file.workers)} workers")]
    return findings + beside


def _copied_again(package: str, file: ClusterFile) -> str:
    """Ray copies to the head and deletes nothing there; what only the head has may be somebody's work."""
    key = f" -e 'ssh -i {file.key}'" if file.key else ""
    target = f"{file.user}@{file.head}" if file.user else file.head
    folder = f"{file.project.removeprefix('~/')}/{package}/"
    exact = f"rsync -anv --delete --exclude=__pycache__{key} {package}/ {target}:{folder}"
    return (
        f"`ray up {file.path}` copies what is here; what was removed here stays there: "
        f"`{exact}` lists it, without n deletes it"
    )


def _beside(head: NodeFacts, other: NodeFacts, address: str) -> list[Finding]:
    found = []
    for reason in reasons_against(head, other):
        what, _, way_out = reason.partition("; ")
        found.append(blocks("versions", f"{address}: {what}", way_out))
    if minor(head.python) == minor(other.python) and head.python != other.python:
        found.append(
            blocks(
                "versions",
                f"{address}: Python {other.python}, the head has {head.python}; Ray lets no such node join",
                "install the same Python, or export RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL=minor in all "
                "start commands and where you run tune",
            )
        )
    others = [name for name in PACKAGES if name not in SAME]  # those in SAME are among the reasons above
    differ = [
        f"{name} {other.versions.get(name)} (head: {head.versions.get(name)})"
        for name in others
        if head.versions.get(name) != other.versions.get(name)
    ]
    if differ:
        way_out = "install with --constraint constraints.txt on all servers: results depend on these too"
        found.append(warning("versions", f"{address}: {', '.join(differ)}", way_out))
    return found


# ---- who has joined --------------------------------------------------------------------------------


def _membership(replies: Mapping[str, Reply], file: ClusterFile) -> list[Finding]:
    head = replies[file.head].answer
    if head is None:
        return []  # only the head knows who has joined
    if not own_rays(head, "gcs_server"):
        found = f"no Ray runs in {head.get('temp_dir')} on the head"
        return [warning("cluster", found, f"`ray up {file.path}`"), *_why_no_head(head)]
    listed = head.get("joined")
    nodes = listed.get("nodes") if isinstance(listed, Mapping) else None
    if not isinstance(nodes, Sequence):
        reason = listed.get("error") if isinstance(listed, Mapping) else "its Python is not there to ask"
        found = f"Ray runs on the head but does not answer: {reason}"
        return [blocks("cluster", found, _log_hint(head, "gcs_server.err"))]
    alive = [node for node in nodes if isinstance(node, Mapping) and node.get("alive")]
    gone = [node for node in nodes if isinstance(node, Mapping) and not node.get("alive")]
    missing = _missing(head, alive, file)
    if not missing:
        return [_all_joined(alive, file)]
    return [
        blocks(
            "cluster",
            f"{address} has not joined{_only_head(alive, file)}; {why_not(address, replies, file, gone)}",
            f"mend that, then `ray up {file.path}` again",
        )
        for address in missing
    ]


def _missing(head: Mapping[str, Any], alive: Sequence[Mapping[str, Any]], file: ClusterFile) -> list[str]:
    """Workers that are not in, by their address in the cluster file, which the head may know as another."""
    there = {str(node.get("address")) for node in alive}
    known_as = head.get("known_as")
    names = known_as if isinstance(known_as, Mapping) else {}
    return [address for address in file.workers if str(names.get(address, address)) not in there]


def _all_joined(alive: Sequence[Mapping[str, Any]], file: ClusterFile) -> Finding:
    cpus, gpus = (sum(float(node.get(kind) or 0) for node in alive) for kind in ("cpus", "gpus"))
    count = f"{len(alive)} of {len(file.servers)} servers have joined"
    return ok("cluster", f"{count}: {cpus:g} CPUs, {gpus:g} GPUs")


def _only_head(alive: Sequence[Any], file: ClusterFile) -> str:
    return f" (the head is alone of {len(file.servers)})" if len(alive) == 1 else ""


def why_not(
    address: str, replies: Mapping[str, Reply], file: ClusterFile, gone: Sequence[Mapping[str, Any]]
) -> str:
    """The nearest to a reason: it cannot be reached; its raylet's last words; what the head's monitor met."""
    answer, head = replies[address].answer, replies[file.head].answer or {}
    if answer is None:
        return "it cannot be reached, see above"
    left = [str(node.get("reason")) for node in gone if node.get("address") == address and node.get("reason")]
    if left:
        return f"it left: {left[-1]}"
    own = telling_lines(answer, RAYLET_LOGS, None)
    monitor = telling_lines(head, MONITOR_LOGS, address)
    running = (
        "its raylet runs but is not in the cluster" if own_rays(answer, "raylet") else "no raylet runs there"
    )
    parts = [f"{running}"]
    parts += [
        f"its {name} ends: {text}" for name, text in own[:1]
    ]  # the other logs repeat the first or say less
    parts += [f"the head's {name}: {text}" for name, text in monitor[:1]]
    if len(parts) == 1:
        parts.append(f"no log in {answer.get('temp_dir')}/session_latest/logs says why")
    return "; ".join(parts)


def telling_lines(
    answer: Mapping[str, Any], names: Sequence[str], address: str | None
) -> list[tuple[str, str]]:
    """(log, its last telling lines) of the logs that have any; those that name the address come first."""
    logs = answer.get("logs")
    found = []
    for name in names:
        log = logs.get(name) if isinstance(logs, Mapping) else None
        lines = [str(line) for line in log] if isinstance(log, list) else []
        picked = [line for line in lines if TELLING.search(line)]
        named = [line for line in picked if address is not None and address in line]
        if picked:
            found.append((bool(named), name, "\n".join((named or picked)[-LOG_LINES:])))
    found.sort(key=lambda item: not item[0])
    return [(name, text) for _, name, text in found]


def _why_no_head(head: Mapping[str, Any]) -> list[Finding]:
    words = telling_lines(head, ("gcs_server.err", *RAYLET_LOGS), None)
    return [
        warning("cluster", f"the last {name} there: {text}", "if it should run, start there")
        for name, text in words[:1]
    ]


def _log_hint(answer: Mapping[str, Any], name: str) -> str:
    return f"look into {answer.get('temp_dir')}/session_latest/logs/{name} on the head"
