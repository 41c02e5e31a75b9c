"""Age bins on two CPU cores with pretrained weights: small images, few epochs, folds early.

    python -m orchestrator.tune --space search_spaces/two_cores/age.py --data faces/train \
        --set pretrained=weights/tf_efficientnet_lite0.safetensors

47 fold-epochs, two at a time, of 55 s each where nothing else runs; 40 minutes beside other work. On 5,600
photos of 800 people, 25 of them over 60, the vote of its two finalists reached an out-of-fold macro-F1 of
0.537 (95% interval 0.476 to 0.595; BBC-CV 0.535) where logistic regression on frozen features reaches 0.46
(2026-11-21).
"""

from orchestrator.space import SearchSpace, choice
from search_spaces.parts.faces import AGE, LABEL, STRATA
from search_spaces.parts.two_cores import LITE, REGULAR

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=AGE,
    folds=5,
    trials=6,
    max_t=4,
    finalists=2,
    ladder=[(1, 1, 6), (2, 2, 3), (5, 4, 2)],  # 47 fold-epochs where trying everything takes 120
    stratify=STRATA,
    joint=LABEL,
    params={
        **LITE,
        "image_size": 112,
        "loss": choice(["cross_entropy", "focal"]),
        **REGULAR,
        "sampler": choice(["none", "weighted"]),  # few people are over 60
    },
)
