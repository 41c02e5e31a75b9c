"""Where a fold run's images lie while it trains, as a rule of numbers: knows no device and reads nothing.

"device": one tensor on the GPU, from which batches are gathered there. "pinned": the memory map on the host,
whose rows cross through a ring of page-locked buffers. "host": the memory map, rows copied when asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from trainables.images.preprocess import size_of

PLACES = ("device", "pinned", "host")
IMAGES_SHARE = 0.5
"""Of a fold run's own part of a GPU that its images may take at most. An estimate of what the network needs
is from shapes alone, and a fold run whose images are in its way would be lost, where one whose images cross
the bus is only somewhat slower."""
SURELY = 1 / 16
"""Up to this share of the part nobody asks what the network needs, which takes some tenths of a second."""
GB = 1e9


@dataclass(frozen=True)
class Memory:
    """Of a GPU, in bytes, as it counts it: all processes together."""

    free: int
    total: int


@dataclass(frozen=True)
class Placement:
    """Where images lie, and why in a few words."""

    where: str  # of PLACES
    reason: str
    keeps_repeats: bool = False  # validation repeats stay on the GPU too: made once, not every epoch


def augments_on(config: Mapping[str, Any], device_type: str) -> str:
    """ "device" or "cpu": where the configuration wants its images changed, "auto" decided.

    config: complete. device_type: of the device that trains, as torch names it.
    """
    wanted = str(config["augment_on"])
    if wanted == "auto":
        return "cpu" if device_type == "cpu" else "device"
    return wanted


def image_bytes(rows: int, image_size: int | str) -> int:
    """Bytes of `rows` images of uint8 RGB. Raises TrainableError for a size that is none."""
    height, width = size_of(image_size)
    return rows * height * width * 3


def placement(
    needed: int,
    repeats: int,
    memory: Memory | None,
    gpu_share: float,
    network: Callable[[], int] = lambda: 0,
) -> Placement:
    """needed: bytes of the training and validation rows; repeats: bytes of what is scored beside them.

    memory: of the GPU, None where the device that trains is no GPU; gpu_share: of it, this fold run's, 1 or
    more: all. network: the bytes that all else needs, asked only where it matters. Each fold run that shares
    a GPU counts a copy of its own.
    """
    if memory is None:
        return Placement("host", "the memory map is shared by all fold runs of the machine")
    own = min(memory.free, int(memory.total * min(gpu_share, 1.0)))
    room = int(own * IMAGES_SHARE)
    if SURELY * own < needed <= room:
        room = min(room, own - network())
    said = f"{needed / GB:.2f} GB of images, {max(room, 0) / GB:.2f} GB of room in {own / GB:.2f} GB"
    if needed > room:
        return Placement("pinned", f"more than fits: {said}")
    return Placement("device", said, keeps_repeats=needed + repeats <= room)
