"""Versions on one machine beside what the project asks for."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from orchestrator.core.finding import Finding, blocks, ok, warning
from orchestrator.machine.node_facts import same_release

DISTRIBUTION = "fold-orchestrator"
FRAMEWORKS = ("ray", "torch", "torchvision", "timm", "albumentations")
INSTALL = "python -m pip install --constraint constraints.txt --editable ."


@dataclass(frozen=True)
class Wanted:
    """What the project asks of its environment."""

    python: str  # specifier, such as ">=3.11"
    ranges: Mapping[str, str]  # name of a package -> specifier
    pins: Mapping[str, str]  # name -> tested version; empty where there is no constraints.txt


def wanted(project: Path) -> Wanted:
    """What the project asks for: read from its folder, or from the installed distribution."""
    file, pins = project / "pyproject.toml", project / "constraints.txt"
    if file.is_file():
        table = tomllib.loads(file.read_text())["project"]
        python, lines = table["requires-python"], table["dependencies"]
    else:
        metadata = importlib.metadata.metadata(DISTRIBUTION)
        python, lines = metadata["Requires-Python"], metadata.get_all("Requires-Dist") or []
    asked = [Requirement(line) for line in lines]
    # What belongs to an extra, such as wandb, may be missing.
    ranges = {item.name.lower(): str(item.specifier) for item in asked if "extra" not in str(item.marker)}
    return Wanted(python, ranges, parse_pins(pins.read_text()) if pins.is_file() else {})


def parse_pins(text: str) -> dict[str, str]:
    """Name (lower case) -> version of lines such as "torch==2.13.0"."""
    found = re.findall(r"^\s*([\w.-]+)==([^\s;#]+)", text, re.MULTILINE)
    return {name.lower(): version for name, version in found}


def check_software(python: str, installed: Mapping[str, str], asked: Wanted) -> list[Finding]:
    """installed: of every name in `asked.ranges`, and of FRAMEWORKS; absent ones are not installed."""
    return [_python(python, asked), _in_range(installed, asked), *_as_pinned(installed, asked)]


def _python(python: str, asked: Wanted) -> Finding:
    if Version(python) in SpecifierSet(asked.python):
        return ok("python", f"{python} (asked for: {asked.python})")
    return blocks(
        "python", f"{python}, asked for: {asked.python}", "make the environment again with such a Python"
    )


def _in_range(installed: Mapping[str, str], asked: Wanted) -> Finding:
    wrong = []
    for name, specifier in asked.ranges.items():
        version = installed.get(name)
        if version is None:
            wrong.append(f"{name} is not installed")
        # A nightly build of torch is in the range too.
        elif not SpecifierSet(specifier).contains(version, prereleases=True):
            wrong.append(f"{name} {version}, asked for: {specifier}")
    if wrong:
        return blocks("packages", "; ".join(wrong), INSTALL)
    named = ", ".join(f"{name} {installed[name]}" for name in FRAMEWORKS if name in installed)
    return ok("packages", named)


def _as_pinned(installed: Mapping[str, str], asked: Wanted) -> list[Finding]:
    if not asked.pins:
        return []
    known = [name for name in installed if name in asked.pins]
    other = [name for name in known if not same_release(asked.pins[name], installed[name])]
    if not other:
        return [ok("constraints", f"all {len(known)} packages looked at are as in constraints.txt")]
    listed = ", ".join(f"{name} {installed[name]} (tested: {asked.pins[name]})" for name in other)
    return [warning("constraints", listed, INSTALL)]
