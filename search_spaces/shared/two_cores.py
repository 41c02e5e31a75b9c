"""What the two-core spaces share: an ImageNet backbone small enough to fine-tune on a CPU."""

from collections.abc import Mapping
from typing import Any

from orchestrator.space import choice, loguniform

LITE: Mapping[str, Any] = {
    "backbone": "tf_efficientnet_lite0",
    "pretrained": True,
    "image_size": 96,
    "batch_size": 64,
    "optimizer": "adamw",
    "lr": loguniform(4e-4, 2e-3),
    "weight_decay": 0.02,
    "head_lr_mult": choice([1.0, 5.0]),
    "scheduler": "cosine",
    "warmup_epochs": 0.2,
    "dropout": choice([0.0, 0.3]),
}
REGULAR: Mapping[str, Any] = {
    "label_smoothing": choice([0.0, 0.1]),
    "sampler": "none",
    "augment": choice(["light", "medium"]),
}
