"""The targets of the mask competition, and the small networks that stand in where there is no GPU."""

from collections.abc import Mapping
from typing import Any

from orchestrator.space import age_bins, categorical, choice, joint, loguniform

MASK = categorical("mask", ["worn", "wrong", "none"])
GENDER = categorical("gender", ["male", "female"])
AGE = age_bins([30, 60])
LABEL = joint(MASK, GENDER, AGE)
"""18 classes: mask * 6 + gender * 3 + age."""

STRATA = (GENDER, AGE)
"""The same in every space over these people, so that all of them share one fold plan."""

# From scratch on a CPU, about 1,000 images of 64 px a second and thread. Rates are ten times those that suit
# pretrained weights. What depends on another parameter in a full space is a constant here.
TINY: Mapping[str, Any] = {
    "backbone": choice(["test_resnet", "test_efficientnet"]),
    "pretrained": False,
    "image_size": 64,
    "batch_size": 32,
    "dropout": choice([0.0, 0.2]),
    "dropout_samples": 1,
    "branches": False,
    "drop_path": 0.0,
    "optimizer": "adamw",
    "lr": loguniform(2e-3, 1e-2),
    "weight_decay": 0.02,
    "head_lr_mult": 1.0,
    "freeze_epochs": 0,
    "scheduler": "cosine",
    "warmup_epochs": 0.5,
    "step_size": 2,
    "gamma": 0.5,
    "loss": choice(["cross_entropy", "focal"]),
    "focal_gamma": 2.0,
    "label_smoothing": 0.0,
    "sampler": choice(["none", "weighted"]),
    "one_row_per": "",
    "train_edges": None,
    "augment": choice(["light", "medium"]),
    "mix": "none",
    "mix_alpha": 0.4,
    "ema_decay": 0.0,
    "tta": "none",
}
