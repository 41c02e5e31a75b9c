"""Recipe 4: EfficientNet-b4 and b6 on centre crops with the F1 loss, for a soft vote over five folds.

    python -m orchestrator.tune --space search_spaces/retrospectives/recipe4.py --data faces/train \
        --label-fixes fixes.csv

Its choices: one of flip, rotation and noise; multi-sample dropout; the F1 loss; Adam; the rate falls on a
plateau; a weighted sampler; labels mended by hand (a file `path,column,old,new,reason`); stratified folds.
Reported on the competition's leaderboard: macro-F1 0.7131. Measured at the small scale on the drawn faces,
a tiny network from scratch in place of its own (2026-11-21): macro-F1 0.244 out of fold (0.215 to 0.270),
18 classes.
"""

from orchestrator.space import SearchSpace, choice, loguniform
from search_spaces.shared.faces import LABEL, STRATA
from search_spaces.shared.recipes import scales

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=LABEL,
    folds=5,
    trials=16,
    max_t=18,
    grace_period=2,
    stratify=STRATA,
    joint=LABEL,
    params={
        "backbone": choice(["tf_efficientnet_b4", "tf_efficientnet_b6"]),
        "pretrained": True,
        "preprocess": "center_crop(384)",
        "image_size": choice([300, 380]),
        "batch_size": 16,
        "accumulate": choice([1, 2]),
        "dropout": choice([0.3, 0.5]),
        "dropout_samples": choice([1, 5]),
        "optimizer": "adam",
        "lr": loguniform(3e-5, 5e-4),
        "scheduler": "plateau",
        "step_size": 2,
        "gamma": 0.5,
        "loss": choice(["soft_f1", "0.4*soft_f1 + 0.6*focal", "cross_entropy"]),
        "focal_gamma": 2.0,
        "sampler": "weighted",
        "augment": "one_of(flip(1.0), rotate(20), noise(0.05), p=0.8)",
    },
    scales=scales(),
)
