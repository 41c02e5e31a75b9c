"""Recipe 2: EfficientNet-b0 on centre crops, or three branches on a ResNeXt50; 58 counts as 60 in training.

    python -m orchestrator.tune --space search_spaces/retrospectives/recipe2.py --data faces/train

Its choices: the centre 384 pixels of images of 512 x 384, Adam, the rate falls from 1e-3 to 1e-5 in 20 epochs
(factor 0.794 each), cross-entropy, 5 folds, no augmentation, people of 58 and 59 trained as over 60, and a
variant with a head and a loss each for mask, gender and age on a ResNeXt50.
Reported on the competition's leaderboard: accuracy 73.98 %, macro-F1 0.6738. Measured at the small scale on
the drawn faces, a tiny network from scratch in place of its own (2026-11-21): macro-F1 0.326 out of fold
(0.294 to 0.357), 18 classes.
"""

from orchestrator.space import SearchSpace, choice
from search_spaces.shared.faces import LABEL, STRATA
from search_spaces.shared.recipes import scales

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=LABEL,
    folds=5,
    trials=8,
    max_t=20,
    grace_period=2,
    stratify=STRATA,
    joint=LABEL,
    params={
        "backbone": choice(["efficientnet_b0", "resnext50_32x4d"]),
        "pretrained": True,
        "preprocess": "center_crop(384)",
        "image_size": 384,
        "batch_size": 32,
        "branches": choice([True, False]),
        "optimizer": "adam",
        "lr": 1e-3,
        "scheduler": "step",
        "step_size": 1,
        "gamma": 0.794,
        "loss": "cross_entropy",
        "augment": "none",
        "train_edges": choice([None, "30,58"]),
    },
    scales=scales(gamma=0.7),
)
