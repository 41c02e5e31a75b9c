"""Whether the set-up will come to its end on a server that has not had one: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packaging.version import InvalidVersion, Version

from orchestrator.core.finding import Finding, blocks, ok, warning
from orchestrator.doctor.hardware import GIB, gib

OLDEST = "3.11"
DISK_LOW, DISK_FULL = 10.0, 3.0  # GiB: the packages without CUDA take 2.3, torch for CUDA several more


def check_before_setup(answer: Mapping[str, Any]) -> list[Finding]:
    """answer: what `bootstrap.before_setup` returned there."""
    pythons, free, gpus = answer.get("pythons"), answer.get("disk_free"), answer.get("gpus")
    findings = [_python(pythons if isinstance(pythons, Mapping) else {})]
    if isinstance(free, int):
        findings.append(_disk(free))
    problem = answer.get("gpu_problem")
    findings.append(_gpu(gpus if isinstance(gpus, Mapping) else {}, str(problem) if problem else None))
    return findings


def _python(pythons: Mapping[str, Any]) -> Finding:
    """`python3` is what the set-up takes unless it is told another."""
    known = {name: found for name, found in pythons.items() if isinstance(found, Mapping)}
    fit = [name for name, found in known.items() if _is_new(found) and found.get("venv")]
    seen = ", ".join(
        f"{name} is {found.get('version')}{'' if found.get('venv') else ' without venv'}"
        for name, found in known.items()
    )
    if "python3" in fit:
        return ok("python", f"{known['python3'].get('version')} with venv")
    if fit:  # python3 itself will not do, but another one there would
        way_out = f"`PYTHON={fit[0]}` before install.sh in setup_commands, if it is not there yet"
        return warning("python", seen, way_out)
    new = [str(found.get("version")) for found in known.values() if _is_new(found)]
    if new:
        release = ".".join(new[0].split(".")[:2])
        return blocks("python", seen, f"on Debian and Ubuntu: `sudo apt-get install python{release}-venv`")
    return blocks("python", seen or "none answers", f"install Python {OLDEST} or newer, with venv")


def _is_new(found: Mapping[str, Any]) -> bool:
    try:
        return Version(str(found.get("version"))) >= Version(OLDEST)
    except InvalidVersion:
        return False


def _disk(free: int) -> Finding:
    found, way_out = f"{gib(free)} free at home, where the set-up installs", "free some"
    if free < DISK_FULL * GIB:
        return blocks("disk", found, way_out)
    return warning("disk", found, way_out) if free < DISK_LOW * GIB else ok("disk", found)


def _gpu(gpus: Mapping[str, Any], problem: str | None) -> Finding:
    if problem is not None:
        return blocks("gpu", problem, "repair the NVIDIA driver; `nvidia-smi` tells")
    if not gpus:
        return ok("gpu", "none (nvidia-smi is not there or lists none): fold runs would use CPUs")
    listed = ", ".join(f"{count} x {name}" for name, count in gpus.items())
    return ok("gpu", f"{listed}; whether torch can use them is seen after the set-up")
