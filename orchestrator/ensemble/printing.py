"""What the command prints about an ensemble's scores, each number with what it says and what it does not."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.ensemble.chain_rule import formula
from orchestrator.ensemble.members import EnsembleInputs, StudyCandidates
from orchestrator.ensemble.scoring import Scores, StudyScores
from orchestrator.evaluation.fold_scores import FoldScores
from orchestrator.study.study import CompleteTrial


def print_scores(console: Console, inputs: EnsembleInputs, scores: Scores, vote: str) -> None:
    """Tables per study and for what they make up together, then the estimates in words."""
    for study, scored in zip(inputs.studies, scores.studies, strict=True):
        console.print(_study_table(study, scored, vote))
    if inputs.combined:
        console.print(_combined_table(inputs, scores))
    console.print(_metrics_table(scores))
    for estimate in scores.estimates.values():
        console.print(f"{estimate.title}: {estimate}", markup=False, soft_wrap=True)
        console.print(_indented(estimate.meaning, console.width), markup=False, soft_wrap=True)


def _indented(text: str, width: int) -> str:
    """Without the spaces that rich would fill every line up with."""
    edge = " " * 2
    return textwrap.fill(text, width, initial_indent=edge, subsequent_indent=edge, break_on_hyphens=False)


def _study_table(study: StudyCandidates, scored: StudyScores, vote: str) -> Table:
    rows = f" on the {study.rows_scored} rows where that holds" if study.space.given else ""
    title = f"{study.name}: {study.term}, out-of-fold {study.space.metric}{rows} (best epoch)"
    table = _table(title, "trial", list(scored.vote.scores))
    for trial, _ in study.members:
        table.add_row(str(trial.number), *_cells(scored.members[trial.number], _epochs(trial)))
    table.add_section()
    table.add_row(f"{vote} vote of {len(study.members)}", *_cells(scored.vote))
    return table


def _combined_table(inputs: EnsembleInputs, scores: Scores) -> Table:
    size, rule = len(inputs.target.classes), formula(inputs.target, inputs.terms)
    title = f"{inputs.target.name}: {size} classes, {rule}, out-of-fold {inputs.metric}"
    table = _table(title, "", list(scores.vote.scores))
    table.add_row("combined", *_cells(scores.vote))
    return table


def _metrics_table(scores: Scores) -> Table:
    """The metric that decided stands first."""
    table = Table(title=Text("the ensemble by every metric that applies"), title_justify="left")
    table.add_column("metric", no_wrap=True)
    table.add_column("better", no_wrap=True)
    for column in ("out-of-fold", "mean of folds", "SD"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, item in scores.metrics.items():
        better = "larger" if item.mode == "max" else "smaller"
        table.add_row(Text(name), better, *map(_number, (item.oof, item.folds.mean, item.folds.sd)))
    return table


def _table(title: str, first: str, folds: Sequence[int]) -> Table:
    table = Table(title=Text(title), title_justify="left")
    table.add_column(first)
    for fold in folds:
        table.add_column(f"fold {fold}", justify="right")
    table.add_column("mean", justify="right")
    table.add_column("SD", justify="right")
    return table


def _cells(scores: FoldScores, epochs: dict[int, int] | None = None) -> list[str]:
    marks = {fold: "" if epochs is None else f" ({epochs[fold]})" for fold in scores.scores}
    folds = [f"{value:.4f}{marks[fold]}" for fold, value in scores.scores.items()]
    return [*folds, f"{scores.mean:.4f}", _number(scores.sd)]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"


def _epochs(trial: CompleteTrial) -> dict[int, int]:
    return {best.fold: best.epoch for best in trial.bests}
