"""Male or female from face crops, folds grouped by person.

    python -m orchestrator.tune --space search_spaces/gender.py --data faces/train

full, for a GPU: 64 configurations, 5 folds, 18 epochs; a race of about 500 fold-epochs, where trying
everything takes 5760. pretrained=True fetches weights from timm's hub.
small, for two cores and no GPU: tiny networks from scratch, meant for the drawn demo faces.
"""

from orchestrator.space import Scale, SearchSpace, choice, loguniform, quniform
from search_spaces.shared.faces import GENDER, LABEL, STRATA, TINY

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=GENDER,
    metric="macro_f1",
    mode="max",
    folds=5,
    trials=64,
    max_t=18,
    grace_period=2,  # below 2 epochs the warm-up still dominates the score
    stratify=STRATA,
    joint=LABEL,
    params={
        "backbone": choice(["resnet18", "resnet50", "tf_efficientnet_b0"]),
        "pretrained": True,
        "image_size": 224,
        "batch_size": choice([32, 64]),
        "dropout": quniform(0.0, 0.5, 0.1),
        "drop_path": choice([0.0, 0.1]),
        "optimizer": "adamw",
        "lr": loguniform(3e-5, 1e-3),
        "weight_decay": loguniform(1e-4, 5e-2),
        "head_lr_mult": choice([1.0, 5.0, 10.0]),  # the head starts from nothing, the backbone does not
        "freeze_epochs": choice([0, 1]),
        "scheduler": "cosine",
        "warmup_epochs": 0.5,
        "label_smoothing": choice([0.0, 0.05, 0.1]),
        # Where there is a column mask, "one_row_per": choice(["", "mask"]) may gain: five photos in seven of
        # a person hide half of the face.
        "augment": choice(["light", "medium", "strong"]),
        "mix": choice(["none", "mixup", "cutmix"]),
        "mix_alpha": choice([0.2, 1.0]).when(mix=["mixup", "cutmix"]),
        "ema_decay": choice([0.0, 0.99]),
        "tta": "flip",
    },
    scales={
        "small": Scale(trials=9, max_t=9, folds=3, params=TINY),
        "smoke": Scale(trials=2, max_t=2, folds=2, grace_period=1, finalists=1, params=TINY),
    },
)
