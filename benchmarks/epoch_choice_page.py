"""docs/benchmarks/epoch_choice.md, from the draws of benchmarks.epoch_choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

TODAY = "per_fold"

HEAD = """# Which epoch of a fold run is kept

Written by `python -m benchmarks.epoch_choice --tables runs/tables --draws {draws} --write`, seed {seed},
version {race} of the race: {worlds}.

A draw is much as in [simulated studies](simulated_studies.md): random configurations of a world, some
groups drawn as validation rows (without replacement here, at most half of all), the default race run on
their scores. Each way of choosing epochs is then given the race's same complete trials (three), so all of
them are compared on the same draws. All other groups are held out; none of either was trained on. Tables are
exhaustive and hold every fold-epoch's probabilities of these groups (`python -m benchmarks.stored_tables`).

*Held out* is the macro-F1 of the vote on the held-out groups, each row answered by the mean of the folds'
models; *against today* is its difference from the first line, with the 95% interval of the mean over draws;
*flatters* is the score of the out-of-fold rows, on which epochs were chosen, minus that of the same models on
the held-out groups (each row judged by each fold's models in turn).
"""


CONCLUSION = """
What it comes to, by the run of 2026-11-29: **the best epoch of each fold, by the study's metric, stays the
default**. The least log loss after temperature ("refine, then calibrate", Berta et al. 2025) gives clearly
better votes in three worlds, by 0.0005 to 0.0024, but not in the fourth, where macro-F1 hangs on a handful
of people over 60: there it loses 0.001 to 0.003, for greedy weights beyond the interval. That is no clear
win. One epoch for all folds loses a little where curves jump (fashion) and gains a little elsewhere; the last
two epochs lose 0.008 where networks train too long.

What every alternative does is to flatter less: the best trial's own score is 0.02 to 0.08 too high under
today's choice and half of that under the others, while a vote of three is flattered less than its best member
under all of them. So a vote's gain over its best member, as the validation rows show it, is too small, which
the gate of `--vote auto` allows for; and the estimate that replays the whole race chooses the epochs again in
every replay and needs no help from here.
"""

Rows = Sequence[Mapping[str, Any]]
Titles = Mapping[str, str]


def page(rows: Rows, titles: Titles, votes: Titles, seed: int) -> str:
    worlds = list(dict.fromkeys(row["world"] for row in rows))
    counts = {world: sum(row["world"] == world for row in rows) for world in worlds}
    told = ", ".join(f"{count} of {world}" for world, count in counts.items())
    races = " and ".join(sorted({str(row["race"]) for row in rows}))
    parts = [HEAD.format(draws=max(counts.values()), seed=seed, worlds=told, race=races)]
    parts.append(_overall(rows, worlds, titles, votes) + CONCLUSION)
    for world in worlds:
        own = [row for row in rows if row["world"] == world]
        parts.append(f"## {world}\n\n{_table(own, titles, votes)}")
    return "\n".join(parts)


def _overall(rows: Rows, worlds: Sequence[str], titles: Titles, votes: Titles) -> str:
    """How often a choice beats, or loses to, today's beyond its interval."""
    lines = [
        "| choice of epoch | clearly better than today | clearly worse | mean of the differences |",
        "|---|---|---|---|",
    ]
    for key, title in titles.items():
        if key == TODAY:
            continue
        found = [_against_today(rows, world, key, vote) for world in worlds for vote in votes]
        better = sum(mean - half > 0 for mean, half in found)
        worse = sum(mean + half < 0 for mean, half in found)
        cases = len(found)
        mean = np.mean([item[0] for item in found])
        lines.append(f"| {title} | {better} of {cases} | {worse} of {cases} | {mean:+.4f} |")
    return "Of " + f"{len(worlds)} worlds x {len(votes)} votes:\n\n" + "\n".join(lines) + "\n"


def _against_today(rows: Rows, world: str, key: str, vote: str) -> tuple[float, float]:
    own = [row for row in rows if row["world"] == world]
    differences = np.array([row[f"{key}/{vote}"][2] - row[f"{TODAY}/{vote}"][2] for row in own])
    return _mean_and_half(differences)


def _mean_and_half(values: np.ndarray) -> tuple[float, float]:
    """Mean over draws and half the width of its 95% interval."""
    error = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(values.mean()), float(1.96 * error)


def _table(rows: Rows, titles: Titles, votes: Titles) -> str:
    head = "".join(f" {name}: held out | against today | flatters |" for name in votes.values())
    lines = [f"| choice of epoch |{head}", "|---|" + "---|---|---|" * len(votes)]
    for key, title in titles.items():
        cells = [_cells(rows, key, vote) for vote in votes]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cells(rows: Rows, key: str, vote: str) -> str:
    seen, of_folds, of_mean = np.array([row[f"{key}/{vote}"] for row in rows]).T
    mean, half = _mean_and_half(of_mean - np.array([row[f"{TODAY}/{vote}"][2] for row in rows]))
    against = "" if key == TODAY else f"{mean:+.4f} +- {half:.4f}"
    return f"{of_mean.mean():.4f} | {against} | {(seen - of_folds).mean():+.4f}"
