"""Sharpness-aware minimisation around any optimizer: two gradients a step, the second from uphill.

    loss.backward(); sharp.ascend()                       # w -> w + rho g / ||g||, gradients cleared
    with frozen_statistics(network): second.backward()   # the same batch
    sharp.return_back(); optimizer.step()                # from w, along the uphill gradient

Source: Foret et al. 2021 (https://arxiv.org/abs/2010.01412), equation 2 with p = 2. Nothing is kept from step
to step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class SharpnessAware:
    def __init__(self, parameters: Iterable[nn.Parameter], rho: float) -> None:
        """rho: the radius of a ascend, a Euclidean length over all parameters together, above 0."""
        self._parameters, self._rho = list(parameters), rho
        self._moved: list[Tensor] = []  # by an ascend that was not taken back, and where they were
        self._before: list[Tensor] = []

    @torch.no_grad()
    def ascend(self) -> None:
        """Moves the parameters by rho along their gradient and clears it; a loss scale makes no difference.

        Without a direction (a gradient of norm zero, infinite or NaN) they stay where they are.
        """
        if self._moved:
            raise RuntimeError("ascend() twice without return_back()")
        moved: list[Tensor] = [weight for weight in self._parameters if weight.grad is not None]
        gradients = [weight.grad for weight in moved if weight.grad is not None]
        if moved:
            norm = torch.nn.utils.get_total_norm(gradients)
            unreachable = ~(torch.isfinite(norm) & (norm > 0))
            length = (self._rho / norm).masked_fill(unreachable, 0.0)  # stays on the device: nothing waits
            self._before = [weight.detach().clone() for weight in moved]
            self._moved = moved
            steps = torch._foreach_mul(gradients, length)
            for step in steps:
                step.masked_fill_(unreachable, 0.0)  # infinity times 0 is NaN
            torch._foreach_add_(moved, list(steps))
        for weight in moved:
            weight.grad = None

    @torch.no_grad()
    def return_back(self) -> None:
        """Puts the parameters back where they were before the ascend, bit for bit; gradients stay."""
        if self._moved:
            torch._foreach_copy_(self._moved, self._before)
        self._moved, self._before = [], []


@contextmanager
def frozen_statistics(network: nn.Module) -> Iterator[None]:
    """Within, batch norms normalise as they do in training, but their running statistics stay as they are."""
    tracking: list[Any] = [
        module for module in network.modules() if getattr(module, "track_running_stats", False)
    ]
    for module in tracking:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in tracking:
            module.track_running_stats = True
