"""What a baseline predicts: logistic regression on frozen features, out of fold in the study's own folds.

A row is answered by a model that was fitted to rows of the other folds and to no other: none with role extra
or test is fitted to, and folds keep groups together. What was fitted is kept in the cache of `--runs`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.arrays import Probabilities
from orchestrator.core.callbacks import Progress
from orchestrator.core.choices import BACKBONE
from orchestrator.core.errors import ManifestError
from orchestrator.core.image_measures import ImageList
from orchestrator.core.measuring import measure_images
from orchestrator.data.identical_files import file_states
from orchestrator.data.quality.baseline import Features, out_of_fold
from orchestrator.data.quality.pixel_features import pixel_features
from orchestrator.data.table_files import read_parquet, write_parquet, written_record
from orchestrator.inputs.embeddings import embed
from orchestrator.progress import progress_bar
from orchestrator.snapshot import StudySnapshot
from orchestrator.space.condition import condition_mask
from orchestrator.study_checks.unseen import UnseenError

FOLDER = "baselines"
"""Below the cache of `--runs`."""
QUICK = 3000  # rows up to which one is fitted without being asked for: about ten seconds
_VERSION = 1  # of what is computed; another one is fitted anew
PIXELS = "logistic regression on small grey pictures and statistics of pixels"


@dataclass(frozen=True)
class FittedBaseline:
    name: str  # in a sentence, such as "logistic regression on embeddings by resnet18"
    rows: NDArray[np.int64]  # (n,) of the manifest
    probabilities: Probabilities  # (n, C) or (n, L), each by a model of the other folds' rows


@dataclass(frozen=True)
class BaselineRows:
    """The rows that a study scores, and what they are fitted and judged by."""

    rows: NDArray[np.int64]  # (n,) of the manifest
    paths: tuple[str, ...]  # (n,) below root
    root: Path
    labels: NDArray[np.int64]  # (n,) or (n, L)
    folds: NDArray[np.int16]  # (n,)
    classes: int


def fit_baseline(
    snapshot: StudySnapshot, *, pretrained: str | None = None, backbone: str = BACKBONE
) -> FittedBaseline:
    """From the cache, or fitted now under progress bars; images that cannot be read have no answer.

    pretrained: a .safetensors file of the timm model `backbone`, or "hub", for embeddings; None takes what
    can be measured of pixels. Raises UnseenError where the images or the rows are not there, TrainableError,
    WeightsError, StorageError.
    """
    found = baseline_rows(snapshot)
    file = _file(snapshot, found, pretrained, backbone)
    known = _read(file, found)
    if known is not None:
        return known
    cache = snapshot.path.parent / ".cache" / "images"
    images = ImageList(str(found.root), found.paths, str(cache.resolve()))
    name, features = _features(images, pretrained, backbone)
    with progress_bar("fitting a baseline") as progress:
        fitted = fit(found, name, features, progress)
    record = {"name": fitted.name, "width": fitted.probabilities.shape[1]}
    columns = {f"p{number}": column for number, column in enumerate(fitted.probabilities.T)}
    write_parquet(file, pd.DataFrame({"row": fitted.rows, **columns}), record)
    return fitted


def known_baseline(snapshot: StudySnapshot) -> FittedBaseline | None:
    """The one that was fitted to pixels before; None where there is none. Raises UnseenError."""
    found = baseline_rows(snapshot)
    return _read(_file(snapshot, found, None, BACKBONE), found)


def quick_baseline(snapshot: StudySnapshot) -> FittedBaseline | None:
    """As `fit_baseline`, of few rows; of many the one that is known, or None. Raises as it does."""
    few = len(baseline_rows(snapshot).rows) <= QUICK
    return fit_baseline(snapshot) if few else known_baseline(snapshot)


def baseline_rows(snapshot: StudySnapshot) -> BaselineRows:
    """Raises UnseenError where no trial is complete, or rows, folds or images are gone."""
    manifest, plan = snapshot.manifest, snapshot.fold_plan
    if manifest is None or plan is None or not snapshot.complete:
        raise UnseenError("no baseline: it needs the rows, the folds and a complete trial")
    mask = condition_mask(snapshot.space, manifest.frame)
    inside = plan.folds >= 0
    rows = np.flatnonzero(inside if mask is None else inside & mask)
    paths = tuple(str(path) for path in manifest.frame["path"].iloc[rows])
    if not paths or not (manifest.root / paths[0]).is_file():
        raise UnseenError(f"no baseline: the images are not in {manifest.root}")
    target = snapshot.space.target
    labels = target.encode(manifest.frame)[rows]
    return BaselineRows(rows, paths, manifest.root, labels, plan.folds[rows], len(target.classes))


def fit(
    found: BaselineRows, name: str, features: Features, progress: Progress | None = None
) -> FittedBaseline:
    """features (n, D) of the rows, NaN where an image cannot be read."""
    usable = np.isfinite(features).all(axis=1)
    if not usable.any():
        raise UnseenError("no baseline: no image can be read")
    answers = out_of_fold(
        features[usable], found.labels[usable], found.folds[usable], found.classes, progress
    )
    return FittedBaseline(name, found.rows[usable], answers)


def _features(images: ImageList, pretrained: str | None, backbone: str) -> tuple[str, Features]:
    if pretrained is not None:
        embedded = embed(images, None, backbone, pretrained)
        if embedded.values is not None:
            return f"logistic regression on embeddings by {backbone}", embedded.values
    with progress_bar("measuring images for a baseline") as progress:
        measures = measure_images(images, progress=progress)
    return PIXELS, pixel_features(measures)


# ---- the cache ------------------------------------------------------------------------------------


def _file(snapshot: StudySnapshot, found: BaselineRows, pretrained: str | None, backbone: str) -> Path:
    """Named by all that the answers depend on: images as they are, labels, folds and features."""
    key = {
        "version": _VERSION,
        "root": str(found.root.absolute()),
        "files": _digest(json.dumps([list(map(list, file_states(found.root, found.paths))), found.paths])),
        "labels": _digest(json.dumps(found.labels.tolist())),
        "folds": _digest(json.dumps(found.folds.tolist())),
        "features": "pixels" if pretrained is None else [pretrained, backbone],
    }
    name = _digest(json.dumps(key, sort_keys=True))[:20]
    return snapshot.path.parent / ".cache" / FOLDER / f"{name}.parquet"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _read(path: Path, found: BaselineRows) -> FittedBaseline | None:
    """None for what is not there, torn or of other make: it can be fitted anew."""
    if not path.exists():
        return None
    try:
        frame, metadata = read_parquet(path)
        record = written_record(metadata) or {}
        width, name = int(record["width"]), str(record["name"])
        answers = frame[[f"p{number}" for number in range(width)]].to_numpy(np.float32)
        rows = frame["row"].to_numpy(np.int64)
    except (ManifestError, KeyError, TypeError, ValueError):
        return None
    is_whole = width == found.classes and np.isin(rows, found.rows).all() and np.isfinite(answers).all()
    return FittedBaseline(name, rows, answers) if is_whole else None
