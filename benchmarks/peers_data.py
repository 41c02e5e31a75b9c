"""The two data sets of `benchmarks.peers`: rows to search with, rows nothing trains on, a search space.

fashion: 981 training images of ten classes with a long tail, 4,000 test images (`benchmarks.fashion_mnist`).
faces: age bins of the mask competition's people, seven photos each; 300 people drawn with seed 0 are the
test rows, the others' folds are grouped by person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import fashion_mnist
from orchestrator.core.trainable import load_trainable
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.inputs.dataset import values_of
from orchestrator.inputs.study_data import StudyData, gather_data
from orchestrator.space import SearchSpace
from orchestrator.tune.request import Request
from search_spaces.curves import age, fashion

RECORDED = "benchmarks.peers_recorded:Recorded"
TEST_GROUPS = 300
SEED = 0  # of the test part; folds follow the seed of a run


@dataclass(frozen=True)
class PeerData:
    """One data set as every method gets it."""

    name: str
    title: str
    manifest: Path  # rows with role train and test
    space: SearchSpace

    def of_seed(self, seed: int, runs: Path) -> StudyData:
        """Rows and folds of one seed: what the tool itself would make of them."""
        return gather_data(Request(space=self.space, data=self.manifest, runs=runs), self.space, seed, _quiet)

    @property
    def test(self) -> Manifest:
        rows = load_manifest(self.manifest, group_column=self.space.group)
        frame = rows.frame
        return replace(rows, frame=frame[frame["role"] == "test"].reset_index(drop=True))


def _fashion(source: Path, folder: Path) -> None:
    fashion_mnist.write_images(source, folder)


def _faces(source: Path, folder: Path) -> None:
    """A table with the paths of images that stay where they are."""
    rows = load_manifest(source)
    groups = np.random.default_rng(SEED).permutation(sorted(rows.frame["group"].unique()))
    held_out = rows.frame["group"].isin(groups[:TEST_GROUPS])
    paths = [str(rows.root / path) for path in rows.frame["path"]]
    columns = rows.frame[["group", "age"]].assign(path=paths, role=np.where(held_out, "test", "train"))
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(folder / "manifest.csv", index=False)


@dataclass(frozen=True)
class _Kind:
    title: str
    space: SearchSpace
    write: Callable[[Path, Path], None]
    source: Path


KINDS: Mapping[str, _Kind] = {
    "fashion": _Kind(
        "Fashion-MNIST, 981 images of ten classes with a long tail; macro-F1 on 4,000 others",
        fashion.space, _fashion, fashion_mnist.SOURCE,
    ),
    "faces": _Kind(
        "age bins of 500 people, seven photos each; macro-F1 on the photos of 300 others",
        age.space, _faces, Path("../shared/data/mask_faces/train"),
    ),
}  # fmt: skip


def open_data(name: str, runs: Path, source: Path | None = None) -> PeerData:
    """The data set, made below `runs` where it is not there yet. Raises ManifestError."""
    kind = KINDS[name]
    folder = (runs / "data" / name).resolve()
    if not (folder / "manifest.csv").exists():
        kind.write(source or kind.source, folder)
    return PeerData(name, kind.title, folder / "manifest.csv", replace(kind.space, trainable=RECORDED))


def decode_images(data: PeerData, seed: int, runs: Path) -> None:
    """Once, before anybody's clock runs: the decoded images are the same for all methods."""
    study_data = data.of_seed(seed, runs)
    trainable = load_trainable(RECORDED)
    trainable.prepare(study_data.dataset, values_of(study_data.space, trainable.parameters()))


def _quiet(text: str) -> None:
    """What was found is the same for every method."""
