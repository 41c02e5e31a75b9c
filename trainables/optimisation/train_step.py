"""One optimizer step: mixed precision, accumulated batches, sharpness-aware ascent, clipped gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from trainables.device import autocast
from trainables.feed.fold_loader import Batch
from trainables.losses.objective import AnyObjective
from trainables.network.network import Network
from trainables.optimisation.sam import SharpnessAware, frozen_statistics


class Step:
    """Keeps nothing between steps but the gradient scaler, whose state `state_dict` holds."""

    def __init__(
        self,
        network: Network,
        objective: AnyObjective,
        optimizer: torch.optim.Optimizer,
        config: Mapping[str, Any],
        device: torch.device,
        forward: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """forward: what computes the outputs in place of the network; None: the network itself."""
        self._forward = network if forward is None else forward
        self._network, self._objective, self._optimizer = network, objective, optimizer
        self._device, self._amp, self._clip = device, bool(config["amp"]), float(config["grad_clip"])
        self._scaler = torch.amp.GradScaler(device.type, enabled=_needs_scaler(device, self._amp))
        rho = float(config["sam_rho"])
        self._sharpness = SharpnessAware(network.parameters(), rho) if rho else None

    def __call__(self, batches: Sequence[Batch]) -> Tensor:
        """The mean loss of the batches (scalar, detached), whose gradients make one step."""
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._backward(batches)
        if self._sharpness is not None:
            self._sharpness.ascend()  # clears the gradient, whose scale cancels in the direction
            with frozen_statistics(self._network):
                self._backward(batches)
            self._sharpness.return_back()
        if self._clip:
            self._scaler.unscale_(self._optimizer)
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return loss

    def _backward(self, batches: Sequence[Batch]) -> Tensor:
        losses = []
        for images, targets in batches:
            with autocast(self._device, self._amp):
                outputs = self._forward(images)
            loss = self._objective.loss(outputs.float(), targets)
            self._scaler.scale(loss / len(batches)).backward()  # type: ignore[no-untyped-call]
            losses.append(loss.detach())
        return torch.stack(losses).mean()

    def state_dict(self) -> dict[str, Any]:
        return dict(self._scaler.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:  # empty where it was stored: a device without a scaler; this one starts afresh
            self._scaler.load_state_dict(state)


def _needs_scaler(device: torch.device, amp: bool) -> bool:
    """float16's small range needs one; bfloat16 has float32's range."""
    return getattr(autocast(device, amp), "fast_dtype", None) == torch.float16


def in_groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """Lists of `size` batches; the last may be shorter."""
    while group := list(islice(batches, size)):
        yield group
