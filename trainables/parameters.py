"""Every parameter an image classifier accepts: defaults, types, limits. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.errors import TrainableError
from orchestrator.trial import Config, Parameter

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULERS = ("cosine", "step", "plateau", "warm_restarts", "constant")
LOSSES = ("cross_entropy", "focal")
SAMPLERS = ("none", "weighted")
STRENGTHS = ("none", "light", "medium", "strong")
HEAD_INITS = ("xavier", "default")


def _number(default: float, low: float, high: float | None, doc: str) -> Parameter:
    return Parameter(default, ("float",), minimum=low, maximum=high, doc=doc)


def _whole(default: int, low: int, high: int | None, doc: str) -> Parameter:
    return Parameter(default, ("int",), minimum=low, maximum=high, doc=doc)


def _one_of(default: str, choices: tuple[str, ...], doc: str) -> Parameter:
    return Parameter(default, ("str",), choices=choices, doc=doc)


def _switch(default: bool, doc: str) -> Parameter:
    return Parameter(default, ("bool",), doc=doc)


PARAMETERS: Mapping[str, Parameter] = {
    # the network
    "backbone": Parameter("resnet18", ("str",), doc="any timm model name"),
    "pretrained": Parameter(
        False, ("bool", "str"), doc="False, True (timm's weights from the hub) or a path to .safetensors"
    ),
    "image_size": _whole(128, 16, 1024, "pixels of the square input; images are stored at this size"),
    "dropout": _number(0.0, 0.0, 0.95, "before the head's linear layer"),
    "drop_path": _number(0.0, 0.0, 0.95, "stochastic depth; backbones without it ignore it"),
    "head_init": _one_of("xavier", HEAD_INITS, "default: torch's own for a linear layer"),
    # the optimizer
    "optimizer": _one_of("adamw", OPTIMIZERS, "sgd has Nesterov momentum"),
    "lr": _number(1e-3, 0.0, 100.0, "of the backbone, after warm-up"),
    "head_lr_mult": _number(1.0, 0.0, 1000.0, "the head learns at lr times this"),
    "weight_decay": _number(0.0, 0.0, 10.0, "on weight matrices and filters, not on biases and norms"),
    "momentum": _number(0.9, 0.0, 0.999, "sgd's momentum, Adam's beta1"),
    "grad_clip": _number(0.0, 0.0, None, "largest gradient norm of a step; 0: off"),
    # its schedule
    "scheduler": _one_of("cosine", SCHEDULERS, "plateau watches the training loss"),
    "warmup_epochs": _number(0.0, 0.0, 1000.0, "linear, from a hundredth of lr"),
    "step_size": _number(
        3.0,
        0.01,
        10000.0,
        "epochs: between drops (step), per cycle (warm_restarts), without a better loss (plateau)",
    ),
    "gamma": _number(0.5, 0.0, 1.0, "factor of lr at each drop, restart or plateau"),
    "freeze_epochs": _whole(0, 0, 10000, "first epochs in which the backbone stands still, BatchNorm too"),
    # the objective and the data
    "loss": _one_of("cross_entropy", LOSSES, "of the training rows"),
    "focal_gamma": _number(2.0, 0.0, 10.0, "focal: how much less easy rows count"),
    "label_smoothing": _number(0.0, 0.0, 0.9, "share of the target spread evenly over the classes"),
    "sampler": _one_of("none", SAMPLERS, "weighted: each class equally often, drawn with replacement"),
    "augment": _one_of("light", STRENGTHS, "strength of the training pipeline, see augment.py"),
    "batch_size": _whole(64, 2, 65536, "rows of one step; an epoch's last, shorter batch is left out"),
    # the machine
    "amp": _switch(True, "mixed precision, on a GPU only: bfloat16 where it has it, else float16"),
    "channels_last": _switch(True, "memory layout that convolutions prefer, on GPU and CPU"),
}


def completed(config: Config) -> dict[str, Any]:
    """The configuration with defaults for what it does not name. Raises TrainableError for unknown names."""
    unknown = sorted(set(config) - set(PARAMETERS))
    if unknown:
        raise TrainableError(
            f"parameter {unknown[0]!r} is not known to ImageClassifier; "
            f"it accepts: {', '.join(sorted(PARAMETERS))}"
        )
    return {name: config.get(name, parameter.default) for name, parameter in PARAMETERS.items()}
