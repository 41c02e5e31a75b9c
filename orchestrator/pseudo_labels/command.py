"""What the command `pseudo_labels` does once its options are read."""

from __future__ import annotations

import argparse
from pathlib import Path

from orchestrator.cli.terminal import Terminal, log_warnings
from orchestrator.core.errors import InputError
from orchestrator.core.text import shortened
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.sources import rows_to_predict
from orchestrator.ensemble.trained_on import TrainedOn
from orchestrator.ensemble_record.finding import find_ensemble, newest_ensemble
from orchestrator.inputs.data_options import reading_of
from orchestrator.progress import progress_bar
from orchestrator.pseudo_labels.labelling import (
    label_manifest,
    summary,
)
from orchestrator.study.finding import find_study


def run(arguments: argparse.Namespace) -> None:
    """Raises InputError, StorageError."""
    log_warnings()
    console = Terminal(highlight=False, soft_wrap=True)
    _check_arguments(arguments)
    folder = _folder_of(arguments)
    ensemble = Ensemble.load(folder, trust=arguments.trust)
    console.print(f"ensemble: {folder}", markup=False)
    found = load_manifest(arguments.predict, reading=reading_of(arguments), data_root=arguments.data_root)
    for line in found.found:
        console.print(line, markup=False)
    manifest, which = rows_to_predict(found)
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
    done = f"labels: {arguments.out} ({len(labelled)} rows); next: tune ... --extra {arguments.out}"
    console.print(done, markup=False)


def _refuse_trained(known: TrainedOn, manifest: Manifest, source: str) -> None:
    """A model labels what it trained on with the label it was given, a validated row's among them."""
    same = known.rows(manifest)
    if same.any():
        first = shortened(manifest.frame["path"][same].tolist())
        raise InputError(
            f"--predict {source}: the ensemble was trained on {same.sum()} of these {len(same)} rows "
            f"({first}), so it knows their labels by heart; name images that have none"
        )


def _folder_of(arguments: argparse.Namespace) -> Path:
    if arguments.ensemble is None:
        return newest_ensemble(find_study(arguments.study, arguments.runs))
    return find_ensemble(arguments.ensemble, arguments.runs)


def _check_arguments(arguments: argparse.Namespace) -> None:
    if (arguments.ensemble is None) == (arguments.study is None):
        raise InputError("give --ensemble DIR or --study DIR, one of them")
    if not 0 < arguments.threshold <= 1:
        raise InputError(f"--threshold {arguments.threshold:g}: give a probability above 0 and at most 1")
    if arguments.out.suffix.lower() != ".parquet" or arguments.out.exists():
        raise InputError(
            f"--out {arguments.out}: name a .parquet file that does not exist (nothing was changed)"
        )
