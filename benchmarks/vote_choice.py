"""Which choice of vote gives the better held-out answers, and does its printed gain hold? On drawn pools.

    python -m benchmarks.vote_choice --drawings 100
    python -m benchmarks.vote_choice --drawings 100 --table runs/tables/utkface

A member's logits are its skill times the true class, plus noise that it shares with all members, plus its
own; a third of the noise is that of the row's group. Worlds differ in skills and in how much is shared. A
vote is chosen and fitted on some hundred rows of groups dealt to folds, and scored on many rows of others.

Or on pools of trials drawn from a table of `benchmarks.stored_tables`, at their last epoch: a vote is chosen
on the out-of-fold rows of two thirds of the groups, and scored on held-out groups, for which folds' models
are averaged.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.stored_tables import StoredTable
from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.metrics import find, score
from orchestrator.evaluation.choose_vote import choose_vote
from orchestrator.evaluation.contenders import Contest
from orchestrator.evaluation.fitted_vote import fitted_vote
from orchestrator.evaluation.pool import Pool
from orchestrator.evaluation.weights import GreedyRule

CLASSES, FOLDS, HELD_OUT, A_GROUP = 4, 5, 5000, 4


@dataclass(frozen=True)
class DrawnWorld:
    """skills (m,): of each member, 0 for noise alone. shared: part of the noise's variance that all share."""

    skills: tuple[float, ...]
    shared: float = 0.5
    noise: float = 1.5


WORLDS = {
    "noise": DrawnWorld((0.0,) * 10, 0.0),
    "equal": DrawnWorld((1.5,) * 8, 0.5),
    "correlated": DrawnWorld((1.5,) * 8, 0.9),
    "near-copies": DrawnWorld((1.5,) * 8, 0.995),
    "varied": DrawnWorld((1.8, 1.7, 1.6, 1.4, 1.2, 1.0, 0.8, 0.5), 0.6),
    "one strong, many weak": DrawnWorld((2.0, *(0.6,) * 9), 0.5),
    "one strong, noise": DrawnWorld((2.0, *(0.0,) * 9), 0.0),
    "twenty varied": DrawnWorld(tuple(np.linspace(0.8, 1.8, 20).tolist()), 0.7),
}


def draw(
    world: DrawnWorld, rows: int, groups: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], Labels, NDArray[np.int64]]:
    """Members (m, rows, CLASSES), labels (rows,), codes (rows,)."""
    codes = np.sort(rng.integers(0, groups, rows))
    labels = rng.choice(CLASSES, rows, p=[0.4, 0.3, 0.2, 0.1])

    def noise() -> NDArray[np.float64]:
        own, of_group = rng.normal(size=(rows, CLASSES)), rng.normal(size=(groups, CLASSES))[codes]
        mixed: NDArray[np.float64] = np.sqrt(2 / 3) * own + np.sqrt(1 / 3) * of_group
        return mixed

    together, truth = noise(), np.eye(CLASSES)[labels]
    members = [
        skill * truth + world.noise * (np.sqrt(world.shared) * together + np.sqrt(1 - world.shared) * noise())
        for skill in world.skills
    ]
    shares = np.exp(np.array(members))
    found: NDArray[np.float32] = (shares / shares.sum(axis=2, keepdims=True)).astype(np.float32)
    return found, labels, codes


def drawn_pool(world: DrawnWorld, rows: int, metric: str, rng: np.random.Generator) -> Pool:
    members, labels, codes = draw(world, rows, rows // A_GROUP, rng)
    return Pool(
        members=members,
        labels=labels,
        folds=(rng.permutation(codes.max() + 1)[codes] % FOLDS).astype(np.int16),
        codes=codes,
        metric=metric,
        mode=find(metric).mode,
        names=tuple(f"trial {at}" for at in range(len(members))),
    )


WAYS = ("uniform 3", "uniform all", "plain greedy", "greedy", "auto")
"""Their held-out score is given as a gain over the best trial alone."""


def plain_greedy(pool: Pool, rng: np.random.Generator) -> NDArray[np.float64]:
    """(m,) weights fitted to all rows at once, as is usual."""
    contest = Contest(pool, pool.weights(None), rng, GreedyRule(bags=0))
    found = np.empty(len(pool.names))
    found[pool.by_name] = contest.search.weights(0, rng)
    return found


def table_drawing(table: StoredTable, members: int, metric: str, rng: np.random.Generator) -> Held:
    trials = np.sort(rng.choice(len(table.configs), members, replace=False))
    groups, codes = np.unique(table.groups, return_inverse=True)
    rows = np.flatnonzero((rng.random(len(groups)) < 2 / 3)[codes])
    pool = Pool(
        members=normalised([table.validation[at, -1][rows] for at in trials]),
        labels=table.labels[rows],
        folds=table.folds[rows],
        codes=codes[rows].astype(np.int64),
        metric=metric,
        mode=find(metric).mode,
        names=tuple(f"trial {at:02d}" for at in trials),
    )
    held = normalised([table.test[at, :, -1].astype(np.float32).mean(axis=0) for at in trials])
    return judge(pool, held, table.test_labels, rng)


def normalised(members: list[NDArray[np.floating]]) -> NDArray[np.float32]:
    found = np.array(members, np.float32)
    divided: NDArray[np.float32] = found / found.sum(axis=2, keepdims=True)
    return divided


@dataclass(frozen=True)
class Held:
    """Held-out scores of one drawing."""

    scores: dict[str, float]  # by way to choose
    printed: float  # gain of the chosen vote over the best trial alone, as choose_vote gives it
    se: float  # of that gain
    refused: bool  # whether the best trial alone was chosen


def one_drawing(world: DrawnWorld, rows: int, metric: str, rng: np.random.Generator) -> Held:
    pool = drawn_pool(world, rows, metric, rng)
    members, labels, _ = draw(world, HELD_OUT, HELD_OUT // A_GROUP, rng)
    return judge(pool, members, labels, rng)


def judge(pool: Pool, members: NDArray[np.float32], labels: Labels, rng: np.random.Generator) -> Held:
    """members (m, N, C), labels (N,): of held-out rows."""

    def held(vote: Callable[[NDArray[np.float32]], Probabilities]) -> float:
        return score(pool.metric, labels, vote(members))

    auto = choose_vote(pool, rng=rng)
    single = choose_vote(pool, kind="soft", top=1, rng=rng)
    plain = fitted_vote("soft", pool.members, plain_greedy(pool, rng), pool.weights(None), pool.multi_label)
    scores = {
        "best": held(single.fitted.apply),
        "uniform 3": held(choose_vote(pool, kind="soft", rng=rng).fitted.apply),
        "uniform all": held(choose_vote(pool, kind="soft", top=len(members), rng=rng).fitted.apply),
        "plain greedy": held(plain.apply),
        "greedy": held(choose_vote(pool, kind="greedy", rng=rng).fitted.apply),
        "auto": held(auto.fitted.apply),
    }
    chosen = next(item for item in auto.candidates if item.name == auto.name)
    refused = auto.name == auto.candidates[0].name
    return Held(scores, 0.0 if refused else chosen.gate.gain, chosen.gate.se, refused)


def summed_up(name: str, found: list[Held], sign: float) -> str:
    """One line: means over drawings, each against the best trial alone."""
    best = np.array([item.scores["best"] for item in found])
    columns = [f"{name:>22} {best.mean():.4f}"]
    for way in WAYS:
        gains = sign * (np.array([item.scores[way] for item in found]) - best)
        columns.append(f"{gains.mean():+.4f} ±{gains.std(ddof=1) / np.sqrt(len(gains)):.4f}")
    true = sign * np.array([item.scores["auto"] - item.scores["best"] for item in found])
    off = np.array([item.printed for item in found]) - true
    accepted = [item.se for item in found if not item.refused]
    se = float(np.mean(accepted)) if accepted else 0.0
    refused = float(np.mean([item.refused for item in found]))
    return "  ".join([*columns, f"{refused:7.0%}", f"{off.mean():+.4f} ({se:.4f})"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drawings", type=int, default=100)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--metric", default="macro_f1")
    parser.add_argument("--worlds", nargs="*", default=list(WORLDS))
    parser.add_argument("--table", type=Path, help="folder of benchmarks.stored_tables, instead of worlds")
    parser.add_argument("--members", type=int, default=10, help="trials of a pool drawn from a table")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    what = f"{args.members} trials" if args.table else f"{args.rows} rows"
    print(f"{args.drawings} drawings of {what}, {args.metric}, seed {args.seed}")
    print(f"{'world':>22} {'best':>6}  " + "  ".join(f"{way:>15}" for way in WAYS), end="")
    print("  refused  printed minus held-out gain (standard error)")
    sign = -1.0 if find(args.metric).mode == "min" else 1.0
    if args.table:
        table = StoredTable.open(args.table)
        rngs = np.random.default_rng(args.seed).spawn(args.drawings)
        drawn = [table_drawing(table, args.members, args.metric, rng) for rng in rngs]
        print(summed_up(table.name, drawn, sign))
        return
    for name in args.worlds:
        rngs = np.random.default_rng(args.seed).spawn(args.drawings)
        found = [one_drawing(WORLDS[name], args.rows, args.metric, rng) for rng in rngs]
        print(summed_up(name, found, sign), flush=True)


if __name__ == "__main__":
    main()
