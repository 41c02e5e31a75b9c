"""Whether torch has kernels for the cards it sees: pure, from what `probe.TORCH` printed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from orchestrator.core.finding import Finding, Level, warning

_ARCHITECTURE = re.compile(r"(sm|compute)_(\d+)(\d)([a-z]?)$")


class Kernels(StrEnum):
    """How a torch build runs on a card."""

    BUILT = "built"
    TRANSLATED = "translated"  # by the driver, from PTX, when a kernel is first used
    NONE = "none"


def kernels_for(capability: tuple[int, int], architectures: Sequence[str]) -> Kernels:
    """architectures: as torch.cuda.get_arch_list(), such as sm_80, sm_90a, compute_90.

    A binary runs on cards of the same major number and no smaller minor number, one with a letter on its own
    card alone; PTX on every later card (CUDA C++ Programming Guide, "Binary Compatibility").
    """
    translated = False
    for name in architectures:
        match = _ARCHITECTURE.match(name)
        if match is None:
            continue
        built = (int(match[2]), int(match[3]))
        only = bool(match[4]) and match[4] != "f"  # f: for all cards of the family, as without a letter
        on_family = built[0] == capability[0] and built <= capability
        if match[1] == "sm" and (built == capability if only else on_family):
            return Kernels.BUILT
        translated |= match[1] == "compute" and not only and built <= capability
    return Kernels.TRANSLATED if translated else Kernels.NONE


def check_kernels(torch: Mapping[str, Any] | None) -> list[Finding]:
    """Nothing where there are kernels for every card, or where torch told none of it."""
    architectures = _architectures(torch)
    found = []
    for name, capability in dict.fromkeys(_capabilities(torch)):
        kind = kernels_for(capability, architectures) if architectures else Kernels.BUILT
        number = f"{name}, compute capability {capability[0]}.{capability[1]}"
        if kind is Kernels.TRANSLATED:
            text = f"{number}: this torch has no kernels for it; the driver translates them at first use"
            found.append(
                Finding(Level.NOTE, "gpu kernels", text, "a newer build of torch starts faster: pytorch.org")
            )
        elif kind is Kernels.NONE:
            text = f"{number}: this torch has kernels for {', '.join(architectures)} only"
            found.append(warning("gpu kernels", text, _OTHER_BUILD))
    return found


_OTHER_BUILD = (
    "install a build of torch that names this card's sm_ number (newer cards: CUDA 12.8 or later; "
    "older cards: CUDA 12.6) from https://pytorch.org/get-started/locally"
)


def capability_text(torch: Mapping[str, Any] | None, name: str) -> str:
    """Of the cards of that name; "" where torch did not tell."""
    known = {capability for device, capability in _capabilities(torch) if device == name}
    return ", ".join(f"compute capability {major}.{minor}" for major, minor in sorted(known))


def _capabilities(torch: Mapping[str, Any] | None) -> list[tuple[str, tuple[int, int]]]:
    """(name, capability) of each device; what another machine sent is not taken on trust."""
    devices = (torch or {}).get("devices")
    found = []
    for item in devices if isinstance(devices, list) else []:
        match item:
            case [str(name), int(major), int(minor)]:
                found.append((name, (major, minor)))
    return found


def _architectures(torch: Mapping[str, Any] | None) -> list[str]:
    listed = (torch or {}).get("architectures")
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
