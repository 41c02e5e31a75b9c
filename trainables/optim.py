"""Optimizers and learning-rate schedules: torch's and timm's own, put together from a configuration."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from orchestrator.errors import TrainableError
from orchestrator.trial import Config
from trainables.models import Network
from trainables.torchvision_ops import timm

WARMUP_START = 0.01  # of each group's lr


def build_optimizer(network: Network, config: Config) -> torch.optim.Optimizer:
    """Four groups: backbone and head, each with and without weight decay. Raises TrainableError."""
    lr, decay = float(config["lr"]), float(config["weight_decay"])
    groups = []
    for module, rate in ((network.backbone, lr), (network.head, lr * float(config["head_lr_mult"]))):
        parameters = list(module.parameters())
        matrices = [parameter for parameter in parameters if parameter.ndim > 1]
        vectors = [parameter for parameter in parameters if parameter.ndim <= 1]  # biases and norms
        groups.append({"params": matrices, "lr": rate, "weight_decay": decay})
        groups.append({"params": vectors, "lr": rate, "weight_decay": 0.0})
    groups = [group for group in groups if group["params"]]
    momentum = float(config["momentum"])
    # fused: one pass over all weights instead of one kernel per weight; several times faster, on CPU too
    if config["optimizer"] == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=momentum > 0, fused=True)
    if config["optimizer"] == "adam":
        return torch.optim.Adam(groups, lr=lr, betas=(momentum, 0.999), fused=True)
    if config["optimizer"] == "adamw":
        return torch.optim.AdamW(groups, lr=lr, betas=(momentum, 0.999), fused=True)
    raise TrainableError(f"optimizer={config['optimizer']!r} is not known; use sgd, adam or adamw")


class Schedule:
    """The learning rate after each step and each epoch, for every optimizer group alike.

    Cosine, step, warm restarts and constant are functions of the step alone (timm's schedulers). Plateau has
    a memory, torch's, and watches the *training* loss: validation rows decide nothing inside training.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, config: Config, steps_per_epoch: int, epochs: int
    ) -> None:
        self._optimizer = optimizer
        self._peaks = [float(group["lr"]) for group in optimizer.param_groups]
        self._warmup = round(float(config["warmup_epochs"]) * steps_per_epoch)
        self._epoch_steps = steps_per_epoch
        self._plateau: ReduceLROnPlateau | None = None
        self._curve: Any = None
        if config["scheduler"] == "plateau":
            if float(config["gamma"]) >= 1.0:
                raise TrainableError("gamma=1 never lowers lr, but scheduler=plateau must; use gamma below 1")
            self._plateau = ReduceLROnPlateau(
                optimizer, factor=float(config["gamma"]), patience=int(config["step_size"])
            )
        else:
            self._curve = _curve(optimizer, config, steps_per_epoch, epochs)
        self._warm(0)

    def after_step(self, steps: int) -> None:
        """`steps` optimizer steps are done in all."""
        if self._curve is not None and steps >= self._warmup:
            self._curve.step_update(steps)
        self._warm(steps)

    def after_epoch(self, epochs: int, training_loss: float) -> None:
        """`epochs` epochs are done in all."""
        if self._plateau is not None and epochs * self._epoch_steps > self._warmup:
            self._plateau.step(training_loss)

    def _warm(self, steps: int) -> None:
        if steps > self._warmup or self._warmup == 0:
            return
        share = WARMUP_START + (1.0 - WARMUP_START) * steps / self._warmup
        if steps == self._warmup and self._curve is not None:
            return  # the curve has taken over
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            group["lr"] = peak * share

    def state_dict(self) -> dict[str, Any]:
        return {} if self._plateau is None else dict(self._plateau.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._plateau is not None:
            self._plateau.load_state_dict(state)


def _curve(optimizer: torch.optim.Optimizer, config: Config, steps: int, epochs: int) -> Any:
    """A timm scheduler that counts optimizer steps."""
    name, gamma = config["scheduler"], float(config["gamma"])
    period = max(1, round(float(config["step_size"]) * steps))
    if name == "cosine":
        return timm.scheduler.CosineLRScheduler(
            optimizer, t_initial=max(2, steps * epochs), t_in_epochs=False
        )
    if name == "warm_restarts":
        return timm.scheduler.CosineLRScheduler(
            optimizer, t_initial=max(2, period), cycle_decay=gamma, cycle_limit=10**9, t_in_epochs=False
        )
    if name == "step":
        return timm.scheduler.StepLRScheduler(optimizer, decay_t=period, decay_rate=gamma, t_in_epochs=False)
    if name == "constant":
        return timm.scheduler.StepLRScheduler(optimizer, decay_t=1, decay_rate=1.0, t_in_epochs=False)
    raise TrainableError(
        f"scheduler={name!r} is not known; use cosine, step, plateau, warm_restarts or constant"
    )
