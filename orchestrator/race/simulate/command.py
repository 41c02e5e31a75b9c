"""What the command `race.simulate` does once its options are read."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from orchestrator.core.arrays import Floats
from orchestrator.core.errors import InputError
from orchestrator.core.metrics import METRICS, score
from orchestrator.data.parquet_files import UNREADABLE, first_words, frame_of, read_arrow
from orchestrator.race import RULES, RaceConfig, make_race
from orchestrator.race.config import NUMERIC_KNOBS
from orchestrator.race.simulate.rule_specs import Entry, parse_entry
from orchestrator.race.simulate.summary import Terms, summary, to_json
from orchestrator.race.simulate.table import CurveTable, CurveTableError, build_table
from orchestrator.race.simulate.tournament import Contest, hold

SHOWN = ("fold_epochs", "makespan", "cv_regret", "test_regret", "same_pick", "complete_trials", "ensemble")


def read_table(folder: Path) -> CurveTable:
    """Raises CurveTableError."""
    if not (folder / "epochs.parquet").is_file():
        raise CurveTableError(f"{folder}/epochs.parquet is missing; TABLE must be a folder that holds it")
    curves, meta = _parquet(folder / "epochs.parquet")
    trials = _parquet(folder / "trials.parquet")[0] if (folder / "trials.parquet").is_file() else None
    table = build_table(curves, trials, str(folder), meta.get("mode", "max"))
    votes = folder / "votes.parquet"
    return _with_votes(table, votes, np.unique(curves["trial"]).tolist()) if votes.is_file() else table


def _parquet(path: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """Rows, and the schema's metadata."""
    try:
        stored = read_arrow(path)
    except UNREADABLE as error:
        raise CurveTableError(f"{path} cannot be read as Parquet: {first_words(error)}") from None
    stated = (stored.schema.metadata or {}).items()
    meta = {key.decode(): value.decode("utf-8", "replace") for key, value in stated}
    frame = frame_of(stored)
    return frame, meta


def _with_votes(table: CurveTable, path: Path, trials: Sequence[int]) -> CurveTable:
    """With each trial's probabilities (trials, rows, classes), stored in thousandths, and the rows' labels.

    NaN for a trial that has none.
    """
    stored, meta = _parquet(path)
    try:
        labels = np.array(json.loads(meta["labels"]), dtype=np.int64)
        rows = {int(trial): np.array(votes) for trial, votes in stored[["trial", "thousandths"]].to_numpy()}
        empty = np.full(len(next(iter(rows.values()))), np.nan)
        votes = np.array([rows.get(int(trial), empty) for trial in trials]) / 1000
        probabilities = votes.reshape(len(trials), len(labels), -1).astype(np.float32)
        metric = meta.get("metric", table.metric)
        judged = metric if metric in METRICS else table.metric  # a table on disk runs no code of its own
        voted = replace(table, votes=probabilities, labels=labels, metric=judged)
        return voted if np.isfinite(table.test).any() else replace(voted, test=_test_scores(voted))
    except (KeyError, ValueError, TypeError, StopIteration):
        raise CurveTableError(
            f"{path}: it needs the columns trial and thousandths, equally many for each trial, and labels in "
            "its metadata; correct it or take it away"
        ) from None


def _test_scores(table: CurveTable) -> Floats:
    """(trials,) of the votes, the larger the better; NaN for a trial that has none."""
    assert table.votes is not None and table.labels is not None  # the caller has just read them
    sign = -1.0 if METRICS[table.metric].mode == "min" else 1.0
    votes, labels = table.votes, table.labels
    return np.array(
        [sign * score(table.metric, labels, vote) if np.isfinite(vote).all() else np.nan for vote in votes]
    )


def drawn_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What is printed: means, the interval below each; columns that no rule has are left out."""
    shown = [name for name in SHOWN if any(row[name] is not None for row in rows)]
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("rule", min_width=max(len(row["rule"]) for row in rows), overflow="fold")
    for name in shown:
        table.add_column(name.replace("_", "\n"), justify="right", no_wrap=True)
    for row in rows:
        numbers = ", ".join(f"{name}={value}" for name, value in row["numbers"].items())
        table.add_row(f"{row['rule']}\n[dim]{numbers}[/dim]", *(_cell(row, name) for name in shown))
    return table


def _cell(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return "-"
    form = "{:.4f}" if name in ("cv_regret", "test_regret", "ensemble") else "{:.2f}"
    form = "{:.0f}" if name in ("fold_epochs", "makespan") else form
    low, high = (form.format(item) for item in row[f"{name}_interval"])
    few = f"\n[dim]({row[f'{name}_draws']} draws)[/dim]" if row[f"{name}_draws"] < row["draws"] else ""
    return f"{form.format(row[name])}\n[dim]{low}[/dim]\n[dim]{high}[/dim]{few}"


def _entries(options: argparse.Namespace) -> tuple[Entry, ...]:
    numbers = {name: getattr(options, name) for name in NUMERIC_KNOBS}
    given = {name: value for name, value in numbers.items() if value is not None}
    return tuple(parse_entry(text, given) for text in options.rules or RULES)


def run(options: argparse.Namespace) -> int:
    """Races the rules and prints how they did. Raises InputError."""
    table = read_table(options.table)
    trials, folds, max_t = table.scores.shape
    if options.subset is not None and not 2 <= options.subset <= trials:
        much = f"give 2 to {trials}" if trials > 2 else "leave it out"
        raise InputError(f"--subset {options.subset}: the table has {trials} trials; {much}")
    if not 0 <= options.failures <= 1:
        raise InputError(f"--failures {options.failures}: give a share from 0 to 1")
    if not 0 <= options.startup < float("inf"):
        raise InputError(f"--startup {options.startup}: give seconds from 0 up")
    entries = _entries(options)
    for entry in entries:
        make_race(entry.key, RaceConfig(options.subset or trials, folds, max_t, **entry.numbers))
    terms = Terms(options.slots, options.failures, options.startup)
    contest = Contest(table, entries, terms, options.subset, options.seed)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("racing", total=options.draws)
        results = hold(
            contest, options.draws, options.workers, lambda done, _: bar.update(task, completed=done)
        )
    rows = [
        summary(entry, [row[index] for row in results], options.seed) for index, entry in enumerate(entries)
    ]
    if options.json:
        print(to_json(rows))
        return 0
    size = f"{options.subset or trials} of {trials} trials x {folds} folds x {max_t} epochs"
    Console(soft_wrap=True).print(
        drawn_table(rows),
        f"{size}, {options.slots} slots, {options.draws} draws: mean, below it the ends of its 95% interval",
        sep="\n",
    )
    return 0
