"""Kernels with what was drawn for them, sent to a device in one copy and run there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[Any]
Rows = NDArray[np.int64]
Shape = tuple[int, int]
Kernel = Callable[..., Tensor]
"""(images (n, 3, H, W) float32, whole numbers from 0 to 255; **values as tensors) -> the same, new."""

_TYPES = {"float32": torch.float32, "int32": torch.int32, "int64": torch.int64}
_ALIGNED = 16  # bytes; a view of a buffer as another type has to start at a multiple of that type's size


@dataclass(frozen=True)
class Op:
    """One kernel over some rows of a batch.

    rows: ascending, each once; values: arrays whose first axis is the rows; tables: arrays for all rows.
    """

    kernel: Kernel
    rows: Rows
    values: Mapping[str, Array] = field(default_factory=dict)
    tables: Mapping[str, Array] = field(default_factory=dict)


def merged(ops: Iterable[Op]) -> list[Op]:
    """Fewer ops of the same effect: the same kernel over rows apart runs once."""
    found: list[Op] = []
    for op in ops:
        place = _partner(found, op)
        if place is None:
            found.append(op)
        else:
            found[place] = _both(found[place], op)
    return found


def _partner(found: Sequence[Op], op: Op) -> int | None:
    """The op that this one may join: no op from it on touches the same rows, so the order changes nothing."""
    for place in reversed(range(len(found))):
        if np.intersect1d(found[place].rows, op.rows, assume_unique=True).size:
            return None
        if _alike(found[place], op):
            return place
    return None


def _alike(one: Op, other: Op) -> bool:
    shapes = [{name: array.shape[1:] for name, array in op.values.items()} for op in (one, other)]
    return one.kernel is other.kernel and shapes[0] == shapes[1]


def _both(one: Op, other: Op) -> Op:
    rows = np.concatenate([one.rows, other.rows])
    order = np.argsort(rows)
    values = {name: np.concatenate([one.values[name], other.values[name]])[order] for name in one.values}
    return Op(one.kernel, rows[order], values, one.tables)


def run(ops: Sequence[Op], images: Tensor) -> Tensor:
    """images (B, 3, H, W) float32 -> the same after every op; the tensor itself may be changed."""
    arrays = [array for op in ops for array in (op.rows, *op.values.values(), *op.tables.values())]
    tensors = iter(sent(arrays, images.device))
    for op in ops:
        rows = next(tensors)
        inputs = {name: next(tensors) for name in (*op.values, *op.tables)}
        if len(op.rows) == len(images):
            images = op.kernel(images, **inputs)
        else:
            images.index_copy_(0, rows, op.kernel(images.index_select(0, rows), **inputs))
    return images


def sent(arrays: Sequence[Array], device: torch.device) -> list[Tensor]:
    """The arrays as tensors of the device, over in one copy for which the host does not wait."""
    starts = np.cumsum([0, *(-(-array.nbytes // _ALIGNED) * _ALIGNED for array in arrays)])
    # pinned: from other memory the copy would wait; the allocator keeps it until the copy is done
    host = torch.empty(int(starts[-1]), dtype=torch.uint8, pin_memory=device.type == "cuda")
    bytes_of = host.numpy()
    for start, array in zip(starts, arrays, strict=False):
        bytes_of[start : start + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    buffer = host.to(device, non_blocking=True)
    return [_view(buffer, int(start), array) for start, array in zip(starts, arrays, strict=False)]


def _view(buffer: Tensor, start: int, array: Array) -> Tensor:
    return buffer[start : start + array.nbytes].view(_TYPES[array.dtype.name]).view(array.shape)
