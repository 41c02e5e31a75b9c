"""Weights as a checkpoint keeps them: rounded to two bytes where that was asked for, and validated so.

What is stored is what was scored: during validation the network holds the rounded numbers, so that the
out-of-fold probabilities are those of the file to the last bit. Training goes on with the unrounded ones.

Rounded are matrices and filters, nearly all of a network's bytes; biases, scales of norms and the statistics
of BatchNorm, whose variances may be of any size, stay float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""Names as a configuration has them."""


@contextmanager
def as_stored(network: nn.Module, dtype: str) -> Iterator[None]:
    """Inside, the network computes with its weights as `stored` keeps them; afterwards with those it had.

    In place, so that whatever holds the tensors sees it. No copy goes to the host and nothing waits for it.
    """
    rounded = [tensor for tensor in network.state_dict().values() if is_rounded(tensor, dtype)]
    before = [tensor.clone() for tensor in rounded]
    try:
        for tensor in rounded:
            half = tensor.to(DTYPES[dtype])
            tensor.copy_(torch.where(torch.isfinite(half).all(), half.to(tensor.dtype), tensor))
        yield
    finally:
        for tensor, value in zip(rounded, before, strict=True):
            tensor.copy_(value)


def stored(network: nn.Module, dtype: str) -> dict[str, Tensor]:
    """The state dict on the host, each tensor contiguous.

    One with a number beyond the type's range stays float32 as a whole.
    """
    state = {name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}
    halves = {name: tensor.to(DTYPES[dtype]) for name, tensor in state.items() if is_rounded(tensor, dtype)}
    return state | {name: half for name, half in halves.items() if torch.isfinite(half).all()}


def is_rounded(tensor: Tensor, dtype: str) -> bool:
    return dtype != "float32" and tensor.dtype == torch.float32 and tensor.ndim > 1
