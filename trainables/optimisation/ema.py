"""The exponential moving average of a network's weights: a second, steadier network that lags behind."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """A copy of `network` on its device that follows it: w_avg <- d w_avg + (1 - d) w, buffers as well.

    Whole-number buffers, such as the count of batches a batch norm saw, are copied. Take it once the network
    is where it trains: on its device, in its memory layout. What timm's ModelEmaV3 computes, but the lists of
    tensors are made once: it makes two state dicts in every step, which a GPU would wait for.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._decay = decay
        self.network: Any = copy.deepcopy(network).eval().requires_grad_(False)
        pairs = list(zip(_tensors(self.network), _tensors(network), strict=True))
        self._followed = _two_lists([pair for pair in pairs if pair[0].is_floating_point()])
        self._copied = _two_lists([pair for pair in pairs if not pair[0].is_floating_point()])

    @torch.no_grad()
    def update(self, step: int) -> None:
        """After optimizer step number `step` (from 1), with d = min(decay, (1 + step) / (10 + step)).

        The start from few steps soon forgets the random weights it began with. Source of d:
        tf.train.ExponentialMovingAverage, `num_updates`.
        """
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(*self._followed, 1.0 - decay)
        if self._copied[0]:
            torch._foreach_copy_(*self._copied)

    def state_dict(self) -> dict[str, Any]:
        return dict(self.network.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state)


def _tensors(network: nn.Module) -> list[Tensor]:
    """Parameters and buffers, in place: loading a state dict or a step changes them, never replaces them."""
    return [*network.parameters(), *network.buffers()]


def _two_lists(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    """All averages and all that they follow, as one kernel for many tensors takes them."""
    return [average for average, _ in pairs], [value for _, value in pairs]
