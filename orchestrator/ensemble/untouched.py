"""Rows that nothing was fitted, chosen or gated with: role test with labels, and the demo's evaluation part.

They are predicted by the finished ensemble, whose folder is written already: no label of theirs can reach it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import EnsembleError, ManifestError, StorageError
from orchestrator.core.trainable import Resources, load_trainable
from orchestrator.data.identical_files import are_copies
from orchestrator.data.importers.contract import Reading
from orchestrator.data.manifest import Manifest, group_names, load_manifest
from orchestrator.data.scalars import columns_of, to_scalars, to_text
from orchestrator.data.targets import Target
from orchestrator.demo.faces import hidden_rows
from orchestrator.ensemble.answering import as_judged
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.sources import image_paths
from orchestrator.ensemble.trained_on import TrainedOn, location_digests
from orchestrator.ensemble_record.record import RECORD, record_bytes
from orchestrator.evaluation.bootstrap import group_bootstrap
from orchestrator.evaluation.estimate import Estimate, no_estimate
from orchestrator.space.condition import condition_mask
from orchestrator.study.predictions import Prediction, write_prediction
from orchestrator.study.study import CompleteTrial, Study, read_checkpoint

FILE = "untouched.parquet"
KEY = "untouched"


@dataclass(frozen=True)
class UntouchedRows:
    """manifest: rows with labels, none of them trained on or validated; None where there are none.

    note: what kept rows away that there may be, in a few words; "" where the source has none.
    """

    manifest: Manifest | None
    note: str = ""


def find_untouched(study: Study, target: Target | None = None, others: Sequence[Study] = ()) -> UntouchedRows:
    """Of a study's source, read again: a study keeps no row with role test.

    target: whose labels are to be known, by default the study's. others: studies that members come from too;
    what any of them trained on, as a row with role extra maybe, is left out with its whole group. Raises
    ManifestError for labels that are none of the target's classes.
    """
    target = study.space.target if target is None else target
    if study.header.demo:
        found = _demo_rows(study)
    else:
        try:
            found = _test_rows(study, others)
        except (ManifestError, OSError) as error:
            return UntouchedRows(None, f"its source cannot be read again ({error})")
    if found is None or not len(found):
        return UntouchedRows(None)
    kept = _labelled(found, target)
    mask = condition_mask(study.space, kept.frame) if len(kept) else None
    if mask is not None and target == study.space.target:
        kept = replace(kept, frame=kept.frame[mask].reset_index(drop=True))
    if not len(kept):
        return UntouchedRows(None, f"none of its {len(found)} rows with role test has a label")
    return UntouchedRows(kept)


def _demo_rows(study: Study) -> Manifest | None:
    """The evaluation part, whose truth the demo knows, where its pictures are still there."""
    folder = Path(str(study.header.manifest.get("root", ""))).parent / "eval"
    frame = hidden_rows()
    there = [(folder / path).is_file() for path in frame["path"]]
    return Manifest(frame, folder, "demo-eval") if all(there) else None


def _test_rows(study: Study, others: Sequence[Study]) -> Manifest | None:
    source = study.header.manifest.get("source")
    if not source:
        return None
    if not Path(str(source)).exists():
        raise ManifestError(f"{source} is not there")
    root = study.header.manifest.get("root")
    whole = load_manifest(
        Path(str(source)),
        reading=Reading.from_json(study.header.manifest.get("reading") or {}),
        group_column=study.space.group,
        data_root=None if root is None else Path(str(root)),
    )
    test = (whole.frame["role"] == "test").to_numpy()
    rows = replace(whole, frame=whole.frame[test].reset_index(drop=True))
    known = [item.manifest() for item in (study, *others)]  # whatever their sources say now
    places = {place for manifest in known for place in location_digests(manifest)}
    by_place = np.array([place in places for place in location_digests(rows)], np.bool_)
    trained = rows.frame["path"].isin(set(known[0].frame["path"])).to_numpy() | by_place
    groups = {group for manifest in known for group in group_names(manifest.frame)}
    groups |= set(rows.frame["group"][trained])
    new = ~trained & ~rows.frame["group"].isin(groups).to_numpy()
    return replace(rows, frame=rows.frame[new].reset_index(drop=True))


def _labelled(rows: Manifest, target: Target) -> Manifest:
    """The rows that say something in each column that the target reads."""
    frame = rows.frame
    known = np.full(len(frame), set(target.columns) <= set(frame.columns))
    for name in target.columns if known.any() else ():
        known &= np.array([to_text(cell) is not None for cell in to_scalars(frame[name])], np.bool_)
    frame = frame[known].reset_index(drop=True)
    if len(frame):
        frame = frame[~target.excluded(frame)].reset_index(drop=True)
    return replace(rows, frame=frame)


def without_copies(rows: Manifest, study: Study) -> Manifest:
    """Without the rows whose image holds the same as one of the study's, under any name."""
    copies = are_copies(image_paths(rows), image_paths(study.manifest()))
    return replace(rows, frame=rows.frame[~copies].reset_index(drop=True))


# ---- the ensemble on them -------------------------------------------------------------------------


def score_untouched(
    ensemble: Ensemble,
    rows: Manifest,
    rng: np.random.Generator,
    progress: Progress | None = None,
    resources: Resources | None = None,
    trained: Sequence[Manifest] = (),
) -> tuple[Ensemble, Estimate]:
    """Predicts rows with labels and stores what they score: `untouched.parquet` in the folder, and the
    estimate in ensemble.json. Returns the ensemble with it. Copies of images that were trained on are left
    out, and the estimate says how many.

    trained: the rows of the ensemble's studies, with whose images those that look like copies are compared.
    Raises EnsembleError, ImageReadError, TrainableError, StorageError.
    """
    copies = TrainedOn.of(ensemble).copies(rows, trained)
    rows = replace(rows, frame=rows.frame[~copies].reset_index(drop=True))
    labels = ensemble.target.encode(rows.frame)
    probabilities = ensemble.predict(
        image_paths(rows), progress, resources=resources, columns=columns_of(rows.frame)
    )
    estimate = untouched_estimate(
        labels,
        as_judged(ensemble.record, probabilities),
        rows.frame["group"].astype(str).to_numpy(),
        ensemble.record.metric,
        rng,
    )
    if copies.any():
        left = f"{int(copies.sum())} copies of images that were trained on are left out."
        estimate = replace(estimate, meaning=f"{estimate.meaning} {left}")
    found = Prediction(np.arange(len(rows)), probabilities, labels, np.zeros(len(rows), np.int16))
    paths = [str(path) for path in rows.frame["path"]]
    write_prediction(ensemble.path / FILE, found, paths, ensemble.classes)
    estimates = {**ensemble.record.estimates, KEY: estimate}
    record = replace(ensemble.record, estimates=estimates)
    try:
        with atomic_write(ensemble.path / RECORD) as file:
            file.write(record_bytes(record))
    except OSError as error:
        raise StorageError(f"cannot write {ensemble.path / RECORD}: {error.strerror}; free space") from error
    return replace(ensemble, record=record), estimate


def untouched_estimate(
    labels: Labels, answers: Probabilities, groups: np.ndarray, metric: str, rng: np.random.Generator
) -> Estimate:
    """labels (n,), answers (n, C) as judged, or both (n, L); groups (n,)."""
    title = f"untouched rows {metric}"
    try:
        found = group_bootstrap(labels, answers, groups, metric, rng)
    except EnsembleError as error:
        return no_estimate(KEY, title, f"{len(labels)} rows with role test and labels: {error}.")
    meaning = (
        f"The {len(labels)} rows with role test and labels, {found.n_groups} groups of them resampled; "
        "nothing was trained, chosen, fitted or gated with them, so nothing is corrected. That holds as long "
        "as no choice is made by it. Each row is answered by all fold models together, as new images are; "
        "the estimates from the training rows judge one fold model for each row."
    )
    summary = (
        f"{len(labels)} rows of {found.n_groups} groups that nothing was trained, chosen or fitted with, so "
        "there is nothing to correct; all fold models answer together, as they do for new images"
    )
    return found.described(KEY, title, meaning, summary)


# ---- each trial on them ---------------------------------------------------------------------------


def trial_votes(
    study: Study, rows: Manifest, progress: Progress | None = None, resources: Resources | None = None
) -> Mapping[int, Probabilities]:
    """Trial -> (n, C): the mean of its fold models on rows that none of them knows, of each complete trial.

    progress counts fold models. Raises StudyError, ImageReadError, TrainableError.
    """
    trials = study.complete_trials()
    total, done = sum(len(trial.bests) for trial in trials), 0
    votes = {}
    for trial in trials:
        votes[trial.number] = _vote(study, trial, rows, resources)
        done += len(trial.bests)
        if progress is not None:
            progress(done, total)
    return votes


def _vote(study: Study, trial: CompleteTrial, rows: Manifest, resources: Resources | None) -> Probabilities:
    trainable, store = load_trainable(study.space.trainable), study.store()
    config = {**study.header.defaults, **trial.config}
    paths, columns = image_paths(rows), columns_of(rows.frame)
    total = np.zeros((len(rows), len(study.space.target.classes)))
    for best in trial.bests:
        weights = read_checkpoint(store, best, best.weights)
        model = trainable.load_predictor(weights, config, total.shape[1], resources)
        total += model.predict(paths, str(config.get("tta") or "none"), columns=columns)
    vote: Probabilities = (total / len(trial.bests)).astype(np.float32)
    return vote
