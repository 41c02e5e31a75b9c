"""What the stages of a check look at: rows, labels, folds, and what is made of the images once."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.callbacks import Announce
from orchestrator.core.image_measures import ImageList, ImageMeasures
from orchestrator.core.measuring import SHIPPED, measure_images
from orchestrator.core.text import on_one_line
from orchestrator.core.thumbnails import read_thumbnails
from orchestrator.data.identical_files import codes_of
from orchestrator.data.manifest import Manifest, given_groups
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.data.quality.joined_groups import join_codes
from orchestrator.data.quality.near_duplicates import find_duplicates
from orchestrator.data.quality.task_labels import TaskLabels
from orchestrator.data.targets import Target
from orchestrator.inputs.embeddings import Embedded, embed
from orchestrator.progress import progress_bar
from orchestrator.space import SearchSpace


@dataclass(frozen=True, eq=False)
class Look:
    """n rows: those of the search first, in its order, then those it leaves out, then those to predict.

    What is made of the images is made when a stage first asks for it, and once.
    """

    manifest: Manifest
    cache_dir: str  # where this machine may keep what is made of the images
    targets: tuple[Target, ...]  # each part of the space's target, and what folds are balanced over
    tasks: tuple[TaskLabels, ...]  # the labels of each
    folds: NDArray[np.int16]  # (n,) the fold that validates a row; -1: none
    k: int  # number of folds; 0: none could be made
    space: SearchSpace | None  # given or proposed; None where nothing says what is predicted
    arguments: argparse.Namespace  # the command's options
    say: Announce
    predicted: int = 0  # how many rows, the last ones, are of --predict
    is_proposed: bool = False  # whether the space is what `tune --init` would propose
    refusal: str = ""  # why there are no folds, in the words of a search

    def __len__(self) -> int:
        return len(self.manifest)

    @property
    def frame(self) -> pd.DataFrame:
        """(n,) path, group, role, and what the source said of each row."""
        return self.manifest.frame

    @cached_property
    def paths(self) -> tuple[str, ...]:
        return tuple(map(str, self.frame["path"]))

    @cached_property
    def groups(self) -> NDArray[Any]:
        """(n,) text."""
        return np.asarray(self.frame["group"].astype(str), object)

    @cached_property
    def roles(self) -> NDArray[Any]:
        """(n,) train, extra or test."""
        return np.asarray(self.frame["role"].astype(str), object)

    @cached_property
    def has_groups(self) -> bool:
        """Whether any group has two rows."""
        return len(set(self.groups)) < len(self)

    @property
    def trainable(self) -> str:
        """ "module:Class" of what decodes the images."""
        return SHIPPED if self.space is None else self.space.trainable

    @property
    def images(self) -> ImageList:
        """Where the files of all rows lie."""
        return ImageList(str(self.manifest.root), self.paths, self.cache_dir)

    @cached_property
    def measures(self) -> ImageMeasures:
        """Of every row, from one pass over the files. Raises StorageError."""
        with progress_bar("measuring images") as progress:
            return measure_images(self.images, self.trainable, progress)

    @cached_property
    def duplicates(self) -> Duplicates:
        """Which rows show the same picture."""
        given = given_groups(self.frame)  # those that copies joined say nothing of what is alike
        codes = codes_of(given) if len(set(given)) < len(given) else None
        with progress_bar("comparing images") as progress:
            return find_duplicates(
                self.measures,
                groups=codes,
                embeddings=self.embeddings,
                seed=self.arguments.seed,
                progress=progress,
            )

    @cached_property
    def joined(self) -> NDArray[np.int64]:
        """(n,) the group of each row, where copies of one picture share one too."""
        return join_codes(codes_of(self.groups), self.duplicates.clusters)

    @cached_property
    def embedded(self) -> Embedded:
        """What a frozen network says of every row, and with what. Raises as `inputs.embeddings.embed`."""
        given = self.arguments
        return embed(self.images, self.trainable, given.backbone, given.pretrained)

    @property
    def embeddings(self) -> NDArray[np.float32] | None:
        """(n, D), NaN in rows that cannot be read; None without weights."""
        return self.embedded.values

    def thumbnails(self, rows: Sequence[int], side: int) -> list[NDArray[np.uint8] | None]:
        """Small pictures of rows; None for one that cannot be read."""
        readable = self.measures.readable
        own = [row for row in rows if readable[row]]
        found = read_thumbnails(self.images.root, [self.paths[row] for row in own], side, self.trainable)
        pictures = dict(zip(own, found, strict=True))
        return [pictures.get(row) for row in rows]

    def caption(self, row: int) -> tuple[str, ...]:
        """What a picture of the row says: its path, labels, group, and where it stands."""
        lines = [self.paths[row]]
        lines += [f"{task.name}: {text}" for task in self.tasks if (text := task.text(row))]
        if self.groups[row] != self.paths[row]:
            lines.append(f"group {self.groups[row]}")
        where = f"fold {self.folds[row]}" if self.folds[row] >= 0 else f"role {self.roles[row]}"
        return tuple(map(on_one_line, [*lines, where]))
