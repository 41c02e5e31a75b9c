"""Looks at this machine, and puts what it sees to the checks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from orchestrator.core.errors import InputError
from orchestrator.core.finding import Finding, blocks, ok, warning
from orchestrator.doctor.hardware import check_hardware
from orchestrator.doctor.paths import check_runs, check_storage
from orchestrator.doctor.probe import TORCH, TORCH_S, expanded, json_output, ray_processes, reach
from orchestrator.doctor.servers import check_rays
from orchestrator.doctor.software import FRAMEWORKS, check_software, wanted
from orchestrator.doctor.wandb_check import check_wandb
from orchestrator.machine.node_facts import NodeFacts, gather, installed

PROJECT = Path(__file__).resolve().parents[2]
TRAINABLES = "trainables"
"""The package whose source must be the same everywhere, by its name: nothing of it is imported here."""


def check_this_machine(
    facts: NodeFacts, runs: Path, storage: str | None, address: str | None, own_temp_dir: str | None
) -> list[Finding]:
    """own_temp_dir: of the cluster file's Ray. Raises InputError for options that mean nothing."""
    asked = wanted(PROJECT)
    # In a process of its own: a driver that hangs would hold up this one for ever.
    torch = json_output([sys.executable, "-c", TORCH], Path.cwd(), TORCH_S) if facts.gpus else None
    findings = check_software(facts.python, installed(sorted({*asked.ranges, *FRAMEWORKS})), asked)
    findings += check_hardware(facts, torch)
    findings.append(check_runs(runs))
    if storage is not None:
        findings.append(check_storage(storage))
    findings += check_rays(ray_processes(), expanded(own_temp_dir) if own_temp_dir else None)
    if address is not None:
        findings.append(check_address(address))
    findings += [check_wandb(), check_clock()]
    return findings


def facts_here(runs: Path) -> NodeFacts:
    return gather(TRAINABLES, runs)


def check_address(address: str) -> Finding:
    """Whether something listens where --address says. Raises InputError."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--address {address!r} is not HOST:PORT, such as 127.0.0.1:6390")
    status = reach(host, int(port))
    if status == "open":
        return ok("address", f"{address} answers")
    if status == "refused":
        return blocks("address", f"{address}: nothing listens there", "start Ray there, or correct the port")
    return blocks("address", f"{address}: {status}", "correct it, or open the port")


def check_clock() -> Finding:
    """What the system says of NTP; only several servers depend on it."""
    program = shutil.which("timedatectl")
    if program is None:
        return ok("clock", "whether it is set by NTP cannot be seen here")
    try:
        done = subprocess.run(
            [program, "show", "--property=NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            timeout=5,  # seconds; systemd may be there and not answer, as in a container
        )
    except (OSError, subprocess.SubprocessError):
        return ok("clock", "whether it is set by NTP cannot be seen here")
    if done.stdout.strip() == "no":
        return warning(
            "clock", "not set by NTP", "`timedatectl set-ntp true`; logs of servers are hard to compare else"
        )
    return ok(
        "clock", "set by NTP" if done.stdout.strip() == "yes" else "whether NTP sets it cannot be seen here"
    )
