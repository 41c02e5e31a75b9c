"""Every parameter an image classifier accepts: defaults, types, limits. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core import declared
from orchestrator.core.choices import TTA
from orchestrator.core.trainable import Config, Parameter
from trainables.images.value_range import VALUE_RANGES
from trainables.losses import LOSSES

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULERS = ("cosine", "step", "plateau", "warm_restarts", "constant")
SAMPLERS = ("none", "weighted", "inverse_sqrt", "oversample", "oversample_groups")
WEIGHTS_DTYPES = ("float32", "float16", "bfloat16")
HEADS = ("linear", "mlp")
HEAD_INITS = ("xavier", "default")
CLASS_WEIGHTS = ("none", "balanced", "inverse_sqrt", "effective")
MIXES = ("none", "mixup", "cutmix", "both")
AUGMENT_ON = ("auto", "cpu", "device")
COMPILE = ("none", "reduce-overhead", "auto")


def _number(default: float, low: float, high: float | None, doc: str) -> Parameter:
    return Parameter(default, ("float",), minimum=low, maximum=high, doc=doc)


def _integer(default: int, low: int, high: int | None, doc: str) -> Parameter:
    return Parameter(default, ("int",), minimum=low, maximum=high, doc=doc)


def _one_of(default: str, choices: tuple[str, ...], doc: str) -> Parameter:
    return Parameter(default, ("str",), choices=choices, doc=doc)


def _switch(default: bool, doc: str) -> Parameter:
    return Parameter(default, ("bool",), doc=doc)


def _text(default: str, doc: str) -> Parameter:
    """A little language of its own, checked by the module that reads it."""
    return Parameter(default, ("str",), doc=doc)


_OWN: dict[str, Parameter] = {
    # the network
    "backbone": _text("resnet18", "any timm model name"),
    "pretrained": Parameter(
        False, ("bool", "str"), doc="False, True (timm's weights from the hub) or a path to .safetensors"
    ),
    "image_size": Parameter(
        128,
        ("int", "str"),
        None,
        16,
        1024,
        "pixels of a square, or 'HEIGHTxWIDTH'; images are stored at this size",
    ),
    "preprocess": _text(
        "", "steps on every image before it is stored, see preprocess.py: 'center_crop(384)', 'box(0.3)'"
    ),
    "background": _text("white", "what transparent pixels become: white, grey, black or RRGGBB"),
    "value_range": _one_of(
        "auto",
        VALUE_RANGES,
        "values of files of more than 8 bits that become 0 to 255 (docs/reference/images.md)",
    ),
    "head": _one_of("linear", HEADS, "mlp: one hidden layer"),
    "head_hidden": _integer(512, 1, 65536, "mlp: units of its hidden layer"),
    "branches": _switch(False, "a head and a loss for each factor of a joint label"),
    "dropout": _number(0.0, 0.0, 0.95, "before each linear layer of the head"),
    "dropout_samples": _integer(1, 1, 64, "multi-sample dropout: masks per image, whose losses are averaged"),
    "drop_path": _number(0.0, 0.0, 0.95, "stochastic depth; backbones without it ignore it"),
    "head_init": _one_of("xavier", HEAD_INITS, "default: torch's own for a linear layer"),
    # the optimizer
    "optimizer": _one_of("adamw", OPTIMIZERS, "sgd has Nesterov momentum"),
    "lr": _number(1e-3, 0.0, 100.0, "of the backbone, after warm-up"),
    "head_lr_mult": _number(1.0, 0.0, 1000.0, "the head learns at lr times this"),
    "layer_decay": _number(
        1.0, 0.01, 1.0, "each layer learns at this times the one above, the topmost at lr"
    ),
    "weight_decay": _number(0.0, 0.0, 10.0, "on weight matrices and filters, not on biases and norms"),
    "momentum": _number(0.9, 0.0, 0.999, "sgd's momentum, Adam's beta1"),
    "grad_clip": _number(0.0, 0.0, None, "largest gradient norm of a step; 0: off"),
    "accumulate": _integer(1, 1, 1024, "batches whose gradients make one step"),
    "sam_rho": _number(0.0, 0.0, 10.0, "sharpness-aware steps of this radius; 0: off"),
    "ema_decay": _number(0.0, 0.0, 0.99999, "validate and keep the weights' moving average; 0: off"),
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
    "freeze_epochs": _integer(0, 0, 10000, "first epochs in which the backbone stands still, BatchNorm too"),
    # the objective
    "loss": Parameter(
        None,
        ("none", "str"),
        doc="see losses/mixture_text.py: 'focal', 'corn', '0.4*soft_f1 + 0.6*focal'; None: 'cross_entropy', "
        "or 'bce' where a row may have several labels",
    ),
    "label_smoothing": _number(0.0, 0.0, 0.9, "share of the target spread evenly over the classes"),
    "class_weights": _one_of("none", CLASS_WEIGHTS, "how much a row of a rare class counts in the loss"),
    "effective_beta": _number(0.999, 0.0, 0.99999, "effective: overlap of a class's rows"),
    "logit_adjustment": _number(0.0, 0.0, 10.0, "times the log of the class's share, added while training"),
    # the training rows
    "train_edges": Parameter(
        None,
        ("none", "str"),
        doc="bin edges of the training labels alone, such as '30,58'; None: as validated",
    ),
    "sampler": _one_of("none", SAMPLERS, "which rows an epoch visits, see feed/row_sampling.py"),
    "one_row_per": Parameter(
        "",
        ("str",),
        doc="column: an epoch visits one row for each group and value of it, such as mask",
        former="thin",  # in spaces, studies and ensembles of version 0.1
    ),
    "augment": _text("light", "strength or steps of the training pipeline, see augment.py"),
    "augment_rare": _text("", "the same for rows of rare classes; '': as the others"),
    "rare_share": _number(0.1, 0.0, 1.0, "a class with a smaller share of the training rows is rare"),
    "mix": _one_of("none", MIXES, "both: mixup or cutmix, evenly"),
    "mix_alpha": _number(0.4, 0.01, 10.0, "of the Beta distribution that shares are drawn from"),
    "mix_probability": _number(0.5, 0.0, 1.0, "share of mixed batches; the others stay clean"),
    "batch_size": _integer(64, 2, 65536, "rows of one batch; an epoch's last, shorter batch is left out"),
    # validation and prediction
    "tta": _one_of("none", TTA, "views of an image whose probabilities are averaged"),
    "validation_repeats": _integer(
        0,
        0,
        100,
        "score on the validation rows and this many copies of them that augment 'medium' changed",
    ),
    "weights_dtype": _one_of(
        "float32",
        WEIGHTS_DTYPES,
        "of the best epoch's weights on disk, which validation uses too; float16 halves them",
    ),
    # the machine
    "augment_on": _one_of(
        "auto",
        AUGMENT_ON,
        "where training images are changed; device: in batches where the network computes, by the same "
        "steps; auto: so on a GPU, else on the CPU (docs/explanation/device_input.md)",
    ),
    "amp": _switch(True, "mixed precision, on a GPU only: bfloat16 where it has it, else float16"),
    "channels_last": _switch(True, "memory layout that convolutions prefer, on GPU and CPU"),
    "compile": _one_of(
        "none",
        COMPILE,
        "training steps: reduce-overhead: torch.compile with CUDA graphs; auto: the same on a GPU where it "
        "repays (docs/explanation/gpu_steps.md)",
    ),
}


def _with_losses(own: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """The table and what single losses add. Raises TypeError for a name that means something already."""
    table = dict(own)
    for loss in LOSSES.values():
        taken = sorted(table.keys() & loss.parameters.keys())
        if taken:
            raise TypeError(
                f"loss {loss.name!r}: its parameter {taken[0]} is in trainables/parameters.py already"
            )
        table.update(loss.parameters)
    return table


PARAMETERS: Mapping[str, Parameter] = _with_losses(_OWN)


def completed(config: Config) -> dict[str, Any]:
    """The configuration with defaults for what it does not name. Raises TrainableError for unknown names."""
    return declared.completed(config, PARAMETERS, "ImageClassifier")
