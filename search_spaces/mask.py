"""How a mask is worn (worn, wrong, none) from face crops, folds grouped by person.

    python -m orchestrator.tune --space search_spaces/mask.py --data faces/train

full, for a GPU: 64 configurations, 5 folds, 18 epochs; a race of about 500 fold-epochs, where trying
everything takes 5760. pretrained=True fetches weights from timm's hub.
small, for two cores and no GPU: tiny networks from scratch, meant for the drawn demo faces.
"""

from orchestrator.space import Scale, SearchSpace, choice, loguniform
from search_spaces.shared.faces import LABEL, MASK, STRATA, TINY

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=MASK,
    metric="macro_f1",
    mode="max",
    folds=5,
    trials=64,
    max_t=18,
    grace_period=2,  # below 2 epochs the warm-up still dominates the score
    stratify=STRATA,
    joint=LABEL,
    params={
        "backbone": choice(["resnet18", "tf_efficientnet_b0"]),
        "pretrained": True,
        "image_size": 224,
        "batch_size": 64,
        "dropout": choice([0.0, 0.2]),
        "optimizer": "adamw",
        "lr": loguniform(3e-5, 1e-3),
        "weight_decay": loguniform(1e-4, 5e-2),
        "head_lr_mult": choice([1.0, 5.0]),  # the head starts from nothing, the backbone does not
        "scheduler": "cosine",
        "warmup_epochs": 0.5,
        "loss": choice(["cross_entropy", "focal"]),
        "focal_gamma": 2.0,
        "sampler": choice(["none", "weighted"]),  # five photos in seven are masked
        "augment": choice(["light", "medium"]),
        "ema_decay": choice([0.0, 0.99]),
        "tta": "flip",
    },
    scales={
        "small": Scale(trials=9, max_t=9, folds=3, params=TINY),
        "smoke": Scale(trials=2, max_t=2, folds=2, grace_period=1, finalists=1, params=TINY),
    },
)
