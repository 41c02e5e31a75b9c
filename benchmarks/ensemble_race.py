"""Races for an ensemble instead of a trial, by the held-out score of the final vote per fold-epoch.

    python -m benchmarks.ensemble_race TABLE ... --draws 200    # writes docs/benchmarks/ensemble_race.md

TABLE is a folder of `benchmarks.stored_tables`. A draw takes configurations in random order and permutes the
folds; every contestant climbs its ladder rung by rung with fixed quotas, so that what it spends is known.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.ensemble_race_page import Row, write_page
from benchmarks.stored_tables import StoredTable
from orchestrator.cli.arguments import int_at_least
from orchestrator.core.arrays import Floats
from orchestrator.race.fold_asha import FALL, SLOPE
from orchestrator.race.ladder import Ladder, Rung, build_ladder, check_ladder, cost

STEPS = 10  # of the greedy selection, with replacement
TEST_ROWS = 1000  # held-out rows, evenly spaced: enough to tell votes of one draw from each other
Folds = NDArray[np.int64]
Votes = NDArray[np.float32]


def macro_f1(labels: NDArray[np.int64], votes: NDArray[np.floating], classes: int) -> Floats:
    """(...,) of votes (..., n, C); a class that is neither there nor predicted counts 0."""
    predicted = votes.argmax(axis=-1)
    flat = predicted.reshape(-1, predicted.shape[-1])
    cells = np.arange(len(flat))[:, None] * classes + flat
    said, right = (
        np.bincount(found.ravel(), minlength=len(flat) * classes).reshape(-1, classes)
        for found in (cells, cells[flat == labels])
    )
    each = 2 * right / np.maximum(said + np.bincount(labels, minlength=classes), 1)
    mean: Floats = each.mean(axis=1).reshape(predicted.shape[:-1])
    return mean


class Curves:
    """A table's scores and, at its trials' best epochs so far, their probabilities."""

    def __init__(self, table: StoredTable) -> None:
        self.table, self.name = table, table.name
        self.labels, self.folds = np.asarray(table.labels), np.asarray(table.folds)
        self.trials, self.epochs, _, self.classes = table.validation.shape
        self.k = table.test.shape[1]
        every = np.linspace(0, len(table.test_labels) - 1, min(TEST_ROWS, len(table.test_labels)))
        self._rows = every.round().astype(np.int64)
        self.test_labels = np.asarray(table.test_labels)[self._rows]
        self.scores = np.stack([self._of_fold(fold) for fold in range(self.k)], axis=1)
        self._oof: dict[int, Votes] = {}
        self._test: dict[int, Votes] = {}

    def _of_fold(self, fold: int) -> Floats:
        """(trials, epochs)"""
        own = self.folds == fold
        return macro_f1(self.labels[own], np.asarray(self.table.validation[:, :, own]), self.classes)

    def _best(self, epochs: int) -> NDArray[np.int64]:
        """(trials, k): the best epoch of the first `epochs`, from 0."""
        best: NDArray[np.int64] = self.scores[:, :, :epochs].argmax(axis=2)
        return best

    def oof(self, epochs: int) -> Votes:
        """(trials, n, C): each row by its fold's model of the best of the first `epochs` epochs."""
        if epochs not in self._oof:
            at = self._best(epochs)[:, self.folds]
            rows = np.arange(len(self.labels))
            own = [self.table.validation[trial][at[trial], rows] for trial in range(self.trials)]
            self._oof[epochs] = np.stack(own).astype(np.float32)
        return self._oof[epochs]

    def test(self, epochs: int) -> Votes:
        """(trials, N, C): mean of the fold models."""
        if epochs not in self._test:
            at = self._best(epochs)
            votes = [
                np.mean([own[fold, at[trial, fold]][self._rows] for fold in range(self.k)], axis=0)
                for trial, own in enumerate(self.table.test)
            ]
            self._test[epochs] = np.stack(votes).astype(np.float32)
        return self._test[epochs]

    def cv(self, epochs: int) -> Floats:
        best: Floats = self.scores[:, :, :epochs].max(axis=2).mean(axis=1)
        return best


@dataclass(frozen=True)
class Found:
    """How a contestant ended. members: (trial, epochs), the best by CV score first."""

    members: list[tuple[int, int]]
    fold_epochs: int


@dataclass(frozen=True)
class Contestant:
    """finalists end with all folds after `epochs` epochs."""

    title: str
    finalists: int
    epochs: int
    by_vote: bool = False  # promotion by what a trial adds to the vote of those ahead of it
    parked: bool = False  # members too: who owns all folds at the last rung but one
    waiting: int = 0  # trials that own all folds at that rung; the default's if 0


@lru_cache
def ladder_of(contestant: Contestant, trials: int, k: int) -> Ladder:
    """The default with the quotas between its ends multiplied so that it costs what today's race does, or as
    near to it as that comes."""
    target = cost(build_ladder(trials, k, RACE.epochs, 1, 3, RACE.finalists))
    ladders = [_ladder(contestant, trials, k, greater) for greater in np.linspace(0.5, 3.0, 51)]
    return min(ladders, key=lambda ladder: abs(cost(ladder) - target))


def _ladder(contestant: Contestant, trials: int, k: int, greater: float) -> Ladder:
    made = list(build_ladder(trials, k, contestant.epochs, 1, 3, contestant.finalists))
    quotas = [round(rung.quota * greater) for rung in made[1:-2]]
    waiting = max(contestant.waiting, made[-2].quota)
    steps = [(rung.folds, rung.epochs) for rung in made]
    wanted = [trials, *(min(max(quota, waiting), trials) for quota in quotas), waiting, made[-1].quota]
    return check_ladder(
        [(*step, q) for step, q in zip(steps, wanted, strict=True)], trials, k, contestant.epochs
    )


def ranked_by_score(curves: Curves, trials: Folds, order: Folds, rung: Rung) -> Folds:
    """Best first, as FoldASHA ranks them (`fold_asha.SLOPE`, `FALL`)."""
    own = curves.scores[np.ix_(trials, order[: rung.folds], np.arange(rung.epochs))]
    best = np.maximum.accumulate(own, axis=2)
    mean, half = (best[:, :, at - 1].mean(axis=1) for at in (rung.epochs, max(rung.epochs // 2, 1)))
    fall = (best - own).sum(axis=2).mean(axis=1) / max(rung.epochs - 1, 1)
    ranked: Folds = trials[np.argsort(-(mean + SLOPE * (mean - half) - FALL * fall), kind="stable")]
    return ranked


def ranked_by_vote(curves: Curves, trials: Folds, order: Folds, rung: Rung, quota: int) -> Folds:
    """The best by score first, then each time the trial whose vote with those before it scores most on the
    out-of-fold rows that the rung has seen."""
    left = ranked_by_score(curves, trials, order, rung).tolist()
    rows = np.isin(curves.folds, order[: rung.folds])
    probabilities, labels = curves.oof(rung.epochs)[:, rows], curves.labels[rows]
    chosen = [left.pop(0)]
    total = probabilities[chosen[0]].copy()
    while len(chosen) < quota and left:
        scores = macro_f1(labels, total + probabilities[left], curves.classes)
        chosen.append(left.pop(int(scores.argmax())))
        total += probabilities[chosen[-1]]
    return np.array(chosen)


def climb(curves: Curves, contestant: Contestant, trials: Folds, order: Folds) -> Found:
    ladder = ladder_of(contestant, len(trials), curves.k)
    alive, waiting = trials, []
    for low, high in pairwise(ladder):
        if contestant.by_vote:
            ranked = ranked_by_vote(curves, alive, order, low, high.quota)
        else:
            ranked = ranked_by_score(curves, alive, order, low)
        waiting = [(int(trial), low.epochs) for trial in ranked[high.quota :] if low.folds == curves.k]
        alive = ranked[: high.quota]
    cv = curves.cv(contestant.epochs)
    finalists = sorted(((int(trial), contestant.epochs) for trial in alive), key=lambda item: -cv[item[0]])
    return Found([*finalists, *(waiting if contestant.parked else [])], cost(ladder))


def greedy(curves: Curves, oof: Votes, rows: NDArray[np.bool_]) -> Floats:
    """(m,) weights, selection with replacement on these rows (Caruana et al., ICML 2004)."""
    labels, own = curves.labels[rows], oof[:, rows]
    total, counts = np.zeros_like(own[0]), np.zeros(len(own))
    best, kept = -1.0, counts
    for _ in range(STEPS):
        scores = macro_f1(labels, total + own, curves.classes)
        chosen = int(scores.argmax())
        counts = counts + (np.arange(len(own)) == chosen)
        total = total + own[chosen]
        if scores[chosen] > best + 1e-12:
            best, kept = float(scores[chosen]), counts
    weights: Floats = kept / kept.sum()
    return weights


def cross_fitted_greedy(curves: Curves, oof: Votes) -> Floats:
    """(m,) the mean of the weights that leave out one fold each."""
    found = [greedy(curves, oof, curves.folds != fold) for fold in range(curves.k)]
    mean: Floats = np.mean(found, axis=0)
    return mean


def gathered(at: Callable[[int], Votes], members: Sequence[tuple[int, int]]) -> Votes:
    return np.stack([at(epochs)[trial] for trial, epochs in members])


def held_out(curves: Curves, found: Found, vote: str) -> float:
    """Macro-F1 on the held-out rows. vote: best, uniform, top 3 or greedy."""
    members = {"best": found.members[:1], "top 3": found.members[:3]}.get(vote, found.members)
    test = gathered(curves.test, members)
    if vote == "greedy":
        weights = cross_fitted_greedy(curves, gathered(curves.oof, members))
        voted = np.einsum("m,mnc->nc", weights, test)
    else:
        voted = test.mean(axis=0)
    return float(macro_f1(curves.test_labels, voted, curves.classes))


RACE = Contestant("race: 3 finalists x 18 epochs", 3, 18)
CONTESTANTS: dict[Contestant, tuple[str, ...]] = {
    RACE: ("best", "uniform", "greedy"),
    Contestant("4 finalists x 12 epochs", 4, 12): ("uniform", "greedy"),
    Contestant("5 finalists x 9 epochs", 5, 9): ("uniform", "greedy"),
    Contestant("6 finalists x 9 epochs", 6, 9): ("top 3", "uniform", "greedy"),
    Contestant("8 finalists x 9 epochs", 8, 9): ("uniform", "greedy"),
    Contestant("5 finalists x 18 epochs", 5, 18): ("top 3", "uniform", "greedy"),
    Contestant("3 finalists and 3 parked at 9 epochs", 3, 18, parked=True, waiting=6): ("uniform", "greedy"),
    Contestant("promotion by vote, 3 x 18", 3, 18, by_vote=True): ("uniform", "greedy"),
    Contestant("promotion by vote, 6 x 9", 6, 9, by_vote=True): ("uniform", "greedy"),
}


def exhaustive(curves: Curves, trials: Folds, top: int | None) -> Found:
    cv = curves.cv(curves.epochs)
    ranked = sorted(map(int, trials), key=lambda trial: -cv[trial])
    return Found([(trial, curves.epochs) for trial in ranked[:top]], len(trials) * curves.k * curves.epochs)


def one_draw(curves: Curves, subset: int, rng: np.random.Generator) -> list[Row]:
    trials, order = rng.permutation(curves.trials)[:subset], rng.permutation(curves.k)
    rows = []
    for contestant, votes in CONTESTANTS.items():
        found = climb(curves, contestant, trials, order)
        rows += [
            Row(contestant.title, vote, found.fold_epochs, held_out(curves, found, vote)) for vote in votes
        ]
    for vote, top in (("best", None), ("top 3", None), ("greedy", None)):
        found = exhaustive(curves, trials, top)
        rows.append(Row("exhaustive", vote, found.fold_epochs, held_out(curves, found, vote)))
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("tables", nargs="+", type=Path, metavar="TABLE")
    add("--draws", type=int_at_least(2), default=200)
    add("--subset", type=int_at_least(8), default=32, help="configurations of a draw")
    add("--page", type=Path, default=Path("docs/benchmarks/ensemble_race.md"))
    options = parser.parse_args(argv)
    started, results = time.monotonic(), {}
    for folder in options.tables:
        curves = Curves(StoredTable.open(folder))
        results[folder.name] = [
            one_draw(curves, options.subset, np.random.default_rng([0, draw]))
            for draw in range(options.draws)
        ]
        print(f"{folder.name}: {time.monotonic() - started:.0f} s", flush=True)
        write_page(options.page, results, options.subset)
    print(options.page)


if __name__ == "__main__":
    main()
