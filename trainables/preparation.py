"""What is checked and made once per node, before any fold run: networks, weights, decoded images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import torch

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import TrainableError, WeightsError
from trainables.data_check import DEFAULTS, Values, values_of
from trainables.images.augment import check_augment
from trainables.images.image_facts import describe
from trainables.images.image_store import build_store, facts_of
from trainables.images.pixels import Decoding, ground_of
from trainables.images.preprocess import parse_preprocess, size_of
from trainables.losses.objective import AnyObjective, check_loss
from trainables.losses.target_shape import target_shape
from trainables.network.network import build_network, check_backbone
from trainables.optimisation.compiling import check_compile
from trainables.optimisation.optim import check_layers


def check_texts(values: Values) -> None:
    """Every little language is well-formed: losses, augmentations, sizes, crops. Raises TrainableError."""
    for augment in values_of(values, "augment"):
        check_augment(augment)
    for augment in filter(None, values_of(values, "augment_rare")):
        check_augment(augment, "augment_rare")
    for preprocess in values_of(values, "preprocess"):
        parse_preprocess(preprocess)
    for image_size in values_of(values, "image_size"):
        size_of(image_size)
    for background in values_of(values, "background"):
        ground_of(background)
    for loss in values_of(values, "loss"):
        check_loss({**DEFAULTS, "loss": loss})


def check_networks(values: Values, dataset: Dataset) -> None:
    """Every backbone exists and takes the smallest image; every source of weights fits a backbone.

    Weights from the hub are downloaded here, once. Raises TrainableError, WeightsError.
    """
    backbones = values_of(values, "backbone")
    for name in backbones:
        check_backbone(name)
    # What takes the smallest image takes the others; the largest decay names the most layers.
    smallest = min(values_of(values, "image_size"), key=lambda given: min(size_of(given)))
    base = {**DEFAULTS, "image_size": smallest, "layer_decay": max(values_of(values, "layer_decay"))}
    objective = target_shape(dataset).objective(base)
    with torch.random.fork_rng(devices=[]):  # building draws weights; a worker's own draws must not shift
        for source in values_of(values, "pretrained"):
            _check_source(source, backbones, base, objective)


def check_machine(values: Values) -> list[str]:
    """What is worth telling of the machine. Raises TrainableError for what cannot work on it."""
    return [line for mode in values_of(values, "compile") for line in check_compile(mode)]


def _check_source(
    source: Any, backbones: Sequence[str], base: dict[str, Any], objective: AnyObjective
) -> None:
    """A file must fit one of the backbones (a condition may pair each file with its own); the hub, all."""
    misfits: list[WeightsError] = []
    for name in backbones:
        try:
            network = build_network({**base, "backbone": name, "pretrained": source}, objective)
        except WeightsError as error:
            if not isinstance(source, str):
                raise
            misfits.append(error)
            continue
        _check_size(network, name, base["image_size"])
        check_layers(network.backbone, {**base, "backbone": name})
    if len(misfits) == len(backbones):
        raise misfits[0]


def _check_size(network: torch.nn.Module, name: str, image_size: int | str) -> None:
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, 3, *size_of(image_size), dtype=torch.uint8))
    except (RuntimeError, AssertionError, ValueError) as error:
        raise TrainableError(
            f"image_size={image_size} cannot be used with backbone {name!r} ({error}); "
            "raise it or change the backbone"
        ) from error


def _smallest_first(store: tuple[Any, ...]) -> tuple[int, str]:
    height, width = size_of(store[0])
    return height * width, repr(store)


def smallest_stores(values: Values) -> Values:
    """The values with the smallest image size alone: enough to see every file decoded."""
    smallest = min(values_of(values, "image_size"), key=lambda size: _smallest_first((size,)))
    return {**values, "image_size": [smallest]}


def stores_of(values: Values) -> set[tuple[Any, ...]]:
    """Size, preprocessing, background and range of values of each image store that a space can ask for."""
    names = ("image_size", "preprocess", "background", "value_range")
    return set(product(*(values_of(values, name) for name in names)))


def build_stores(dataset: Dataset, values: Values, progress: Progress | None) -> list[str]:
    """One image store for each size, preprocessing and decoding; progress counts images over all of them.

    Returns what is worth telling of the images. Raises ImageReadError.
    """
    stores = sorted(stores_of(values), key=_smallest_first)
    total = len(stores) * len(dataset.paths)
    told: list[str] = []
    for index, (size, preprocess, *decoding) in enumerate(stores):
        before = index * len(dataset.paths)

        def step(done: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        store = build_store(dataset, size, step, preprocess, Decoding(*decoding))
        facts, *warnings = describe(facts_of(store), dataset, decoding[0])
        told += warnings if told else [facts, *warnings]  # the files are the same for all stores
    return list(dict.fromkeys(told))
