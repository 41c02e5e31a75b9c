"""Which of two tints a picture has."""

from orchestrator.space import Scale, SearchSpace, categorical, loguniform

space = SearchSpace(
    trainable="tests.pixel_trainable:PixelTrainable",
    target=categorical("tint", ["red", "blue"]),
    params={"lr": loguniform(1e-3, 2.0)},
    folds=3,
    trials=9,
    max_t=4,
    grace_period=1,
    finalists=2,
    scales={"small": Scale(trials=9), "smoke": Scale(trials=3, max_t=2, folds=2)},
)
