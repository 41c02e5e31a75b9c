"""Age bins from face crops (under 30, 30 to 59, 60 and over), folds grouped by person.

    python -m orchestrator.tune --space search_spaces/age.py --data faces/train

full, for a GPU: 64 configurations, 5 folds, 18 epochs; a race of about 500 fold-epochs, where trying
everything takes 5760. pretrained=True fetches weights from timm's hub.
small, for two cores and no GPU: tiny networks from scratch, meant for the drawn demo faces.
"""

from orchestrator.space import Scale, SearchSpace, choice, loguniform, uniform
from search_spaces.shared.faces import AGE, LABEL, STRATA, TINY

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=AGE,
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
        "dropout": choice([0.0, 0.2, 0.4]),
        "dropout_samples": choice([1, 5]).when(dropout=[0.2, 0.4]),
        "drop_path": choice([0.0, 0.1, 0.2]),
        "optimizer": choice(["adam", "adamw"]),  # sgd wants rates some thirty times higher: search it apart
        "lr": loguniform(3e-5, 1e-3),
        "weight_decay": loguniform(1e-5, 5e-2),
        "head_lr_mult": choice([1.0, 5.0, 10.0]),  # the head starts from nothing, the backbone does not
        "freeze_epochs": choice([0, 1]),
        "scheduler": choice(["cosine", "step", "plateau", "warm_restarts"]),
        "warmup_epochs": 0.5,
        "step_size": choice([2, 4, 6]).when(scheduler=["step", "plateau", "warm_restarts"]),
        "gamma": choice([0.3, 0.5]).when(scheduler=["step", "plateau", "warm_restarts"]),
        "loss": choice(["cross_entropy", "focal", "sord", "corn"]),  # the last two know that bins are ordered
        "focal_gamma": uniform(1.0, 3.0).when(loss="focal"),
        "label_smoothing": choice([0.0, 0.05, 0.1]),
        "sampler": choice(["none", "inverse_sqrt", "weighted"]),  # few people are over 60
        # Where there is a column mask, "one_row_per": choice(["", "mask"]) may gain: five photos in seven of
        # a person hide half of the face.
        "train_edges": choice([None, "30,58"]),
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
