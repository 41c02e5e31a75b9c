"""Exhaustive tables of small networks at large steps on few grouped rows, whose curves jump.

    python -m benchmarks.jumping_tables age_bin 400 --data ../shared/data/utkface --out runs/tables

Column, number of rows. 44 configurations x 5 folds x 18 epochs are trained at once, as one batch of
networks: a hidden layer on the principal components of small grey photos. A table is one of
`benchmarks.stored_tables`; the photos' terms are for research alone, so it stays out of the repository.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor

from benchmarks.stored_tables import StoredTable, write_curves
from orchestrator.cli.arguments import int_at_least
from orchestrator.progress import progress_bar

TRIALS, FOLDS, EPOCHS, HIDDEN, BATCH, PIXELS, COMPONENTS = 44, 5, 18, 32, 16, 16, 48
TEST_ROWS = 2000
CLIP = 5.0  # norm of a network's gradient


def draw_config(rng: np.random.Generator) -> dict[str, float]:
    return {
        "lr": 10 ** rng.uniform(-2.3, -0.1),
        "momentum": rng.choice([0, 0.5, 0.9]),
        "weight_decay": 10 ** rng.uniform(-5, -2),
        "dropout": rng.choice([0, 0.2, 0.5]),
        "width": rng.choice([4, 8, 16, 32]),
        "components": rng.choice([8, 16, 32, 48]),
        "noise": rng.choice([0, 0.3, 0.8]),
        "batch": rng.choice([4, 8, 16]),
        "balanced": float(rng.random() < 0.5),
    }


@dataclass(frozen=True)
class Rows:
    """inputs (n, COMPONENTS), of the training rows and of held-out ones; folds and groups of the former."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    folds: NDArray[np.int64]
    groups: NDArray[np.str_]
    test_inputs: NDArray[np.float32]
    test_labels: NDArray[np.int64]
    test_groups: NDArray[np.str_]

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1


def read_rows(folder: Path, column: str, rows: int, seed: int) -> Rows:
    frame = pd.read_csv(folder / "labels.csv", dtype={"group": str})
    labels = np.unique(frame[column].to_numpy(str), return_inverse=True)[1]
    test = np.flatnonzero(frame["split"] == "test")[:TEST_ROWS]
    train = np.flatnonzero(frame["split"] == "train")
    groups = frame["group"].to_numpy(str)
    sizes = pd.Series(groups[train]).value_counts()
    order = np.random.default_rng(seed).permutation(np.sort(sizes.index.to_numpy(str)))
    kept = order[: int(np.searchsorted(sizes.loc[order].cumsum().to_numpy(), rows)) + 1]
    train = train[np.isin(groups[train], kept)]
    pixels = np.stack([_grey(folder / path) for path in frame["path"].iloc[np.r_[train, test]]])
    centred = pixels - pixels[: len(train)].mean(axis=0)
    inputs = centred @ np.linalg.svd(centred[: len(train)], full_matrices=False)[2][:COMPONENTS].T
    inputs = (inputs / inputs[: len(train)].std()).astype(np.float32)
    folds = np.zeros(len(train), np.int64)
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    for fold, (_, own) in enumerate(splitter.split(train, labels[train], groups[train])):
        folds[own] = fold
    return Rows(
        inputs[: len(train)],
        labels[train],
        folds,
        groups[train],
        inputs[len(train) :],
        labels[test],
        groups[test],
    )


def _grey(path: Path) -> NDArray[np.float32]:
    image = cv2.resize(cv2.imread(str(path)), (PIXELS, PIXELS), interpolation=cv2.INTER_AREA)
    return (image.astype(np.float32) / 128 - 1).mean(axis=2).ravel()


@dataclass
class Networks:
    """One network a fold run, all of them side by side; number: trial x FOLDS + fold."""

    configs: Sequence[dict[str, float]]
    classes: int
    chance: torch.Generator
    tensors: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.count = len(self.configs) * FOLDS
        width, components = self.each("width"), self.each("components")
        self._hidden = (torch.arange(HIDDEN)[None] < width[:, None]).float()[:, None]
        self._seen = (torch.arange(COMPONENTS)[None] < components[:, None]).float()[:, None]
        first = torch.randn(self.count, COMPONENTS, HIDDEN, generator=self.chance)
        last = torch.randn(self.count, HIDDEN, self.classes, generator=self.chance)
        self.tensors = [
            (first * (2 / components[:, None, None]) ** 0.5).requires_grad_(),
            torch.zeros(self.count, 1, HIDDEN, requires_grad=True),
            (last * (1 / width[:, None, None]) ** 0.5).requires_grad_(),
            torch.zeros(self.count, 1, self.classes, requires_grad=True),
        ]
        self._velocity = [torch.zeros_like(item) for item in self.tensors]

    def each(self, name: str) -> Tensor:
        """(count,) a number of each network's configuration."""
        return torch.tensor(
            [config[name] for config in self.configs for _ in range(FOLDS)], dtype=torch.float32
        )

    def logits(self, inputs: Tensor) -> Tensor:
        """Of inputs (count, rows, COMPONENTS) in training, with noise and dropout."""
        dropout = self.each("dropout")[:, None, None]
        inputs = inputs + self.each("noise")[:, None, None] * torch.randn(inputs.shape, generator=self.chance)
        hidden = F.relu((inputs * self._seen) @ self.tensors[0] + self.tensors[1]) * self._hidden
        hidden = hidden * (torch.rand(hidden.shape, generator=self.chance) >= dropout) / (1 - dropout)
        return hidden @ self.tensors[2] + self.tensors[3]

    def answers(self, fold: int, inputs: Tensor) -> NDArray[np.float32]:
        """(trials, rows, classes) by the networks of a fold, of inputs (rows, COMPONENTS)."""
        first, bias, last, offset = (item[fold::FOLDS] for item in self.tensors)
        hidden = F.relu((inputs[None] * self._seen[fold::FOLDS]) @ first + bias) * self._hidden[fold::FOLDS]
        found: NDArray[np.float32] = F.softmax(hidden @ last + offset, 2).nan_to_num(1 / self.classes).numpy()
        return found

    def step(self, loss: Tensor) -> None:
        """Of SGD with momentum, each network by its own numbers."""
        gradients = torch.autograd.grad(loss, self.tensors)
        size = torch.stack([item.flatten(1).pow(2).sum(1) for item in gradients]).sum(0).sqrt()
        clip = (CLIP / size.clamp(min=1e-6)).clamp(max=1)[:, None, None]
        rate, momentum, decay = (
            self.each(name)[:, None, None] for name in ("lr", "momentum", "weight_decay")
        )
        with torch.no_grad():
            for tensor, velocity, gradient in zip(self.tensors, self._velocity, gradients, strict=True):
                velocity.mul_(momentum).add_(gradient * clip + decay * tensor)
                tensor.sub_(rate * velocity)


def batches(rows: Rows, count: int, epoch: int, seed: int) -> Iterator[Tensor]:
    """(count, BATCH) training rows of each network: those of the other folds, in an order of its own."""
    others = [np.flatnonzero(rows.folds != fold) for fold in range(FOLDS)]
    shortest = min(map(len, others))
    orders = np.stack(
        [
            np.random.default_rng([seed, epoch, i]).permutation(others[i % FOLDS])[:shortest]
            for i in range(count)
        ]
    )
    for start in range(0, shortest - 1, BATCH):
        yield torch.from_numpy(orders[:, start : start + BATCH])


def train_epoch(networks: Networks, rows: Rows, epoch: int, seed: int) -> None:
    inputs, labels = torch.from_numpy(rows.inputs), torch.from_numpy(rows.labels)
    shares = torch.bincount(labels, minlength=rows.classes).clamp(min=1) * rows.classes / len(labels)
    balanced = networks.each("balanced")[:, None] > 0
    weights = torch.where(balanced, (1 / shares)[None], torch.ones(1, rows.classes))
    kept = (torch.arange(BATCH)[None] < networks.each("batch")[:, None]).float()
    for chosen in batches(rows, networks.count, epoch, seed):
        own, used = labels[chosen], kept[:, : chosen.shape[1]]
        losses = F.cross_entropy(networks.logits(inputs[chosen]).transpose(1, 2), own, reduction="none")
        losses = losses * used * torch.gather(weights, 1, own)
        networks.step((losses.sum(1) / used.sum(1)).sum())


def make_table(rows: Rows, folder: Path, seed: int) -> StoredTable:
    rng = np.random.default_rng(seed)
    configs: list[dict[str, Any]] = [
        {name: float(value) for name, value in draw_config(rng).items()} for _ in range(TRIALS)
    ]
    networks = Networks(configs, rows.classes, torch.Generator().manual_seed(seed))
    validation = np.zeros((TRIALS, EPOCHS, len(rows.labels), rows.classes), np.float16)
    test = np.zeros((TRIALS, FOLDS, EPOCHS, len(rows.test_labels), rows.classes), np.float16)
    with progress_bar("epochs") as progress:
        for epoch in range(EPOCHS):
            train_epoch(networks, rows, epoch, seed)
            with torch.no_grad():
                for fold in range(FOLDS):
                    own = np.flatnonzero(rows.folds == fold)
                    validation[:, epoch, own] = networks.answers(fold, torch.from_numpy(rows.inputs[own]))
                    test[:, fold, epoch] = networks.answers(fold, torch.from_numpy(rows.test_inputs))
            progress(epoch + 1, EPOCHS)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "validation.npy", validation)
    np.save(folder / "test.npy", test)
    np.savez(
        folder / "rows.npz",
        labels=rows.labels, folds=rows.folds.astype(np.int16), groups=rows.groups,
        test_labels=rows.test_labels, test_groups=rows.test_groups,
    )  # fmt: skip
    (folder / "configs.json").write_text(json.dumps([{**config, "features": "pixels"} for config in configs]))
    table = StoredTable.open(folder)
    write_curves(table, np.ones((TRIALS, FOLDS)), folder)
    return table


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("column", choices=["age_bin", "gender", "race"])
    add("rows", type=int_at_least(50), help="at least so many training rows, whole groups")
    add("--data", type=Path, required=True, help="folder of UTKFace photos and labels.csv")
    add("--out", type=Path, default=Path("runs/tables"), help="where the folder of the table goes")
    add("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    folder = options.out / f"jumping_{options.column}_{options.rows}"
    make_table(read_rows(options.data, options.column, options.rows, options.seed), folder, options.seed)
    print(folder)


if __name__ == "__main__":
    main()
