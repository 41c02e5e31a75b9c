"""What the recipes change where there is no GPU: tiny networks from scratch, small images, higher rates."""

from collections.abc import Mapping
from typing import Any

from orchestrator.space import Scale, choice, loguniform

STAND_IN: Mapping[str, Any] = {
    "backbone": choice(["test_resnet", "test_efficientnet"]),
    "pretrained": False,
    "image_size": 64,
    "batch_size": 32,
    "lr": loguniform(2e-3, 1e-2),
    "warmup_epochs": 0.5,
}


def scales(**params: Any) -> dict[str, Scale]:
    """small and smoke of a recipe; params: what else has to be smaller."""
    small = {**STAND_IN, **params}
    return {
        "small": Scale(trials=6, max_t=6, folds=3, grace_period=1, finalists=2, params=small),
        "smoke": Scale(trials=3, max_t=1, folds=2, grace_period=1, finalists=1, params=small),
    }
