"""Age bins on two CPU cores with pretrained weights: small images, few epochs, folds early.

    python -m orchestrator.tune --space search_spaces/two_cores/age.py --data faces/train \
        --set pretrained=weights/tf_efficientnet_lite0.safetensors
"""

from orchestrator.space import SearchSpace, age_bins, categorical, choice, joint, loguniform

mask = categorical("mask", ["worn", "wrong", "none"])
gender = categorical("gender", ["male", "female"])
age = age_bins([30, 60])

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=age,
    folds=5,
    trials=6,
    max_t=4,
    finalists=2,
    ladder=[(1, 1, 6), (2, 2, 3), (5, 4, 2)],  # 47 fold-epochs where trying everything takes 120
    stratify=(gender, age),
    joint=joint(mask, gender, age),
    params={
        "backbone": "tf_efficientnet_lite0",
        "pretrained": True,
        "image_size": 112,
        "batch_size": 64,
        "optimizer": "adamw",
        "lr": loguniform(4e-4, 2e-3),
        "weight_decay": 0.02,
        "head_lr_mult": choice([1.0, 5.0]),
        "scheduler": "cosine",
        "warmup_epochs": 0.2,
        "dropout": choice([0.0, 0.3]),
        "loss": choice(["cross_entropy", "focal"]),
        "label_smoothing": choice([0.0, 0.1]),
        "sampler": choice(["none", "weighted"]),  # few people are over 60
        "augment": choice(["light", "medium"]),
    },
)
