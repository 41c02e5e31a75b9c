"""The exponential moving average of a network's weights: a second, steadier network that lags behind."""

from __future__ import annotations

from typing import Any

from torch import nn

from trainables.torchvision_ops import timm


class Average:
    """A copy of `network` on its device that follows it: w_avg <- d w_avg + (1 - d) w, buffers as well.

    Whole-number buffers, such as the count of batches a batch norm saw, are copied. Take it once the network
    is where it trains: on its device, in its memory layout.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self._source, self._decay = network, decay
        self._average = timm.utils.ModelEmaV3(network)
        self._average.requires_grad_(False)

    @property
    def network(self) -> Any:
        """The averaged network, in evaluation mode."""
        return self._average.module

    def update(self, step: int) -> None:
        """After optimizer step number `step` (from 1), with d = min(decay, (1 + step) / (10 + step)).

        The start from few steps soon forgets the random weights it began with. Source of d:
        tf.train.ExponentialMovingAverage, `num_updates`.
        """
        self._average.decay = min(self._decay, (1 + step) / (10 + step))
        self._average.update(self._source)

    def state_dict(self) -> dict[str, Any]:
        return dict(self.network.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state)
