"""The page of `benchmarks.ensemble_race`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from orchestrator.core.arrays import Floats

BEGIN, END = "<!-- figures: written by benchmarks.ensemble_race -->", "<!-- end of figures -->"
TODAY = ("race: 3 finalists x 18 epochs", "uniform")


class Row(NamedTuple):
    """One contestant's vote on one draw."""

    title: str
    vote: str
    fold_epochs: int
    held_out: float  # macro-F1 on the held-out rows

    @property
    def key(self) -> tuple[str, str]:
        return self.title, self.vote


Results = Mapping[str, Sequence[Sequence[Row]]]
"""Table -> draws -> contestants."""


def _gains(draws: Sequence[Sequence[Row]], key: tuple[str, str]) -> Floats:
    """Of each draw: what this contestant has more than today's race and vote."""
    scores = [{row.key: row.held_out for row in draw} for draw in draws]
    return np.array([score[key] - score[TODAY] for score in scores])


def _cell(gains: Floats) -> str:
    return f"{gains.mean():+.4f} ± {gains.std(ddof=1) / len(gains) ** 0.5:.4f}"


def _lines(results: Results) -> list[str]:
    first = next(iter(results.values()))[0]
    lines = [
        f"| contestant | vote | fold-epochs | {' | '.join(results)} | mean of the tables |",
        f"|---|---|---|{'---|' * len(results)}---|",
    ]
    for row in first:
        gains = [_gains(draws, row.key) for draws in results.values()]
        mean = float(np.mean([item.mean() for item in gains]))
        # Tables, not draws of one table, are what a rule must win on.
        spread = float(np.std([item.mean() for item in gains], ddof=1)) if len(gains) > 1 else float("nan")
        cells = [_cell(item) for item in gains]
        if row.key == TODAY:
            scores = [np.mean([item.held_out for draw in draws for item in draw if item.key == TODAY])
                      for draws in results.values()]  # fmt: skip
            cells = [f"**{score:.4f}**" for score in scores]
        total = f"{mean:+.4f} ± {spread / len(gains) ** 0.5:.4f}"
        lines.append(
            f"| {row.title} | {row.vote} | {row.fold_epochs} | {' | '.join(cells)} "
            f"| {'' if row.key == TODAY else total} |"
        )
    return lines


def write_page(path: Path, results: Results, subset: int) -> None:
    """Replaces the figures of the page."""
    before, _, rest = path.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    draws = len(next(iter(results.values())))
    figures = [f"{draws} draws a table of {subset} configurations, 5 folds.", "", *_lines(results)]
    path.write_text(f"{before}{BEGIN}\n\n" + "\n".join(figures) + f"\n\n{END}{after}")
