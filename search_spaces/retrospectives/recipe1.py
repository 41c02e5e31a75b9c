"""Recipe 1: several backbones under an MLP head, every usual loss, optimizer and schedule, one vote.

    python -m orchestrator.tune --space search_spaces/retrospectives/recipe1.py --data faces/train
    python -m orchestrator.ensemble --vote hard --tta five_crop_flip --predict faces/eval

Its choices: ResNet18, ResNet50, EfficientNet and VGG; an MLP head with Xavier-uniform weights; cross-entropy,
focal and F1 losses; SGD, Adam, AdamW; steps or warm restarts; people split, not photos (every space here
does so); oversampled minorities; rotation, perspective, flip, mixup; soft and hard votes with test-time
augmentation.
Reported on the competition's leaderboard: no score of its own. Measured at the small scale on the drawn
faces, a tiny network from scratch in place of its own (2026-11-21): macro-F1 0.428 out of fold (0.390 to
0.462), 18 classes.
"""

from orchestrator.space import SearchSpace, choice, loguniform, uniform
from search_spaces.shared.faces import LABEL, STRATA
from search_spaces.shared.recipes import scales

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=LABEL,
    folds=5,
    trials=64,
    max_t=18,
    grace_period=2,
    stratify=STRATA,
    joint=LABEL,
    params={
        "backbone": choice(["resnet18", "resnet50", "efficientnet_b0", "vgg16"]),
        "pretrained": True,
        "image_size": 224,
        "batch_size": choice([32, 64]),
        "head": "mlp",
        "head_hidden": choice([256, 512]),
        "head_init": "xavier",
        "dropout": choice([0.2, 0.5]),
        "optimizer": choice(["sgd", "adam", "adamw"]),
        "lr": loguniform(3e-5, 3e-3),
        "weight_decay": loguniform(1e-5, 1e-2),
        "scheduler": choice(["step", "warm_restarts"]),
        "step_size": choice([3, 6]),
        "gamma": choice([0.3, 0.5]),
        "warmup_epochs": 0.5,
        "grad_clip": 1.0,  # sgd on a fresh head
        "loss": choice(["cross_entropy", "focal", "soft_f1"]),
        "focal_gamma": uniform(1.0, 3.0).when(loss="focal"),
        "sampler": choice(["none", "oversample"]),
        "augment": choice(["flip(0.5)", "flip(0.5) + rotate(15) + perspective(0.08)"]),
        "mix": choice(["none", "mixup"]),
        "mix_alpha": choice([0.2, 0.4]).when(mix="mixup"),
    },
    scales=scales(focal_gamma=2.0),
)
