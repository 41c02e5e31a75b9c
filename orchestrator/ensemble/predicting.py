"""What the command `ensemble` does with the images it is to predict."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.core.errors import EnsembleError
from orchestrator.data.importers.contract import Source
from orchestrator.data.manifest import NAMES_NO_GROUP, Manifest
from orchestrator.data.scalars import columns_of, to_scalars, to_text
from orchestrator.demo.faces import demo_faces
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.predictions import histogram, id_column, write_probabilities
from orchestrator.ensemble.shifting import shift_line
from orchestrator.ensemble.sources import image_paths, load_rows, rows_to_predict
from orchestrator.ensemble.submission.asked import Asked
from orchestrator.ensemble.submission.planning import (
    Images,
    Submission,
    plan_submission,
    refuse_existing,
    write,
)
from orchestrator.ensemble.submission.template import Template, read_template
from orchestrator.ensemble.trained_on import TrainedOn
from orchestrator.inputs.data_options import reading_of
from orchestrator.progress import progress_bar

Say = Callable[[str], None]
_TEMPLATE = re.compile("submission|submit|template|^sample$", re.IGNORECASE)
_ANSWER = "ans"  # what the mask competition calls the class


@dataclass(frozen=True)
class Rows:
    """What is predicted, and where it was read from."""

    manifest: Manifest
    source: Path


@dataclass(frozen=True)
class Plan:
    """The rows to predict, in the order of the submission's template where there is one."""

    manifest: Manifest
    submission: Submission | None


def find_rows(arguments: argparse.Namespace, say: Say) -> Rows | None:
    """Read and checked before anything slow begins. Raises ManifestError, InputError."""
    if arguments.submission is not None:
        refuse_existing(arguments.submission)
    source = arguments.predict or arguments.template
    if source is None:
        return None
    if source == "demo":
        with progress_bar("drawing demo faces") as progress:
            source = demo_faces(arguments.runs / ".cache", progress=progress) / "eval"
    read = load_rows(source, reading_of(arguments), arguments.data_root)
    manifest, which = rows_to_predict(read)
    for line in (*read.found, *(note for note in manifest.notes if NAMES_NO_GROUP not in note), which):
        say(line)  # who belongs to whom does not matter where nothing is trained
    return Rows(manifest, Path(source))


def planned(arguments: argparse.Namespace, rows: Rows, asked: Asked, say: Say) -> Plan:
    """What is asked for is settled before any work. Raises EnsembleError."""
    manifest = rows.manifest
    if arguments.submission is None:
        return Plan(manifest, None)
    template = _template_in(rows.source, asked) if arguments.template is None else arguments.template
    read = read_template(template) if isinstance(template, Path) else template
    submission = plan_submission(arguments.submission, read, asked, images_of(manifest))
    submission = replace(submission, without_formulas=arguments.safe_csv)
    say(submission.says(len(manifest)))
    frame = manifest.frame.iloc[list(submission.rows)].reset_index(drop=True)
    return Plan(replace(manifest, frame=frame), submission)


def predict(ensemble: Ensemble, plan: Plan, tta: str | None, runs: Path, seed: int, say: Say) -> Path:
    """Predicts, and writes the probabilities and the submission; before that says how far the images differ
    from those trained on. Returns the table of probabilities.

    Raises EnsembleError, TrainableError, StorageError.
    """
    manifest, submission = plan.manifest, plan.submission
    for warning in TrainedOn.of(ensemble).warnings(manifest):
        say(warning)
    shift = shift_line(ensemble, manifest, runs, seed)
    if shift is not None:
        say(shift)
    with progress_bar("predicting") as progress:
        probabilities = ensemble.predict(
            image_paths(manifest), progress, tta, columns=columns_of(manifest.frame)
        )
    task = ensemble.target.task
    labels = ensemble.decide(probabilities)
    path = write_probabilities(ensemble.path, manifest, probabilities, labels, task)
    say(f"probabilities: {path}")
    if submission is not None:
        write(submission, probabilities, labels)
        say(f"submission: {submission.path} ({len(labels)} rows)")
    say(f"predicted: {histogram(labels, task)}")
    return path


def images_of(manifest: Manifest) -> Images:
    """As a submission looks at them."""
    own = [str(name) for name in manifest.frame.columns if name not in ("path", "group", "role")]
    columns = {name: [to_text(cell) or "" for cell in to_scalars(manifest.frame[name])] for name in own}
    paths = [str(path) for path in manifest.frame["path"]]
    return Images(paths, columns, manifest.root.as_posix(), id_column(manifest))


def _template_in(source: Path, asked: Asked) -> Template | None:
    """What --predict names may be a template itself: by its name, or because beside the ids it has nothing
    but the label or the classes."""
    path = Source(source).table if source.exists() else None
    if path is None or path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        return None
    if _TEMPLATE.search(path.stem):
        return read_template(path)
    try:
        template = read_template(path)
    except EnsembleError:  # a table of images need not be one
        return None
    names = {_ANSWER, *asked.label_columns, *asked.task.classes, *(asked.table or ())}
    others = [name for name in template.header if name not in names]
    return template if len(others) == 1 else None
