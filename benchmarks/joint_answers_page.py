"""The page of `benchmarks.joint_answers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from orchestrator.core.metrics import score
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble_record.record import Member
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
ESTIMATED = tuple(key for key in TITLES if key != "untouched")


class Made(NamedTuple):
    """One ensemble of one draw."""

    name: str  # what it is made of, and whether calibrated
    estimates: dict[str, Estimate]
    taken: dict[str, str]  # step -> what was taken
    log_loss: float  # on the people held out
    one_model: float  # the score there of one fold's models at a time, as out-of-fold rows are answered

    @property
    def all_models(self) -> float:
        """The score there of all fold models together, as new images are answered."""
        return self.estimates["untouched"].score

    def covers(self, key: str, truth: float) -> bool:
        return self.estimates[key].low <= truth <= self.estimates[key].high


def read(folder: Path, name: str, rows: pd.DataFrame) -> Made:
    """rows: of the people held out. Raises EnsembleError."""
    ensemble = Ensemble.load(folder, trust=True)  # its code is of this package
    record = ensemble.record
    steps = {step["step"]: step["taken"] for step in (record.choice or {})["steps"]}
    probabilities = ensemble.predict(rows["path"].tolist())
    log_loss = score("log_loss", ensemble.target.encode(rows), probabilities)
    return Made(name, dict(record.estimates), steps, log_loss, one_model_score(ensemble, rows))


def one_model_score(ensemble: Ensemble, rows: pd.DataFrame) -> float:
    """Mean over folds of the score that the models of one fold reach alone: the k-fold test error of Bayle et
    al. 2020, which is what estimates from out-of-fold rows are of."""
    labels, found = ensemble.target.encode(rows), []
    for fold in sorted({model.fold for model in ensemble.models()}):
        alone = ensemble.with_members(partial(_of_fold, fold=fold))
        said = alone.decide(alone.predict(rows["path"].tolist()))
        one_hot = np.eye(len(ensemble.classes), dtype=np.float32)[said]
        found.append(score(ensemble.record.metric, labels, one_hot))
    return float(np.mean(found))


def _of_fold(member: Member, fold: int) -> Member:
    return replace(member, models=tuple(model for model in member.models if model.fold == fold))


def write_page(
    places: Sequence[tuple[Path, Path]], names: Sequence[str], ways: Sequence[str], is_written: bool
) -> None:
    """places: the folder of each draw's runs, and the table of its rows; names: what the ensembles are made
    of; ways: calibrated or not, of which the later draws have the first alone."""
    first: list[Made] = []
    draws = []
    for draw, (runs, table) in enumerate(places):
        rows = pd.read_csv(table, dtype={"group": str})
        held_out = rows[rows["role"] == "test"].reset_index(drop=True)
        draws.append([read(runs / f"{name}-{ways[0]}", name, held_out) for name in names])
        if not draw:
            first = [
                read(runs / f"{name}-{way}", f"{name}, {way}", held_out) for name in names for way in ways
            ]
    lines = [*_first(first), "", *_all(draws), "", *_covers(draws), "", *_steps(draws)]
    print("\n".join(lines))
    if is_written:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(before + "\n".join([BEGIN, "", *lines, "", END]) + after)


def _first(draw: Sequence[Made]) -> list[str]:
    """With intervals."""
    titles = [*TITLES.values(), "held out, one model a row", "log loss held out"]
    lines = [f"| the first draw | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for made in draw:
        truths = [f"{made.one_model:.3f}", f"{made.log_loss:.3f}"]
        lines.append(
            f"| {made.name} | {' | '.join([*(_cell(made.estimates[key]) for key in TITLES), *truths])} |"
        )
    return lines


def _cell(found: Estimate) -> str:
    return f"{found.score:.3f} ({found.low:.3f} to {found.high:.3f})" if found.is_defined else "-"


def _all(draws: Sequence[Sequence[Made]]) -> list[str]:
    """Means over draws: of the scores held out, and of what each estimate has more than one model's there."""
    titles = [f"{TITLES[key]} - one model" for key in ESTIMATED]
    truths = ["held out", "held out, one model a row", "log loss held out"]
    lines = [
        f"| mean of {len(draws)} draws | {' | '.join([*truths, *titles])} |",
        "|---" * (len(titles) + len(truths) + 1) + "|",
    ]
    for made in zip(*draws, strict=True):
        truth = np.array([item.one_model for item in made])
        gaps = [np.array([item.estimates[key].score for item in made]) - truth for key in ESTIMATED]
        means = [np.mean([item.all_models for item in made]), truth.mean()]
        means.append(np.mean([item.log_loss for item in made]))
        cells = [*(f"{mean:.3f}" for mean in means), *map(_gap, gaps)]
        lines.append(f"| {made[0].name} | {' | '.join(cells)} |")
    return lines


def _gap(values: np.ndarray) -> str:
    error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{values.mean():+.3f} ± {error:.3f}"


def _covers(draws: Sequence[Sequence[Made]]) -> list[str]:
    lines = [
        f"| the 95% interval holds what is held out | {' | '.join(TITLES[key] for key in ESTIMATED)} |",
        "|---" * (len(ESTIMATED) + 1) + "|",
    ]
    for made in zip(*draws, strict=True):
        for words, truth in (("one model a row", "one_model"), ("all fold models", "all_models")):
            counts = [sum(item.covers(key, getattr(item, truth)) for item in made) for key in ESTIMATED]
            cells = [f"{count} of {len(made)}" for count in counts]
            lines.append(f"| {made[0].name}, {words} | {' | '.join(cells)} |")
    return lines


def _steps(draws: Sequence[Sequence[Made]]) -> list[str]:
    """What was taken at each step of what is calibrated, by draw."""
    lines = ["| step | taken, by draw |", "|---|---|"]
    for made in zip(*draws, strict=True):
        for step in made[0].taken:
            lines.append(f"| {made[0].name}: {step} | {'; '.join(item.taken[step] for item in made)} |")
    return lines
