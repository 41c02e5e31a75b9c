"""Labels for unlabelled images, fold by fold, to train another study of the same folds on.

python -m orchestrator.pseudo_labels --study runs/mask --predict more/ --out pseudo.parquet
python -m orchestrator.tune --space search_spaces/mask.py --data faces --extra pseudo.parquet

Fold f's training part gets the labels that the members' models of fold f gave. They trained on every fold
but f; labels from all models would carry what they learnt of a validation row into its training part. What is
left: as in every score of a study, validation scores chose the members and the epoch kept of each.
Method: D.-H. Lee, "Pseudo-Label", ICML 2013 workshop.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console

from orchestrator.arguments import absolute
from orchestrator.cascade import lone_condition
from orchestrator.cells import Plain, columns_of
from orchestrator.command import exit_code
from orchestrator.ensemble_folder import Ensemble, Member
from orchestrator.errors import EnsembleError, InputError
from orchestrator.extra_rows import train_digest
from orchestrator.importers import shortened
from orchestrator.manifest import JOINS_FOLD, JOINS_PLAN, Manifest, load_manifest
from orchestrator.privacy import private_files
from orchestrator.progress import progress_bar
from orchestrator.submission import histogram, image_paths, rows_to_predict
from orchestrator.table_file import tidy
from orchestrator.targets import Binned, Joint, Target
from orchestrator.trained_on import TrainedOn
from orchestrator.trial import TTA, Progress

CONFIDENCE = "confidence"
GROUP_PREFIX = "pseudo:"


# ---- labels ---------------------------------------------------------------------------------------


def fold_ensemble(ensemble: Ensemble, fold: int) -> Ensemble:
    """The same members, each with its model of one fold alone. Raises EnsembleError where one has none."""
    parts = tuple(
        replace(part, members=tuple(_of_fold(member, fold, ensemble.path) for member in part.members))
        for part in ensemble.parts
    )
    return replace(ensemble, parts=parts)


def _of_fold(member: Member, fold: int, folder: Path) -> Member:
    models = tuple(model for model in member.models if model.fold == fold)
    if not models:
        raise EnsembleError(
            f"{folder}: trial {member.trial} has no model of fold {fold}; write the ensemble anew"
        )
    return replace(member, models=models)


def representatives(target: Target, labels: NDArray[np.int64]) -> dict[str, list[Plain]]:
    """Cells of the target's columns that `target.encode` turns into `labels` (n,): a class's text, or the
    middle of a bin (the last, which has no end: as far above its edge as the middle before is below)."""
    if isinstance(target, Joint):
        digits = np.unravel_index(labels, target.sizes)
        found = [representatives(part, digit) for part, digit in zip(target.parts, digits, strict=True)]
        return {column: cells for part in found for column, cells in part.items()}
    values: Sequence[Plain] = _middles(target) if isinstance(target, Binned) else target.classes
    return {target.column: [values[label] for label in labels]}


def _middles(target: Binned) -> list[float]:
    edges = [0.0, *target.edges]
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

    Columns joins_fold, joins_plan, confidence and the target's are new; the image's others stay. Raises
    EnsembleError (also when no label is that certain), ImageReadError, TrainableError.
    """
    lone = lone_condition(ensemble.target, [part.term for part in ensemble.parts])
    if lone is not None:
        raise EnsembleError(f"{ensemble.path}: {lone}")
    k, digest = _folds_of(ensemble)
    paths, columns = image_paths(manifest), columns_of(manifest.frame)
    tables, best = [], 0.0
    for fold in range(k):

        def told(done: int, total: int, fold: int = fold) -> None:
            if progress is not None:
                progress(fold * total + done, k * total)

        probabilities = fold_ensemble(ensemble, fold).predict(paths, told, tta, columns=columns)
        best = max(best, float(probabilities.max(initial=0.0)))
        kept = np.flatnonzero(probabilities.max(axis=1) >= threshold)
        tables.append(_rows(ensemble.target, manifest.frame.iloc[kept], fold, probabilities[kept]))
    frame = pd.concat(tables, ignore_index=True).assign(**{JOINS_PLAN: digest})
    if frame.empty:
        raise EnsembleError(
            f"--threshold {threshold:g}: no label of {len(paths)} images is that certain (the best: "
            f"{best:.3f}); lower it"
        )
    texts = {name: frame[name] for name in ("path", "group", "role")}
    tidied = tidy({str(name): frame[name].tolist() for name in frame.columns}).assign(**texts)
    note = f"labels of {ensemble.path.name} with a confidence of at least {threshold:g}"
    return Manifest(tidied, manifest.root.absolute(), f"pseudo-{manifest.name}", (note,))


def _rows(target: Target, frame: pd.DataFrame, fold: int, probabilities: NDArray[np.float32]) -> pd.DataFrame:
    """Of the kept rows of one fold. probabilities (n, C)."""
    labels = probabilities.argmax(axis=1)
    made = frame.assign(
        role="extra",
        group=[f"{GROUP_PREFIX}{group}" for group in frame["group"]],
        **{JOINS_FOLD: fold, CONFIDENCE: probabilities.max(axis=1).astype(np.float64)},
        **{name: pd.Series(cells, index=frame.index, dtype=object)
           for name, cells in representatives(target, labels).items()},
    )  # fmt: skip
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
        k = int(ensemble.record["fold_plan"]["k"])
        if "train_digest" in ensemble.record:
            return k, str(ensemble.record["train_digest"])
        table = pq.read_table(path, columns=["path", "fold"])
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise EnsembleError(
            f"{ensemble.path} does not say which rows its folds have ({error}); write the ensemble anew"
        ) from None
    return k, train_digest(table["path"].to_pylist(), table["fold"].to_numpy())


# ---- the command ----------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 2 the input is wrong or the disk full, 130 interrupted."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    console = Console(highlight=False, soft_wrap=True)
    with private_files(arguments.private):
        return exit_code(lambda: _run(arguments, console), "interrupted; nothing half-written is left")


def _run(arguments: argparse.Namespace, console: Console) -> None:
    _check_arguments(arguments)
    folder = arguments.ensemble or _newest_ensemble(arguments.study)
    ensemble = Ensemble.load(folder)
    console.print(f"ensemble: {folder}", markup=False)
    manifest, which = rows_to_predict(load_manifest(arguments.predict, data_root=arguments.data_root))
    known = TrainedOn.of(ensemble)
    _refuse_trained(known, manifest, arguments.predict)
    console.print(which, markup=False)
    warning = known.warning(manifest)
    if warning is not None:
        console.print(warning, markup=False)
    with progress_bar("labelling") as progress:
        labelled = label_manifest(ensemble, manifest, arguments.threshold, arguments.tta, progress)
    labelled.write(arguments.out)
    for line in summary(labelled.frame, ensemble.target, len(manifest)):
        console.print(line, markup=False)
    console.print(f"labels: {arguments.out} ({len(labelled)} rows); next: tune ... --extra {arguments.out}")


def _refuse_trained(known: TrainedOn, manifest: Manifest, source: str) -> None:
    """A model labels what it trained on with the label it was told, a validated row's among them."""
    same = known.rows(manifest)
    if same.any():
        first = shortened(manifest.frame["path"][same].tolist())
        raise InputError(
            f"--predict {source}: the ensemble was trained on {same.sum()} of these {len(same)} rows "
            f"({first}), so it knows their labels by heart; name images that have none"
        )


def _check_arguments(arguments: argparse.Namespace) -> None:
    if (arguments.ensemble is None) == (arguments.study is None):
        raise InputError("give --ensemble DIR or --study DIR, one of them")
    if not 0 < arguments.threshold <= 1:
        raise InputError(f"--threshold {arguments.threshold:g}: give a probability above 0 and at most 1")
    if arguments.out.suffix.lower() != ".parquet" or arguments.out.exists():
        raise InputError(
            f"--out {arguments.out}: name a .parquet file that does not exist (nothing was changed)"
        )


def _newest_ensemble(study: Path) -> Path:
    found = [path.parent for path in study.glob("*/ensemble.json")]
    if not found:
        raise EnsembleError(
            f"{study} holds no ensemble; make one with `python -m orchestrator.ensemble --study {study}`"
        )
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def summary(frame: pd.DataFrame, target: Target, images: int) -> list[str]:
    """A line for each fold that some row joins: how many of the images, and of which classes."""
    lines = []
    for fold, rows in frame.groupby(JOINS_FOLD):
        counts = histogram(target.encode(rows), target.classes)
        lines.append(f"fold {fold}: {len(rows)} of {images} images; {counts}")
    return lines


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m orchestrator.pseudo_labels", description=(__doc__ or "").split("\n")[0]
    )
    add = made.add_argument
    add("--ensemble", type=Path, metavar="DIR", help="whose fold models label")
    add("--study", type=Path, metavar="DIR", help="the same: the newest ensemble in this study's folder")
    add("--predict", required=True, metavar="MANIFEST", help="the images: a manifest or its folder")
    add("--data-root", type=absolute, metavar="DIR", help="where a table's images lie, if not beside it")
    add("--out", type=Path, required=True, metavar="FILE", help="Parquet to write, for tune --extra")
    add("--threshold", type=float, default=0.9, help="least probability of a label (default: 0.9)")
    add("--tta", choices=TTA, help="test-time augmentation (default: the ensemble's)")
    add("--private", action="store_true", help="files that nobody but you can read (umask 077)")
    return made


if __name__ == "__main__":
    sys.exit(main())
