"""Any images with a column `label` (class folders have it): one class for each row, judged by macro-F1.

    python -m orchestrator.tune --space any --data photos --smoke     # a minute: does all of it run?
    python -m orchestrator.tune --space any --data photos --time-budget 2h

Where the classes stand in another column, where rows have several labels, or where some rows belong together
(images of one patient, plant or object), `python -m orchestrator.tune --init my_space.py --data ...` writes a
space that says so; or copy this one and change target= and group=.

full, for a GPU: 32 configurations, 5 folds, 15 epochs, 224 px, weights from timm's hub.
small, without a GPU: tiny networks from scratch at 64 px; it shows that all of it runs, not how good it gets.
"""

from orchestrator.space import Scale, SearchSpace, categorical, choice, loguniform, uniform

TINY = {
    "backbone": choice(["test_resnet", "test_efficientnet"]),
    "pretrained": False,
    "batch_size": 16,
    "lr": loguniform(2e-3, 1e-2),
}

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=categorical("label"),  # its classes are read from the training rows
    metric="macro_f1",  # every class counts the same, however rare; others: accuracy, log_loss, roc_auc ...
    group=None,  # the data's own column `group` where there is one; else each image counts by itself
    folds=5,
    trials=32,
    max_t=15,
    grace_period=2,
    params={
        "backbone": choice(["resnet18", "resnet50", "tf_efficientnet_b0"]),
        "pretrained": True,
        "image_size": 224,
        "batch_size": choice([16, 32]),
        "optimizer": "adamw",
        "lr": loguniform(3e-5, 1e-3),
        "weight_decay": loguniform(1e-4, 5e-2),
        "head_lr_mult": choice([1.0, 10.0]),  # the head starts from nothing, the backbone does not
        "scheduler": "cosine",
        "warmup_epochs": 0.5,
        "dropout": uniform(0.0, 0.4),
        "loss": choice(["cross_entropy", "focal"]),
        "label_smoothing": choice([0.0, 0.1]),
        "sampler": choice(["none", "inverse_sqrt"]),  # the second shows rare classes more often
        "augment": choice(["light", "medium"]),
        "mix": choice(["none", "mixup", "cutmix"]),
        "mix_alpha": choice([0.2, 1.0]).when(mix=["mixup", "cutmix"]),
        "tta": "flip",  # wrong where left and right differ in meaning; then "none"
    },
    scales={
        "small": Scale(
            trials=6, max_t=6, folds=3, grace_period=1, finalists=2, params={**TINY, "image_size": 64}
        ),
        "smoke": Scale(
            trials=2, max_t=2, folds=2, grace_period=1, finalists=1, params={**TINY, "image_size": 32}
        ),
    },
)
