"""The published simulation of BBC-CV, run again: what the best of many configurations is worth.

    python -m benchmarks.published_bbc --configurations 50 --rows 500 --draws 200

As Tsamardinos, Greasidou, Borboudakis, Machine Learning 107 (2018), section 4.1: the true accuracy of each
configuration is drawn from a beta distribution, and whether it is right on a row with that probability. The
best on all rows is chosen; its true accuracy is what each estimate should say. Printed are the mean bias of
the score of the best (naive), of BBC-CV, and of what leaves out a tenth of the rows in turn as the estimate
over the whole race does, each with its standard error, and how often the interval about it covers the truth.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable

import numpy as np

from orchestrator.evaluation.bootstrap import percentile_interval
from orchestrator.evaluation.resamples import Resamples, bags, parts_in_turn
from orchestrator.evaluation.whole_race import PARTS

BETAS = ((9, 6), (14, 6), (24, 6), (54, 6))  # mean accuracies 0.6, 0.7, 0.8, 0.9


def left_out_score(right: np.ndarray, resamples: Resamples) -> float:
    """Mean score of the rows left out, of the configuration that is best on the bag. right (configurations,
    rows) of 0 and 1."""
    inside = resamples.weights @ right.T / resamples.weights.sum(axis=1, keepdims=True)
    best = inside.argmax(axis=1)
    out = resamples.weights == 0
    shares = (right[best] * out).sum(axis=1) / out.sum(axis=1)
    return float(shares.mean())


def draw(
    configurations: int, rows: int, beta: tuple[int, int], repeats: int, rng: np.random.Generator
) -> tuple[float, dict[str, float], float]:
    """The truth, each estimate, and half the width of the naive score's interval."""
    worth = rng.beta(*beta, configurations)
    right = (rng.random((configurations, rows)) < worth[:, None]).astype(np.float32)
    best = int(right.mean(axis=1).argmax())
    ways: dict[str, Callable[[], float]] = {
        "naive": lambda: float(right[best].mean()),
        "bbc": lambda: left_out_score(right, bags(rows, repeats, rng)),
        "parts": lambda: left_out_score(right, parts_in_turn(np.zeros(rows, np.int16), repeats, rng, PARTS)),
    }
    low, high = percentile_interval(bags(rows, 500, rng).weights @ right[best] / rows, 0.95)
    return float(worth[best]), {name: way() for name, way in ways.items()}, (high - low) / 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in {
        "configurations": 50, "rows": 500, "draws": 200, "repeats": 500, "seed": 0,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{value} unless given")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, seed {options.seed}, {options.draws} draws")
    print(f"{options.configurations} configurations, {options.rows} rows, {options.repeats} resamples")
    for beta in BETAS:
        rng = np.random.default_rng([options.seed, *beta])
        found = [
            draw(options.configurations, options.rows, beta, options.repeats, rng)
            for _ in range(options.draws)
        ]
        truth, half = np.array([item[0] for item in found]), np.array([item[2] for item in found])
        print(f"beta{beta}: the best is worth {truth.mean():.4f}")
        for name in found[0][1]:
            off = np.array([item[1][name] for item in found]) - truth
            error = off.std(ddof=1) / np.sqrt(len(off))
            print(
                f"  {name:<6} bias {off.mean():+.4f} ({error:.4f}), covers {(np.abs(off) <= half).mean():.3f}"
            )


if __name__ == "__main__":
    main()
