"""Recipe 5: a model for each task (here: age), ResNet18 and then 50, at a very low rate.

    for task in "" _mask _gender; do
        python -m orchestrator.tune --space search_spaces/retrospectives/recipe5$task.py --data faces/train
    done

Its choices: AdamW; macro-F1 chooses the checkpoint; people split in proportion to their profiles (gender and
age, as in every space here), and those of a rare class oversampled as whole people; mixup in every other
batch; validation repeated with transforms.
Reported on the competition's leaderboard: no score of its own. Measured at the small scale on the drawn
faces, a tiny network from scratch in place of its own (2026-11-21): macro-F1 0.533 out of fold (0.453 to
0.616), age alone.
"""

from orchestrator.space import SearchSpace, choice, loguniform
from search_spaces.shared.faces import AGE, LABEL, STRATA
from search_spaces.shared.recipes import scales

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=AGE,
    metric="macro_f1",
    folds=5,
    trials=32,
    max_t=18,
    grace_period=2,
    stratify=STRATA,
    joint=LABEL,
    params={
        "backbone": choice(["resnet18", "resnet50"]),
        "pretrained": True,
        "image_size": 224,
        "batch_size": choice([32, 64]),
        "optimizer": "adamw",
        "lr": loguniform(5e-6, 1e-4),
        "weight_decay": loguniform(1e-4, 5e-2),
        "scheduler": choice(["cosine", "constant"]),
        "loss": choice(["cross_entropy", "focal"]),
        "focal_gamma": 2.0,
        "sampler": choice(["none", "oversample_groups"]),
        "augment": choice(["light", "medium"]),
        "mix": "mixup",
        "mix_alpha": choice([0.2, 1.0]),
        "mix_probability": choice([0.0, 0.5]),  # 0.5: every other batch, on average
        "validation_repeats": 2,
    },
    scales=scales(),
)
