"""What is checked and made once per node, before any fold run: networks, weights, decoded images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from orchestrator.errors import TrainableError, WeightsError
from orchestrator.trial import Dataset, Progress
from trainables.image_store import build_store
from trainables.models import build_network, check_backbone
from trainables.parameters import PARAMETERS

Values = Mapping[str, Sequence[Any]]


def _of(values: Values, name: str) -> list[Any]:
    return list(values.get(name) or [PARAMETERS[name].default])


def check_networks(values: Values, classes: int) -> None:
    """Every backbone exists and takes the smallest image; every source of weights fits a backbone.

    Weights from the hub are downloaded here, once. Raises TrainableError, WeightsError.
    """
    backbones = _of(values, "backbone")
    for name in backbones:
        check_backbone(name)
    base = {name: parameter.default for name, parameter in PARAMETERS.items()}
    base["image_size"] = min(_of(values, "image_size"))
    with torch.random.fork_rng(devices=[]):
        for source in _of(values, "pretrained"):
            _check_source(source, backbones, base, classes)


def _check_source(source: Any, backbones: Sequence[str], base: dict[str, Any], classes: int) -> None:
    """A file must fit one of the backbones (a condition may pair each file with its own); the hub, all."""
    misfits: list[WeightsError] = []
    for name in backbones:
        try:
            network = build_network({**base, "backbone": name, "pretrained": source}, classes)
        except WeightsError as error:
            if not isinstance(source, str):
                raise
            misfits.append(error)
            continue
        _check_size(network, name, base["image_size"])
    if len(misfits) == len(backbones):
        raise misfits[0]


def _check_size(network: torch.nn.Module, name: str, size: int) -> None:
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, size, size, dtype=torch.uint8))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise TrainableError(
            f"image_size={size} cannot be used with backbone {name!r} ({error}); "
            "raise it or change the backbone"
        ) from error


def build_stores(dataset: Dataset, values: Values, progress: Progress | None) -> None:
    """One image store for each size; progress counts images over all sizes. Raises ImageReadError."""
    sizes = sorted(set(_of(values, "image_size")))
    total = len(sizes) * len(dataset.paths)
    for index, size in enumerate(sizes):
        before = index * len(dataset.paths)

        def step(done: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        build_store(dataset, size, step)
