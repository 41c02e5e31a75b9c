"""What varies among the configurations of a table of learning curves: small networks, 32 px, from scratch."""

from collections.abc import Mapping
from typing import Any

from orchestrator.space import choice, loguniform

# Good and poor, quick and slow: constant rates rise early, cosine and smoothed ones late, so curves cross.
CURVES: Mapping[str, Any] = {
    "backbone": choice(["test_resnet", "test_efficientnet"]),
    "pretrained": False,
    "image_size": 32,
    "batch_size": choice([16, 32, 64]),
    "dropout": choice([0.0, 0.2, 0.5]),
    "optimizer": choice(["adamw", "sgd"]),
    "lr": loguniform(1e-3, 3e-2),
    "weight_decay": loguniform(1e-4, 1e-1),
    "scheduler": choice(["cosine", "step", "warm_restarts"]),
    "warmup_epochs": choice([0.0, 1.0]),
    "step_size": choice([4, 8]).when(scheduler=["step", "warm_restarts"]),
    "gamma": choice([0.2, 0.5]).when(scheduler=["step", "warm_restarts"]),
    "loss": choice(["cross_entropy", "focal"]),
    "label_smoothing": choice([0.0, 0.1]),
    "sampler": choice(["none", "weighted"]),
    "augment": choice(["none", "light", "medium"]),
    "mix": choice(["none", "mixup", "cutmix"]),
    "mix_alpha": choice([0.2, 1.0]).when(mix=["mixup", "cutmix"]),
    "ema_decay": choice([0.0, 0.98]),
}
