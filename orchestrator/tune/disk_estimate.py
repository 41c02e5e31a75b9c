"""What a search puts on disks, at least and at most, before it begins: numbers in, bytes out.

The rule of what is kept, and why, is in docs/reference/storage.md ("How much it takes").
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.disk_needs import CheckpointBytes, DiskNeeds
from orchestrator.execution.disk_guard import FLOOR
from orchestrator.race.most_held import MostHeld

JOURNAL_LINE = 1500
"""Bytes of an epoch in the journal and in the tables made from it."""
LEAST_COMPRESSED = 0.25
"""Of an epoch's predictions, as far as Parquet may compress them."""
OF_A_FILE = 2000
"""Bytes of a header."""


@dataclass(frozen=True)
class Size:
    """Of a search."""

    finalists: int
    folds: int
    max_t: int
    slots: int
    rows: int  # of the largest fold
    columns: int  # of a prediction: classes, or labels
    keeps_all: bool  # whether predictions of trials that are out stay

    @property
    def oof(self) -> int:
        """Bytes of a fold run's out-of-fold rows: float32 and a row number."""
        return self.rows * (4 * self.columns + 8) + OF_A_FILE

    @property
    def predictions(self) -> int:
        """Bytes of what an epoch predicts, at most: float16."""
        return self.rows * 2 * self.columns + OF_A_FILE


@dataclass(frozen=True)
class Places:
    """Where the parts lie; None where that is no disk of this machine."""

    study: Path
    checkpoints: Path | None
    images: Path | None
    scratch: Path | None  # of a Ray of one's own
    links: bool  # whether an ensemble in the study's folder can link to checkpoints


@dataclass(frozen=True)
class Need:
    """Bytes below a path."""

    what: str
    place: Path
    least: int  # without which the search cannot end
    most: int


RAY_LOGS = 100_000_000
"""Bytes that a Ray's logs and sockets seldom pass."""


def needs_of(size: Size, held: MostHeld, told: DiskNeeds | None, places: Places) -> list[Need]:
    """told: what the trainable says; None: checkpoints are left out."""
    finals = size.finalists * size.folds * size.max_t
    least = int(LEAST_COMPRESSED * finals * size.predictions)
    epochs = held.fold_epochs if size.keeps_all else min(held.fold_epochs, _kept_if_complete(size, held))
    lines = FLOOR + held.fold_epochs * JOURNAL_LINE
    found = [Need("journal and tables", places.study, finals * JOURNAL_LINE // 3, lines)]
    if places.checkpoints is not None:
        found.append(Need("predictions", places.checkpoints, least, epochs * size.predictions))
        if told is not None:
            found.append(_checkpoints(size, held, told, places.checkpoints))
    if told is not None and not places.links:
        models = size.finalists * size.folds
        found.append(Need("an ensemble", places.study, 0, models * told.most.weights))
    if told is not None and told.images and places.images is not None:
        found.append(Need("decoded images", places.images, told.images, told.images))
    if places.scratch is not None:
        found.append(Need("Ray's logs", places.scratch, 0, RAY_LOGS))
    return found


def _kept_if_complete(size: Size, held: MostHeld) -> int:
    return (held.unfinished + held.finished) * size.max_t


def _checkpoints(size: Size, held: MostHeld, told: DiskNeeds, place: Path) -> Need:
    models = size.finalists * size.folds
    least = models * (told.least.weights + size.oof) + held.surely * min(size.max_t, 2) * told.least.state
    most = (2 * held.unfinished + size.slots) * one(told.most, size)
    most += held.finished * (told.most.weights + size.oof)
    return Need("checkpoints", place, least, most)


def one(found: CheckpointBytes, size: Size) -> int:
    """Bytes of one epoch of a fold run that may go on: state, weights, out-of-fold rows."""
    return found.state + found.weights + size.oof
