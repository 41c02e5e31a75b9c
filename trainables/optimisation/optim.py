"""Optimizers and learning-rate schedules: torch's and timm's own, put together from a configuration."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from orchestrator.core.errors import TrainableError
from orchestrator.core.trainable import Config
from trainables.network.network import Network
from trainables.network.torchvision_ops import timm

WARMUP_START = 0.01  # of each group's lr


def build_optimizer(network: Network, config: Config) -> torch.optim.Optimizer:
    """The backbone's layers from the top down, then the head; each with and without weight decay.

    Without layer_decay the backbone is one layer. Raises TrainableError.
    """
    lr, decay = float(config["lr"]), float(config["weight_decay"])
    spared = _spared(network.backbone)
    groups = []
    for parameters, rate in [
        *_backbone_rates(network.backbone, config),
        (list(network.head.parameters()), lr * float(config["head_lr_mult"])),
    ]:
        matrices = [item for item in parameters if item.ndim > 1 and id(item) not in spared]
        vectors = [item for item in parameters if item.ndim <= 1 or id(item) in spared]  # biases and norms
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


def _spared(backbone: Any) -> set[int]:
    """Ids of the parameters that timm exempts from weight decay, such as position embeddings."""
    names = backbone.no_weight_decay() if hasattr(backbone, "no_weight_decay") else ()
    return {id(item) for name, item in backbone.named_parameters() if name in names}


def _backbone_rates(backbone: nn.Module, config: Config) -> list[tuple[list[nn.Parameter], float]]:
    """Parameters and their lr, a pair for each layer: lr at the top, each below times layer_decay.

    Source: Clark et al. 2020 (https://arxiv.org/abs/2003.10555), layers as timm counts them for BEiT.
    """
    lr, layer_decay = float(config["lr"]), float(config["layer_decay"])
    if layer_decay == 1.0:
        return [(list(backbone.parameters()), lr)]
    check_layers(backbone, config)
    layers = _layers(backbone)
    return [(parameters, lr * layer_decay**depth) for depth, parameters in enumerate(reversed(layers))]


def check_layers(backbone: nn.Module, config: Config) -> None:
    """Raises TrainableError for a layer_decay below 1 of a backbone whose layers timm does not know."""
    if float(config["layer_decay"]) < 1.0 and len(_layers(backbone)) < 2:
        raise TrainableError(
            f"layer_decay={config['layer_decay']:g} needs layers, but timm {timm.__version__} has no list of "
            f"those of backbone {config['backbone']!r}; use layer_decay=1 or another backbone"
        )


def _layers(backbone: Any) -> list[list[nn.Parameter]]:
    """The parameters of each layer, from the stem up."""
    if not hasattr(backbone, "group_matcher"):
        return [list(backbone.parameters())]
    matcher = backbone.group_matcher(coarse=False)
    number: dict[str, int] = timm.models.group_parameters(backbone, matcher, reverse=True)
    layers: list[list[nn.Parameter]] = [[] for _ in range(max(number.values()) + 1)]
    for name, parameter in backbone.named_parameters():
        layers[number[name]].append(parameter)
    return layers


def check_schedule(config: Config) -> None:
    """Raises TrainableError for a schedule that could not do what it is for."""
    if config["scheduler"] == "plateau" and float(config["gamma"]) >= 1.0:
        raise TrainableError("gamma=1 never lowers lr, but scheduler=plateau must; use gamma below 1")


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
        check_schedule(config)
        if config["scheduler"] == "plateau":
            self._plateau = ReduceLROnPlateau(
                optimizer,
                factor=float(config["gamma"]),
                patience=int(config["step_size"]),
                eps=0.0,  # torch's own would leave the small rates of deep layers as they are
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
