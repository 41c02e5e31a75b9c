"""The page of `benchmarks.joint_answers`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from orchestrator.core.metrics import score
from orchestrator.ensemble import Ensemble
from orchestrator.evaluation.estimate import Estimate

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "joint_answers.md"
BEGIN, END = "<!-- figures: written by benchmarks.joint_answers -->", "<!-- end of figures -->"
TITLES = {
    "naive": "OOF",
    "cross_fitted": "cross-fitted",
    "bbc": "BBC",
    "bbc_race": "BBC, whole race",
    "untouched": "held out",
}


class Made(NamedTuple):
    """One ensemble of one draw."""

    name: str  # what it is made of, and whether calibrated
    estimates: dict[str, Estimate]
    taken: dict[str, str]  # step -> what was taken
    log_loss: float  # on the people held out

    def covers(self, key: str) -> bool:
        found = self.estimates[key]
        return found.low <= self.estimates["untouched"].score <= found.high


def read(folder: Path, name: str, rows: pd.DataFrame) -> Made:
    """rows: of the people held out. Raises EnsembleError."""
    ensemble = Ensemble.load(folder)
    record = ensemble.record
    steps = {step["step"]: step["taken"] for step in (record.choice or {})["steps"]}
    probabilities = ensemble.predict(rows["path"].tolist())
    log_loss = score("log_loss", ensemble.target.encode(rows), probabilities)
    return Made(name, dict(record.estimates), steps, log_loss)


def write_page(
    places: Sequence[tuple[Path, Path]], names: Sequence[tuple[str, str]], is_written: bool
) -> None:
    """places: the folder of each draw's runs, and the table of its rows; names: of ensembles, each of what it
    is made and whether calibrated."""
    draws = []
    for runs, table in places:
        rows = pd.read_csv(table, dtype={"group": str})
        held_out = rows[rows["role"] == "test"].reset_index(drop=True)
        draws.append([read(runs / "-".join(name), ", ".join(name), held_out) for name in names])
    lines = [*_first(draws[0]), "", *_all(draws), "", *_covers(draws), "", *_steps(draws)]
    print("\n".join(lines))
    if is_written:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(before + "\n".join([BEGIN, "", *lines, "", END]) + after)


def _first(draw: Sequence[Made]) -> list[str]:
    """With intervals."""
    keys = list(TITLES)
    return [
        f"| the first draw | {' | '.join(TITLES.values())} |",
        "|---" * (len(keys) + 1) + "|",
        *(f"| {made.name} | {' | '.join(_cell(made.estimates[key]) for key in keys)} |" for made in draw),
    ]


def _cell(found: Estimate) -> str:
    return f"{found.score:.3f} ({found.low:.3f} to {found.high:.3f})" if found.is_defined else "-"


def _all(draws: Sequence[Sequence[Made]]) -> list[str]:
    """Means over draws: of the score held out, of what each estimate has more than it, of the log loss."""
    keys = [key for key in TITLES if key != "untouched"]
    lines = [
        f"| mean of {len(draws)} draws | held out | log loss held out | "
        + " | ".join(f"{TITLES[key]} - held out" for key in keys)
        + " |",
        "|---" * (len(keys) + 3) + "|",
    ]
    for made in zip(*draws, strict=True):
        truth = np.array([item.estimates["untouched"].score for item in made])
        gaps = [np.array([item.estimates[key].score for item in made]) - truth for key in keys]
        losses = np.array([item.log_loss for item in made])
        lines.append(
            f"| {made[0].name} | {truth.mean():.3f} | {losses.mean():.3f} | {' | '.join(map(_gap, gaps))} |"
        )
    return lines


def _gap(values: np.ndarray) -> str:
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{values.mean():+.3f} ± {error:.3f}"


def _covers(draws: Sequence[Sequence[Made]]) -> list[str]:
    keys = [key for key in TITLES if key != "untouched"]
    lines = [
        f"| the held-out score lies inside the 95% interval | {' | '.join(TITLES[key] for key in keys)} |",
        "|---" * (len(keys) + 1) + "|",
    ]
    for made in zip(*draws, strict=True):
        counts = [f"{sum(item.covers(key) for item in made)} of {len(made)}" for key in keys]
        lines.append(f"| {made[0].name} | {' | '.join(counts)} |")
    return lines


def _steps(draws: Sequence[Sequence[Made]]) -> list[str]:
    """What was taken at each step of what is calibrated, by draw."""
    lines = ["| step | taken, by draw |", "|---|---|"]
    for made in zip(*draws, strict=True):
        for step in made[0].taken:
            lines.append(f"| {made[0].name}: {step} | {'; '.join(item.taken[step] for item in made)} |")
    return lines
