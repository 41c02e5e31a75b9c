"""A submission, from what is asked for to the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.errors import EnsembleError, StorageError
from orchestrator.core.text import counted, shortened
from orchestrator.data.targets import Categorical, LabelColumns, LabelSets, OneHot, Target
from orchestrator.data.targets.changes import NO_CHANGES
from orchestrator.ensemble.submission.asked import LABELS, PROBABILITIES, Asked, needs_of
from orchestrator.ensemble.submission.deciding import decide
from orchestrator.ensemble.submission.filling import check, check_probabilities, fill
from orchestrator.ensemble.submission.ids import match_ids
from orchestrator.ensemble.submission.layout import Layout
from orchestrator.ensemble.submission.template import Template, rendered, without_formulas


@dataclass(frozen=True)
class Images:
    """What is predicted: m images."""

    paths: Sequence[str]  # (m,), relative to where they lie
    columns: Mapping[str, Sequence[str]]  # of their table, m cells each
    root: str = ""  # the folder that they lie below
    ids: str | None = None  # the column that names them; None: their paths do


@dataclass(frozen=True)
class Submission:
    """All that is known of a submission before anything is predicted."""

    path: Path
    template: Template
    layout: Layout
    asked: Asked
    rows: tuple[int, ...]  # the image of each row of the template
    without_formulas: bool = False  # no cell is one to a program that opens the file

    def says(self, images: int) -> str:
        """One line for the user. images: how many there are."""
        left = images - len(self.rows)
        verb = "is" if left == 1 else "are"
        more = f"; {counted(left, 'image')} that it does not name {verb} left out" if left else ""
        others = [repr(self.template.header[index]) for index in self.layout.kept[1:]]
        kept = f"; {shortened(others)} as in the template" if others else ""
        return f"template: {self.template.name}; {self.layout.says}{kept}{more}"


def refuse_existing(path: Path) -> None:
    """Raises EnsembleError when there is something at `path`."""
    if path.exists():
        raise EnsembleError(f"--submission {path} exists; name another file (nothing was changed)")


def asked_for(
    target: Target, metric: str, answer: str | None, columns: Mapping[str, Sequence[str]] | None = None
) -> Asked:
    """What the target, the metric and the training table's other columns (`column_spellings`) say of a
    template. answer: what the user says. Raises MetricError for a metric that is not known."""
    spread = isinstance(target, LabelColumns | OneHot)
    names = (target.name,) if spread else (target.name, *target.columns)
    separator = target.sep if isinstance(target, LabelSets) else None
    table = None if target.written == target.classes else target.written
    changes = (
        target.changes if isinstance(target, Categorical | LabelColumns | LabelSets | OneHot) else NO_CHANGES
    )
    gone = frozenset((*changes.left_out, *changes.merged)) - {*target.classes}
    needs = needs_of(metric)
    return Asked(target.task, table, names, spread, columns or {}, separator, metric, needs, gone, answer)


def plan_submission(path: Path, template: Template | None, asked: Asked, images: Images) -> Submission:
    """template: None makes one of the images' ids and the training table's label. Raises EnsembleError."""
    refuse_existing(path)
    if template is None:
        template, asked = _as_in_training(images, asked), replace(asked, answer=asked.answer or LABELS)
    layout = decide(template, asked)
    rows = match_ids(template, layout.kept, images.paths, images.columns, images.root)
    return Submission(path, template, layout, asked, tuple(rows))


def write(submission: Submission, probabilities: Probabilities, labels: Labels) -> None:
    """Checks and writes the file, whole or not at all. probabilities (n, C) and the labels decided, (n,) or
    (n, L), are of the template's rows. Raises EnsembleError, StorageError."""
    refuse_existing(submission.path)
    template, task = submission.template, submission.asked.task
    check_probabilities(probabilities, len(template.rows), task)
    filled = fill(template, submission.layout, task, probabilities, labels)
    check(replace(filled, name=str(submission.path)), template, submission.layout, task)
    try:
        with atomic_write(submission.path) as file:
            file.write(rendered(without_formulas(filled) if submission.without_formulas else filled))
    except OSError as error:
        raise StorageError(
            f"cannot write {submission.path}: {error.strerror}; name another --submission"
        ) from error


def refuse_others(submission: Submission, images: Images) -> None:
    """Raises EnsembleError for predictions of images that the template does not name."""
    others = np.setdiff1d(np.arange(len(images.paths)), submission.rows)
    if len(others):
        names = shortened([images.paths[row] for row in others])
        raise EnsembleError(
            f"template {submission.template.name} does not name {len(others)} of the {len(images.paths)} "
            f"images that were predicted: {names}; leave them out"
        )


def _as_in_training(images: Images, asked: Asked) -> Template:
    """The ids of the images and what the training table says of one: its label, or a column for each."""
    name = images.ids or "path"
    ids = images.columns[name] if images.ids else images.paths
    if asked.answer == PROBABILITIES:
        filled, cell = asked.task.classes, "0.5"
    elif asked.spread:
        filled, cell = asked.task.classes, "0"
    else:
        target, *columns = asked.label_columns
        filled, cell = (columns[0] if len(columns) == 1 else target,), ""
    rows = tuple((text, *[cell] * len(filled)) for text in ids)
    what = f"none, so column {name!r} as in the data and {shortened(filled)} as in the training table"
    return Template(what, (name, *filled), rows)
