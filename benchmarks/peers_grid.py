"""The grid that the loop of `benchmarks.peers` goes through: picked by hand, before anything was run."""

from __future__ import annotations

import itertools

HABITS = {
    "pretrained": False, "image_size": 32, "batch_size": 32, "optimizer": "adamw", "weight_decay": 0.02,
    "scheduler": "cosine", "warmup_epochs": 1.0, "dropout": 0.2, "loss": "cross_entropy", "mix_alpha": 0.2,
    "label_smoothing": 0.1, "augment": "light", "ema_decay": 0.0,
}  # fmt: skip
"""What one would not vary in a first grid; every value is one of the search space's."""
VARIED = {
    "lr": [5e-3, 1e-2, 2e-3],
    "sampler": ["none", "weighted"],
    "backbone": ["test_resnet", "test_efficientnet"],
    "mix": ["none", "mixup"],
}
GRID = [{**HABITS, **dict(zip(VARIED, point, strict=True))} for point in itertools.product(*VARIED.values())]
