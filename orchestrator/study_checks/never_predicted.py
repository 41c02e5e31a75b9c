"""FO020: a class that many rows have and the best trial never names."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.metrics import find
from orchestrator.core.metrics.class_counts import THRESHOLD
from orchestrator.core.text import counted, shortened
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO020"
LEAST = 20  # rows of a class; below, none named may be chance
EVIDENCE = 50  # rows of a finding


def look(material: Material) -> Iterator[Finding]:
    metric = find(material.space.metric)
    if metric.needs != "labels":
        raise UnseenError(f"{material.space.metric} judges probabilities, not the classes that are named")
    number = material.best.number
    answered, classes = material.answered(number), material.space.target.classes
    never = unnamed(answered.labels, answered.probabilities)
    if not never:
        yield fine(CODE, f"trial {number} names every class that {LEAST} rows or more have")
        return
    listed = shortened([f"{classes[one]} ({counted(rows, 'row')})" for one, rows in never.items()], 5)
    has = answered.labels[:, list(never)].any(axis=1) if answered.labels.ndim == 2 else np.isin(
        answered.labels, list(never)
    )  # fmt: skip
    yield coded(
        CODE,
        Level.WARNING,
        f"trial {number} never names {counted(len(never), 'class', 'classes')}: {listed}",
        "let the search try losses and sampling for rare classes; python -m orchestrator.ensemble --decide "
        "auto "
        "moves the decision towards them",
        rows=answered.rows[has][:EVIDENCE],
        trials=(number,),
    )


def unnamed(labels: Labels, probabilities: Probabilities) -> dict[int, int]:
    """Class -> its rows, of those that no row is said to have. Both (n, L), or labels (n,) and (n, C)."""
    if labels.ndim == 2:
        rows, named = labels.sum(axis=0), (probabilities >= THRESHOLD).sum(axis=0)
    else:
        size = probabilities.shape[1]
        rows = np.bincount(labels, minlength=size)
        named = np.bincount(probabilities.argmax(axis=1), minlength=size)
    return {int(one): int(rows[one]) for one in np.flatnonzero((rows >= LEAST) & (named == 0))}
