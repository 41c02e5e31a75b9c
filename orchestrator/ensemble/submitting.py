"""A submission from Python: what the command `ensemble --submission` does, of predictions that are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from orchestrator.core.arrays import Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.ensemble.folder import Columns, Ensemble
from orchestrator.ensemble.submission.asked import ANSWERS, Asked
from orchestrator.ensemble.submission.planning import (
    Images,
    asked_for,
    plan_submission,
    refuse_others,
    write,
)
from orchestrator.ensemble.submission.template import read_template


def asked_of(ensemble: Ensemble, answer: str | None = None) -> Asked:
    """What an ensemble says of a template. A folder of before they were kept knows no other spellings."""
    record = ensemble.record
    return asked_for(ensemble.target, record.metric, answer, record.spellings)


def write_submission(
    path: Path | str,
    ensemble: Ensemble,
    paths: Sequence[Path | str],
    probabilities: Probabilities,
    *,
    template: Path | str | None = None,
    answer: str | None = None,
    columns: Columns | None = None,
) -> str:
    """Writes what the template asks for of `ensemble.predict(paths)`; returns in one line what that was.

    probabilities: (len(paths), len(ensemble.classes)). template: a sample submission, whose ids, order,
    columns and form are kept; None writes each path and the label as the training table has it.
    answer: "labels" or "probabilities", where the template's cells leave that open. columns: of the images'
    table, each of len(paths); one of the template's name knows its ids. Raises EnsembleError, StorageError.
    """
    if answer not in (None, *ANSWERS):
        raise EnsembleError(f"answer={answer!r} is not known; use {' or '.join(ANSWERS)}")
    asked = asked_of(ensemble, answer)
    cells = {name: [str(cell) for cell in column] for name, column in (columns or {}).items()}
    images = Images([str(item) for item in paths], cells)
    read = None if template is None else read_template(Path(template))
    submission = plan_submission(Path(path), read, asked, images)
    refuse_others(submission, images)
    rows = np.array(submission.rows, np.int64)
    if len(probabilities) != len(images.paths):
        raise EnsembleError(f"there are {len(probabilities)} predictions of {len(images.paths)} images")
    chances = probabilities[rows]
    write(submission, chances, ensemble.decide(chances))
    return submission.says(len(images.paths))
