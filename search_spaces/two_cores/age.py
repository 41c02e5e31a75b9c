"""Age bins on two CPU cores with pretrained weights: small images, few epochs, folds early.

    python -m orchestrator.tune --space search_spaces/two_cores/age.py --data faces/train \
        --set pretrained=weights/tf_efficientnet_lite0.safetensors

98 fold-epochs, two at a time: 40 minutes beside other work. On 5,600 photos of 800 people, 25 of them over
60, the vote of its two finalists reached an out-of-fold macro-F1 of 0.533 (95% interval 0.475 to 0.582;
BBC-CV 0.531) where logistic regression on frozen features reaches 0.46 (2026-11-21).
"""

from orchestrator.space import SearchSpace, choice, loguniform
from search_spaces.shared.faces import AGE, LABEL, STRATA
from search_spaces.shared.two_cores import LITE

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=AGE,
    folds=5,
    trials=10,
    max_t=7,
    finalists=2,
    ladder=[(1, 2, 10), (2, 4, 4), (5, 7, 2)],
    stratify=STRATA,
    joint=LABEL,
    params={
        **LITE,
        "image_size": 112,
        "lr": loguniform(3e-4, 1.5e-3),
        "head_lr_mult": 5.0,
        "loss": choice(["cross_entropy", "0.5*soft_f1 + 0.5*cross_entropy"]),
        "label_smoothing": choice([0.0, 0.1]),
        "train_edges": choice([None, "30,58"]),
        "sampler": choice(["none", "weighted"]),  # few people are over 60
        "one_row_per": "mask",  # an epoch of three photos in seven
        "augment": choice(["light", "medium"]),
        "tta": "flip",
    },
)
