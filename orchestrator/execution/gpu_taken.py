"""Whether the GPU that a fold run was given is taken by programs that are not ours. Pure.

Ray counts GPUs and looks at none: it gives the first that none of its own processes holds, whatever else
computes there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from orchestrator.core.text import on_one_line, shortened
from orchestrator.execution.memory_pressure import GPU_GUESS, gb
from orchestrator.machine.gpu_memory import MIB, Device

MPS_SERVER = "nvidia-cuda-mps-server"  # stands for the programs that compute through it
LITTLE = 2**30
"""Bytes that others may hold, or that may be held by nobody whom we see, and nobody speaks of it."""


def why_taken(
    devices: Sequence[Device],
    need: int,
    ours: Callable[[int], bool],
    is_there: Callable[[int], bool],
    has_it_alone: bool,
) -> str:
    """Why a fold run cannot begin on one of the devices; "" where it can, or where that cannot be told.

    need: bytes that it is expected to hold, 0 where nobody knows; ours: whether a process id is one of our
    workers; is_there: whether this machine shows a process of that id (a container shows few); has_it_alone:
    no other fold run of ours shares the devices, and this process has not computed there yet.
    """
    need = need or GPU_GUESS
    reasons = (_why(item, need, ours, is_there, has_it_alone) for item in devices)
    return next((why for why in reasons if why), "")


def _why(
    device: Device,
    need: int,
    ours: Callable[[int], bool],
    is_there: Callable[[int], bool],
    has_it_alone: bool,
) -> str:
    others = [item for item in device.processes if not ours(item.pid) and item.name != MPS_SERVER]
    names = shortened([on_one_line(item.name) for item in others])
    if not has_it_alone and not _tells_ours_apart(device, is_there):
        return ""  # what looks like others may be our own fold runs beside it
    if device.is_exclusive and others:
        return f"{device.name} lets one program at a time compute, and {names} does"
    if device.used is None:
        return ""
    mine = sum((item.used_mib or 0) * MIB for item in device.processes if ours(item.pid))
    held, room = device.used - mine, device.total - device.used
    if held < LITTLE or room >= need or need > device.total:  # too large for any: it shows when it runs
        return ""
    who = f" ({names})" if names else ""
    return (
        f"others{who} hold {gb(held)} of {device.name}'s {gb(device.total)}, and {gb(room)} are left of the "
        f"{gb(need)} that a fold run needs"
    )


def _tells_ours_apart(device: Device, is_there: Callable[[int], bool]) -> bool:
    listed = sum((item.used_mib or 0) * MIB for item in device.processes)
    hidden = (device.used or 0) - listed
    return hidden < LITTLE and all(is_there(item.pid) for item in device.processes)
