"""Which image classifiers cost a machine the same, and how large each is among its like. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainables.images.preprocess import size_of

NAMES = (
    *("backbone", "image_size", "head", "head_hidden", "batch_size", "accumulate", "tta"),
    *("optimizer", "momentum", "sam_rho", "ema_decay"),
    *("amp", "channels_last", "compile", "augment_on"),
)
"""The parameters that memory and speed follow from. A loss, a rate or a schedule changes neither."""


def cost_family(config: Mapping[str, Any]) -> dict[str, Any]:
    """config: complete. What tells networks, optimizers and steps of one size apart."""
    plain_sgd = config["optimizer"] == "sgd" and not float(config["momentum"])
    told = {name: config[name] for name in ("backbone", "accumulate", "amp", "channels_last")}
    return {
        **told,
        "augment_on": config["augment_on"],
        "is_compiled": config["compile"] != "none",
        "hidden": int(config["head_hidden"]) if config["head"] == "mlp" else 0,
        "optimizer": "sgd without momentum" if plain_sgd else config["optimizer"],
        "is_sharpness_aware": float(config["sam_rho"]) > 0,
        "has_average": float(config["ema_decay"]) > 0,
        "crops": str(config["tta"]).startswith("five_crop"),
    }


def cost_size(config: Mapping[str, Any]) -> float:
    """config: complete. Pixels of a batch: what activations grow with. Raises TrainableError."""
    height, width = size_of(config["image_size"])
    return float(int(config["batch_size"]) * height * width)
