"""How far the images to predict differ from those that the ensemble's studies trained on.

Compared by what can be measured without weights (small grey pictures, their statistics, their size), because
the members themselves know the training images by heart: to them any other image looks new.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import EnsembleError, InputError
from orchestrator.core.image_measures import ImageList, ImageMeasures
from orchestrator.core.measuring import measure_images
from orchestrator.core.metrics import is_own, score
from orchestrator.core.text import counted, shortened
from orchestrator.data.manifest import Manifest
from orchestrator.data.quality.dealt_folds import drawn_groups
from orchestrator.data.quality.pixel_features import pixel_features
from orchestrator.ensemble.answering import as_judged
from orchestrator.ensemble.folder import Ensemble
from orchestrator.evaluation.domain_shift import LEAST, DomainShift, domain_shift, too_few
from orchestrator.evaluation.weighted_score import weighted_score
from orchestrator.progress import progress_bar
from orchestrator.study.journal import has_journal
from orchestrator.study.predictions import Prediction, read_prediction
from orchestrator.study.study import Study

TITLE = "shift"
MOST = 4000  # rows of either kind that are measured, in whole groups


@dataclass(frozen=True)
class OutOfFold:
    """Training rows that the ensemble answered out of fold, and where their images lie."""

    manifest: Manifest  # (n)
    answers: Prediction  # (n) of the same rows


def shift_line(ensemble: Ensemble, new: Manifest, runs: Path, seed: int) -> str | None:
    """One line for the user: how the images of `new` differ, or why they were not compared; None where they
    or the training rows, those that can be read, are too few to say.

    Raises TrainableError, StorageError.
    """
    if new.frame["group"].nunique() < LEAST:
        return None
    new = _drawn(new, np.arange(len(new)), seed)[0]
    try:
        known = _out_of_fold(ensemble, runs, seed)
    except InputError as error:
        return f"{TITLE}: not looked at; {str(error).splitlines()[0]}"
    groups, is_new = _groups(known.manifest, new)
    if too_few(is_new, groups):
        return None
    measures = [_measured(item, runs) for item in (known.manifest, new)]
    readable = np.concatenate([item.readable for item in measures])
    is_new, groups = is_new[readable], groups[readable]
    if too_few(is_new, groups):
        return None
    features = np.concatenate([pixel_features(item) for item in measures])[readable]
    found = domain_shift(features, is_new, groups, seed)
    return f"{TITLE}: {found}{_scores(ensemble, known, measures[0].readable, found, seed)}{_way_out(found)}"


def _way_out(found: DomainShift) -> str:
    return "; `check` with --predict says what differs" if found.is_certain else ""


def _drawn(manifest: Manifest, rows: NDArray[np.int64], seed: int) -> tuple[Manifest, NDArray[np.int64]]:
    """About MOST of `rows` of a manifest at most, in whole groups, and which of them they are."""
    names = manifest.frame["group"].astype(str).to_numpy()[rows]
    groups = np.unique(names, return_inverse=True)[1]
    drawn = drawn_groups(groups, MOST, np.random.default_rng(seed))
    return replace(manifest, frame=manifest.frame.iloc[rows[drawn]].reset_index(drop=True)), drawn


def _out_of_fold(ensemble: Ensemble, runs: Path, seed: int) -> OutOfFold:
    """Raises InputError where the studies, or their images, are not at hand."""
    manifest = _training_manifest(ensemble, runs)
    answers, _ = read_prediction(ensemble.path / "oof.parquet")
    known, drawn = _drawn(manifest, answers.rows, seed)
    if not (known.root / str(known.frame["path"].iloc[0])).is_file():
        raise EnsembleError(f"the images that were trained on are not in {known.root}")
    kept = Prediction(
        answers.rows[drawn], answers.probabilities[drawn], answers.labels[drawn], answers.folds[drawn]
    )
    return OutOfFold(known, kept)


def _training_manifest(ensemble: Ensemble, runs: Path) -> Manifest:
    """Of the study that the ensemble lies in; else of one of its studies beside it, or in `runs`."""
    names, parent = [str(name) for name in ensemble.record.studies], ensemble.path.absolute().parent
    for folder in (parent, *(place / name for place in (parent, runs) for name in names)):
        if has_journal(folder):
            manifest = Study(folder, trust=ensemble.trust).manifest()
            if manifest.fingerprint == ensemble.record.manifest["fingerprint"]:
                return manifest
    raise EnsembleError(f"the study {shortened(names)}, which knows the training images, is not in {runs}")


def _groups(known: Manifest, new: Manifest) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(n,) the group of each row of both as a number, and (n,) whether it is to be predicted."""
    names = [
        [f"{at} {group}" for group in manifest.frame["group"]] for at, manifest in enumerate((known, new))
    ]
    codes: NDArray[np.int64] = np.unique([*names[0], *names[1]], return_inverse=True)[1].astype(np.int64)
    return codes, np.arange(len(codes)) >= len(known)


def _measured(manifest: Manifest, runs: Path) -> ImageMeasures:
    paths = tuple(str(path) for path in manifest.frame["path"])
    images = ImageList(str(manifest.root), paths, str((runs / ".cache" / "images").resolve()))
    with progress_bar("measuring images") as progress:
        return measure_images(images, progress=progress)


def _scores(
    ensemble: Ensemble, known: OutOfFold, readable: NDArray[np.bool_], found: DomainShift, seed: int
) -> str:
    """The out-of-fold score, plain and weighted; "" for a metric that cannot weigh rows."""
    metric = ensemble.record.metric
    if is_own(metric):
        return ""
    answers = as_judged(ensemble.record, known.answers.probabilities[readable])
    labels, groups = known.answers.labels[readable], known.manifest.frame["group"][readable].astype(str)
    weights, rng = found.weights, np.random.default_rng(seed)
    weighted = weighted_score(labels, answers, weights.values, groups.to_numpy(), metric, rng)
    return (
        f"; out of fold {metric} {score(metric, labels, answers):.4f}, weighted as the rows to predict "
        f"{weighted} on {weights.effective_rows:.0f} effective of {counted(len(labels), 'row')}"
    )
