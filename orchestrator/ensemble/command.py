"""What the command `ensemble` does once its options are read."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from orchestrator.core.errors import InputError
from orchestrator.core.text import counted
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.data.scalars import columns_of
from orchestrator.demo.faces import demo_faces
from orchestrator.ensemble.building import default_out
from orchestrator.ensemble.chain_rule import formula, uncovered_images
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.members import EnsembleInputs, gather
from orchestrator.ensemble.printing import print_scores
from orchestrator.ensemble.scoring import score_parts
from orchestrator.ensemble.submission import (
    check_submission,
    histogram,
    image_paths,
    rows_to_predict,
    write_probabilities,
    write_submission,
)
from orchestrator.ensemble.trained_on import TrainedOn
from orchestrator.ensemble.writing import check_out, write_ensemble
from orchestrator.inputs.data_options import reading_of
from orchestrator.progress import progress_bar
from orchestrator.study.finding import find_study


def run(arguments: argparse.Namespace) -> None:
    """Raises InputError, StorageError, NoCompleteTrialError."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)  # a log has no edge
    _check_arguments(arguments)
    studies = None if arguments.ensemble is not None else _studies(arguments, console)
    manifest = _manifest_to_predict(arguments, console)
    if studies is None:
        folder = arguments.ensemble
        _say(console, f"ensemble: {folder}")
    else:
        folder = _build(studies, arguments, console)
    ensemble = Ensemble.load(folder, trust=arguments.trust)
    if ensemble.tta_differs(arguments.tta):
        _say(console, _other_views(ensemble, arguments.tta))
    lone = uncovered_images(ensemble.target, [component.term for component in ensemble.components])
    if lone is not None:
        _say(console, f"note: {lone}")
    if manifest is not None:
        _predict(ensemble, manifest, arguments, console)
    elif studies is not None:
        _say(console, f"next: python -m orchestrator.ensemble --ensemble {folder} --predict MANIFEST")


def _check_arguments(arguments: argparse.Namespace) -> None:
    if arguments.ensemble is not None:
        given = [name for name in ("study", "top", "vote", "out") if getattr(arguments, name) is not None]
        if given:
            raise InputError(
                f"--{given[0]}: an ensemble that exists (--ensemble) is used as it is; leave it out"
            )
        if arguments.predict is None:
            raise InputError("--ensemble needs --predict MANIFEST; it says what to predict")
    if arguments.submission is not None and arguments.predict is None:
        raise InputError("--submission needs --predict with the evaluation folder (info.csv and images/)")


# ---- building -------------------------------------------------------------------------------------


def _build(studies: Sequence[Path], arguments: argparse.Namespace, console: Console) -> Path:
    out = arguments.out or default_out(studies, arguments.runs)
    check_out(out)
    vote = arguments.vote or "soft"
    inputs = gather(studies, arguments.top, arguments.trust)
    _say(console, _members_line(inputs, vote))
    if inputs.combined or inputs.studies[0].space.given:
        _say(console, f"predicts: {formula(inputs.target, inputs.terms)}")
    with progress_bar("resampling groups") as progress:
        scores = score_parts(inputs, vote, np.random.default_rng(arguments.seed), progress)
    print_scores(console, inputs, scores, vote)
    with progress_bar("copying weights") as progress:
        write_ensemble(out, inputs, scores, vote, arguments.tta, progress)
    _say(console, f"ensemble: {out}")
    return Path(out)


def _studies(arguments: argparse.Namespace, console: Console) -> list[Path]:
    if arguments.study is None:
        newest = find_study(None, arguments.runs)
        _say(console, f"study: {newest} (the newest in {arguments.runs})")
        return [newest]
    paths = [find_study(given, arguments.runs) for given in arguments.study]
    for path in paths:
        _say(console, f"study: {path}")
    return paths


def _members_line(inputs: EnsembleInputs, vote: str) -> str:
    members, k = sum(study.top for study in inputs.studies), inputs.plan.k
    return f"members: {counted(members, 'trial')} x {k} folds = {members * k} models, {vote} vote over trials"


# ---- predicting -----------------------------------------------------------------------------------


def _manifest_to_predict(arguments: argparse.Namespace, console: Console) -> Manifest | None:
    """Read and checked before anything slow begins."""
    if arguments.predict is None:
        return None
    source = Path(arguments.predict)
    if arguments.predict == "demo":
        with progress_bar("drawing demo faces") as progress:
            source = demo_faces(arguments.runs / ".cache", progress=progress) / "eval"
    found = load_manifest(source, reading=reading_of(arguments), data_root=arguments.data_root)
    manifest, which = rows_to_predict(found)
    if arguments.submission is not None:
        check_submission(arguments.submission, manifest)
    _say(console, which)
    return manifest


def _predict(ensemble: Ensemble, manifest: Manifest, arguments: argparse.Namespace, console: Console) -> None:
    warning = TrainedOn.of(ensemble).warning(manifest)
    if warning is not None:
        _say(console, warning)
    with progress_bar("predicting") as progress:
        probabilities = ensemble.predict(
            image_paths(manifest), progress, arguments.tta, columns=columns_of(manifest.frame)
        )
    path = write_probabilities(ensemble.path, manifest, probabilities, ensemble.classes)
    _say(console, f"probabilities: {path}")
    predicted = probabilities.argmax(axis=1)
    if arguments.submission is not None:
        write_submission(arguments.submission, manifest, predicted)
        _say(console, f"submission: {arguments.submission} ({len(predicted)} rows)")
    _say(console, f"predicted: {histogram(predicted, ensemble.classes)}")


def _other_views(ensemble: Ensemble, tta: str | None) -> str:
    validated = sorted({member.tta for component in ensemble.components for member in component.members})
    return (
        f"note: predictions are made with tta {tta or ensemble.tta}; the out-of-fold scores were obtained "
        f"with tta {', '.join(validated)}"
    )


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
