"""Counts, on CPU tensors, the operations at which a GPU would make the host wait.

    with HostWaits() as waits:
        step(batches)
    assert not waits.seen

A GPU's queue is emptied wherever the host asks for a value (`.item()`, `float(tensor)`, a branch on a
tensor), wherever a result's shape depends on values (`nonzero`, a boolean index), and wherever a tensor is
made of Python values (`torch.tensor`), which go over unpinned. Numbers among the arguments of arithmetic,
`clamp` and `masked_fill` are handed to the kernel, and `torch.where` fills a tensor on the device with its
number: nothing waits. A copy between devices cannot be seen on one device; `torch.cuda.set_sync_debug_mode`
sees it on a GPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

LOOKS = {
    "_local_scalar_dense",  # .item(), float(), int(), bool(), a branch
    "equal",
    "is_nonzero",
    "nonzero",
    "masked_select",
    "repeat_interleave",  # of a tensor of counts: its length is a sum of values
    "_unique2",
    "unique_dim",
    "unique_consecutive",
    "bincount",
    "_pin_memory",  # waits for the driver; a loader's thread may, a step may not
}
HOST_TENSORS = {"lift_fresh"}  # torch.tensor(...), torch.from_numpy(...)


class HostWaits(TorchDispatchMode):
    """`seen`: name of each operation at which a GPU would be waited for -> how often it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if name := _waits(func, args):
            self.seen[name] += 1
        return func(*args, **(kwargs or {}))


def _waits(func: Any, args: tuple[Any, ...]) -> str:
    """The name under which it counts; "" for an operation that is queued and forgotten."""
    name = str(func.overloadpacket.__name__)
    if name in LOOKS | HOST_TENSORS:
        return name
    if name in ("index", "index_put", "index_put_", "_index_put_impl_") and _has_boolean(args[1]):
        return f"{name} by a boolean mask"
    return ""


def _has_boolean(indices: Any) -> bool:
    return any(
        isinstance(item, Tensor) and item.dtype in (torch.bool, torch.uint8) for item in tree_leaves(indices)
    )


def host_waits(call: Callable[[], object]) -> Counter[str]:
    """Of one call."""
    with HostWaits() as waits:
        call()
    return waits.seen
