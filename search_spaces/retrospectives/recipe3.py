"""Recipe 3: ResNet18 on all 18 classes; then three models, more data, cutmix, pseudo labels, cut faces.

    python -m orchestrator.tune --space search_spaces/retrospectives/recipe3.py --data faces/train
    for task in mask gender age; do
        python -m orchestrator.tune --space search_spaces/retrospectives/recipe3_$task.py --data faces/train \
            --study $task --extra more_faces.csv --set "preprocess=box(0.3)"
    done
    python -m orchestrator.ensemble --study runs/mask runs/gender runs/age --predict faces/eval

Its choices: centre crop 300, Adam, cross-entropy; the second round adds data, pseudo labels (see
`python -m orchestrator.pseudo_labels --help`), cutmix and faces cut out along the boxes of a detector, which
the manifest gives as box_left, box_top, box_right and box_bottom.
Reported on the competition's leaderboard: accuracy 76.8 %, macro-F1 0.71 with one model; 78 % and 0.731
with three. Measured at the small scale on the drawn faces, a tiny network from scratch in place of its own
(2026-11-21): macro-F1 0.361 out of fold (0.329 to 0.389), 18 classes.
"""

from orchestrator.space import SearchSpace, choice, loguniform
from search_spaces.shared.faces import LABEL, STRATA
from search_spaces.shared.recipes import scales

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=LABEL,
    folds=5,
    trials=32,
    max_t=18,
    grace_period=2,
    stratify=STRATA,
    joint=LABEL,
    params={
        "backbone": "resnet18",
        "pretrained": True,
        "preprocess": "center_crop(300)",
        "image_size": choice([224, 300]),
        "batch_size": choice([32, 64]),
        "optimizer": "adam",
        "lr": loguniform(3e-5, 1e-3),
        "scheduler": choice(["cosine", "step"]),
        "loss": "cross_entropy",
        "augment": choice(["none", "flip(0.5)"]),
        "mix": choice(["none", "cutmix"]),
        "mix_alpha": 1.0,
        "mix_probability": 0.5,
    },
    scales=scales(),
)
