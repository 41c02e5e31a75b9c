"""A small head on features that a frozen network said of photos, as a trainable of one's own.

The features were computed once (`benchmarks.joint_answers`), so that a search over heads takes seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.head_training import answers_of, heads
from orchestrator.core.errors import TrainableError
from orchestrator.core.own_trainable import Epoch, FoldData, Rows, trainable
from orchestrator.data.targets import Target
from orchestrator.space import SearchSpace, choice, loguniform
from search_spaces.shared.faces import LABEL, STRATA

PARTS = {"last": ("last",), "middle": ("middle",), "both": ("last", "middle")}
MOMENTUM = 0.9


@trainable(
    described="",  # the .npz of features, by the photos' paths
    features=choice(sorted(PARTS)),
    width=choice([0, 32, 64]),
    lr=loguniform(3e-4, 0.1),
    weight_decay=loguniform(1e-5, 3e-2),
    dropout=choice([0.0, 0.3]),
    label_smoothing=choice([0.0, 0.1]),
    class_weights=choice(["none", "root", "balanced"]),
)
def frozen_head(data: FoldData, config: dict[str, Any]) -> Iterator[Epoch]:
    """SGD on standardised features; mean and deviation are those of the fold's training rows."""
    seen = features_of(data.paths, config)
    mean, deviation = seen.mean(axis=0), seen.std(axis=0) + 1e-3
    inputs, judged = (
        (values - mean) / deviation for values in (seen, features_of(data.validation.paths, config))
    )
    whole = {**config, "batch": 64, "share": 1.0, "momentum": MOMENTUM, "schedule": "cosine"}
    trained = heads(whole, inputs, data.labels, len(data.classes), data.max_epochs, data.rng())
    for head in trained:
        layers = {f"layer{at}": layer.copy() for at, layer in enumerate(head.layers)}
        weights = {"mean": mean, "deviation": deviation, **layers}
        yield Epoch(head.probabilities(judged), weights=weights)


@frozen_head.predictor
def predict(weights: Mapping[str, NDArray[Any]], rows: Rows, config: dict[str, Any]) -> NDArray[np.float32]:
    inputs = (features_of(rows.paths, config) - weights["mean"]) / weights["deviation"]
    layers = [weights[name] for name in sorted(weights) if name.startswith("layer")]
    return answers_of(layers, inputs)


def features_of(paths: Sequence[str], config: Mapping[str, Any]) -> NDArray[np.float32]:
    """(n, d). Raises TrainableError for a photo that was not described."""
    _, values = _described(str(config["described"]))
    at = _places(tuple(paths), str(config["described"]))
    unknown = np.flatnonzero(at < 0)
    if len(unknown):
        raise TrainableError(
            f"{paths[unknown[0]]} is not among the photos of described={config['described']!r}; describe it "
            "with python -m benchmarks.joint_answers"
        )
    return np.concatenate([values[name][at] for name in PARTS[config["features"]]], axis=1)


@lru_cache(maxsize=16)  # five folds' training and validation rows
def _places(paths: tuple[str, ...], described: str) -> NDArray[np.int64]:
    """(n,) the row of each photo's features; -1: there are none."""
    rows, _ = _described(described)
    return np.array([rows.get(os.path.realpath(path), -1) for path in paths], np.int64)


@lru_cache(maxsize=1)
def _described(path: str) -> tuple[dict[str, int], dict[str, NDArray[np.float32]]]:
    try:
        with np.load(path) as found:
            names = found["paths"].tolist()
            parts = {name: found[name].astype(np.float32) for name in ("last", "middle")}
    except OSError as error:
        raise TrainableError(
            f"described={path!r} cannot be read ({error}); name the file that python -m "
            "benchmarks.joint_answers made"
        ) from error
    return {name: row for row, name in enumerate(names)}, parts


def space_of(target: Target) -> SearchSpace:
    """The same race over heads for each target, on the same folds."""
    return SearchSpace(
        trainable="benchmarks.joint_spaces.frozen_head:frozen_head",
        target=target,
        folds=5,
        trials=16,
        max_t=9,
        stratify=STRATA,
        joint=LABEL,
        params={
            "described": "runs/joint_answers/features.npz",
            "features": choice(sorted(PARTS)),
            "width": choice([0, 32, 64]),
            "lr": loguniform(3e-4, 0.1),
            "weight_decay": loguniform(1e-5, 3e-2),
            "dropout": choice([0.0, 0.3]),
            "label_smoothing": choice([0.0, 0.1]),
            "class_weights": choice(["none", "root", "balanced"]),
        },
    )
