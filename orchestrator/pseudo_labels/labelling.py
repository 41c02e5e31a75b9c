"""Labels for unlabelled images, per fold from the models that never saw its validation rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import EnsembleError
from orchestrator.data.extra_rows import train_digest
from orchestrator.data.manifest import FOLD_PLAN_DIGEST, ONLY_FOLD, Manifest
from orchestrator.data.parquet_files import UNREADABLE, read_arrow
from orchestrator.data.scalars import Scalar, columns_of
from orchestrator.data.table_files import normalise_column_types
from orchestrator.data.targets import Binned, Joint, OneHot, Target
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.predictions import histogram
from orchestrator.ensemble.sources import image_paths
from orchestrator.ensemble_record.chain_rule import uncovered_images
from orchestrator.ensemble_record.record import Component, Member

CONFIDENCE = "confidence"
"""Column: the probability of the label, as the fold's models gave it."""
GROUP_PREFIX = "pseudo:"
"""Before each group, so that no pseudo-labelled image shares a group with a validated row."""


def fold_ensemble(ensemble: Ensemble, fold: int) -> Ensemble:
    """The same members, each with its model of one fold alone. Raises EnsembleError where one has none.

    All count alike, and nothing is calibrated or decided: weights, temperatures and decisions were fitted to
    the labels of all out-of-fold rows, those that validate this fold's models among them.
    """
    return _unfitted(ensemble).with_members(lambda member: _of_fold(member, fold, ensemble.path))


def _unfitted(ensemble: Ensemble) -> Ensemble:
    record = ensemble.record
    routes = tuple(
        replace(route, weight=1 / len(record.routes), terms=tuple(map(_unfitted_term, route.terms)))
        for route in record.routes
    )
    return replace(ensemble, record=replace(record, routes=routes, temperature=None, decisions=None))


def _unfitted_term(term: Component) -> Component:
    vote = "soft" if term.vote == "rank" else term.vote  # ranks are among the out-of-fold rows
    members = tuple(replace(member, weight=1 / len(term.members)) for member in term.members)
    return replace(term, members=members, vote=vote, quantiles=(), temperature=None)


def _of_fold(member: Member, fold: int, folder: Path) -> Member:
    models = tuple(model for model in member.models if model.fold == fold)
    if not models:
        raise EnsembleError(
            f"{folder}: trial {member.trial} has no model of fold {fold}; write the ensemble anew"
        )
    return replace(member, models=models)


def representatives(target: Target, labels: NDArray[np.int64]) -> dict[str, list[Scalar]]:
    """Cells of the target's columns that `target.encode` turns into `labels` (n,): a class's text, or the
    middle of a bin (the last, which has no end: as far above its edge as the middle before is below)."""
    if isinstance(target, Joint):
        digits = np.unravel_index(labels, target.sizes)
        found = [representatives(part, digit) for part, digit in zip(target.parts, digits, strict=True)]
        return {column: cells for part in found for column, cells in part.items()}
    if isinstance(target, OneHot):
        numbers = target.changes.numbers(target.columns)
        holds = [numbers.index(number) for number in range(len(target.classes))]  # one column for each class
        return {
            name: (np.array(holds)[labels] == at).astype(int).tolist()
            for at, name in enumerate(target.columns)
        }
    values: Sequence[Scalar] = _middles(target) if isinstance(target, Binned) else target.classes
    return {target.columns[0]: [values[label] for label in labels]}


def _middles(target: Binned) -> list[float]:
    edges = [0.0, *target.edges]  # values of a binned target are at least 0
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    return [*middles, edges[-1] + (edges[-1] - edges[-2]) / 2]


def label_manifest(
    ensemble: Ensemble,
    manifest: Manifest,
    threshold: float,
    tta: str | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """A row for each image and fold whose models give it a class with at least `threshold`, role extra.

    Columns only_fold, fold_plan_digest, confidence and the target's are new; the image's others stay. Raises
    EnsembleError (also when no label is that certain), ImageReadError, TrainableError.
    """
    if ensemble.task.multi_label:
        raise EnsembleError(
            f"{ensemble.path} predicts several labels of an image at once, each with a certainty of its own; "
            "pseudo-labels are of one label, so use an ensemble of such a target"
        )
    lone = uncovered_images(ensemble.target, [component.term for component in ensemble.components])
    if lone is not None:
        raise EnsembleError(f"{ensemble.path}: {lone}")
    k, digest = _folds_of(ensemble)
    tables, best = [], 0.0
    for fold, probabilities in enumerate(_fold_predictions(ensemble, k, manifest, tta, progress)):
        best = max(best, float(probabilities.max(initial=0.0)))
        # What is certain to one fold's models may not be to another's: it joins that fold alone.
        kept = np.flatnonzero(probabilities.max(axis=1) >= threshold)
        tables.append(_rows(ensemble.target, manifest.frame.iloc[kept], fold, probabilities[kept]))
    frame = pd.concat(tables, ignore_index=True).assign(**{FOLD_PLAN_DIGEST: digest})
    if frame.empty:
        raise EnsembleError(
            f"--threshold {threshold:g}: no label of {len(manifest)} images is that certain (the best: "
            f"{best:.3f}); lower it"
        )
    # A path or a group that looks like a number stays text.
    texts = {name: frame[name] for name in ("path", "group", "role")}
    tidied = normalise_column_types({str(name): frame[name].tolist() for name in frame.columns}).assign(
        **texts
    )
    note = f"labels of {ensemble.path.name} with a confidence of at least {threshold:g}"
    return Manifest(tidied, manifest.root.absolute(), f"pseudo-{manifest.name}", (note,))


def _fold_predictions(
    ensemble: Ensemble, k: int, manifest: Manifest, tta: str | None, progress: Progress | None
) -> Iterator[NDArray[np.float32]]:
    """(n, C) from the models of fold 0, of fold 1, ...; progress counts images times models of all folds."""
    paths, columns = image_paths(manifest), columns_of(manifest.frame)
    for fold in range(k):  # one at a time: all k probabilities of all images need not fit in memory

        def report(done: int, total: int, fold: int = fold) -> None:
            if progress is not None:
                progress(fold * total + done, k * total)

        yield fold_ensemble(ensemble, fold).predict(paths, report, tta, columns=columns)


def _rows(target: Target, frame: pd.DataFrame, fold: int, probabilities: NDArray[np.float32]) -> pd.DataFrame:
    """Of the kept rows of one fold. probabilities (n, C)."""
    labels = probabilities.argmax(axis=1)
    made = frame.assign(
        role="extra",
        group=[f"{GROUP_PREFIX}{group}" for group in frame["group"]],
        **{ONLY_FOLD: fold, CONFIDENCE: probabilities.max(axis=1).astype(np.float64)},
        **{name: pd.Series(cells, index=frame.index, dtype=object)
           for name, cells in representatives(target, labels).items()},
    )  # fmt: skip
    # Two parts of a joint target that read one column would overwrite each other's cells.
    if not np.array_equal(target.encode(made), labels):
        raise EnsembleError(
            f"target {target.name!r} reads one column twice ({', '.join(target.columns)}), so that no "
            "value stands for each of its classes; label with an ensemble of one of its parts"
        )
    return made


def _folds_of(ensemble: Ensemble) -> tuple[int, str]:
    """How many folds, and the digest of which row is in which (in an older folder: out-of-fold row)."""
    path = ensemble.path / "oof.parquet"
    try:
        k = int(ensemble.record.fold_plan["k"])
        if k < 1:
            raise ValueError(f"k is {k}")
        if ensemble.record.train_digest is not None:
            return k, ensemble.record.train_digest
        table = read_arrow(path)
        paths, folds = table["path"].to_pylist(), table["fold"].to_numpy()
    except (*UNREADABLE, KeyError, TypeError) as error:
        raise EnsembleError(
            f"{ensemble.path} does not say which rows its folds have ({error}); write the ensemble anew"
        ) from None
    return k, train_digest(paths, folds)


def summary(frame: pd.DataFrame, target: Target, images: int) -> list[str]:
    """A line for each fold that some row joins: how many of the images, and of which classes."""
    lines = []
    for fold, rows in frame.groupby(ONLY_FOLD):
        counts = histogram(target.encode(rows), target.task)
        lines.append(f"fold {fold}: {len(rows)} of {images} images; {counts}")
    return lines
