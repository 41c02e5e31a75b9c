"""Whether the rows to predict are like the training rows, and what tells them apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchestrator.check.features import Described, features_of
from orchestrator.check.look import Look
from orchestrator.check.stage_baseline import baseline_rows, dealt, honest_folds, rows_of
from orchestrator.check.stage_result import StageResult
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.core.metrics import score
from orchestrator.core.text import counted
from orchestrator.data.quality.baseline import out_of_fold
from orchestrator.data.quality.dealt_folds import dealt_folds
from orchestrator.data.quality.differences import MEDIUM, Difference, differences
from orchestrator.data.quality.pixel_features import simple_properties
from orchestrator.data.quality.shift import Weights
from orchestrator.data.quality.task_labels import TaskLabels
from orchestrator.evaluation.domain_shift import DomainShift, domain_shift, too_few
from orchestrator.evaluation.leak_value import strata_of
from orchestrator.evaluation.weighted_score import weighted_score
from orchestrator.pages.blocks import Block, Pictures, Table
from orchestrator.progress import progress_bar

SHOWN = 12  # pictures of rows that are least like training rows
NAMED = 3  # properties in a finding
EVIDENCE = 50  # rows of a finding


def look_at_shift(look: Look) -> StageResult:
    """Raises TrainableError, WeightsError, StorageError."""
    new = np.asarray(look.roles == "test", np.bool_)
    if not new.any():
        return StageResult()
    described = features_of(look)
    rows = np.flatnonzero(described.usable)
    groups = look.joined[rows]
    few = too_few(new[rows], groups)
    if few:
        left_out = _left_out(len(look) - len(rows))
        return StageResult((coded("FO152", Level.OK, f"too little to compare: {few}{left_out}"),))
    with progress_bar("comparing rows to predict with training rows") as progress:
        found = domain_shift(described.features[rows], new[rows], groups, look.arguments.seed, progress)
    told = differences(simple_properties(look.measures, look.paths), new)
    line = f"shift: by {described.by}, {found}"
    blocks: list[Block] = [_differences(told)] if told else []
    if not found.is_certain:
        return StageResult((), tuple(blocks), (line,))
    unlike = tuple(int(row) for row in rows[found.most_unlike])
    blocks += [_pictures(unlike), *_weighted(look, described, rows[~found.is_new], found.weights)]
    return StageResult((_finding(found, told, unlike),), tuple(blocks), (line,))


def _left_out(count: int) -> str:
    return f"; not counted: {counted(count, 'row')} that cannot be read" if count else ""


def _finding(found: DomainShift, told: list[Difference], unlike: tuple[int, ...]) -> Finding:
    named = [f"{item.name} {item.first} against {item.second}" for item in told if abs(item.effect) >= MEDIUM]
    which = f"; in training and to predict: {', '.join(named[:NAMED])}" if named else ""
    return coded(
        "FO151",
        Level.WARNING,
        f"{found}{which}",
        "let training see such images (augmentation, extra rows), and judge by rows that are like those to "
        "predict: hold out their camera, place or time, or read the weighted scores",
        rows=unlike[:EVIDENCE],
    )


def _differences(told: list[Difference]) -> Table:
    rows = tuple((item.name, item.first, item.second, item.effect) for item in told)
    note = (
        "Medians, or the most frequent values. Effect: Cliff's delta, or the share that would have to "
        f"change; from {MEDIUM} on it counts as medium."
    )
    columns = ("", "training", "to predict", "effect")
    return Table("what tells rows to predict from training rows", columns, rows, note)


def _pictures(unlike: tuple[int, ...]) -> Pictures:
    sets = tuple((row,) for row in unlike[:SHOWN])
    return Pictures("rows to predict that are least like training rows", sets)


def _weighted(
    look: Look, described: Described, known: NDArray[np.int64], weights: Weights
) -> tuple[Table, ...]:
    """Scores of the quick baseline, plain and weighted as the rows to predict. known: rows of the weights."""
    by_row = np.full(len(look), np.nan)
    by_row[known] = weights.values
    rows = tuple(_scores(look, task, described, by_row) for task in look.tasks)
    if not rows:
        return ()
    note = (
        "Out of fold, of logistic regression, groups and copies kept together. Weights: how much more "
        "frequent such a row is among those to predict, by models that did not see its group; right where "
        "only the images' kind shifts, and not what a kind is labelled. "
        f"{weights.effective_rows:.0f} effective of {len(known)} rows"
        f"{f', {weights.clipped:.1%} of the weights cut' if weights.clipped else ''}."
    )
    columns = ("", "metric", "plain", "weighted", "95% interval")
    return (Table("a quick baseline, plain and as rows to predict weigh it", columns, rows, note),)


def _scores(
    look: Look, task: TaskLabels, described: Described, by_row: NDArray[np.float64]
) -> tuple[str, str, float, float, str]:
    rows = baseline_rows(look, task, described)
    given, rng = rows_of(look, task, described, rows), np.random.default_rng(look.arguments.seed)
    folds = honest_folds(look, rows, given.groups)
    if folds is None:
        folds = dealt_folds(given.groups, strata_of(given.labels), dealt(look), rng)
    answers = out_of_fold(given.features, given.labels, folds, given.classes)
    found = weighted_score(given.labels, answers, by_row[rows], given.groups, given.metric, rng)
    ends = f"{found.low:.3f} to {found.high:.3f}"
    return task.name, given.metric, score(given.metric, given.labels, answers), found.score, ends
