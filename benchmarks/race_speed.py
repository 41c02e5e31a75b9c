"""Microseconds of processor time an event of the race takes, from a hundred trials to a hundred thousand.

    python -m benchmarks.race_speed

The simulator included. O(log n): a thousand times as many trials may take a few times as long, no more.
Then 1,000 trials x 10 folds x 50 epochs on 256 slots by every rule that takes all numbers of slots.
"""

from __future__ import annotations

import platform
import time

import numpy as np

from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate import simulate
from orchestrator.race.simulate.synthetic import draw_curves


def race_once(rule: str, trials: int, folds: int, epochs: int, slots: int) -> tuple[int, float]:
    """Events and seconds of processor time."""
    curves = draw_curves(trials, folds, epochs, np.random.default_rng(0))
    race = make_race(rule, RaceConfig(trials=trials, folds=folds, max_t=epochs))
    started = time.process_time()
    log = simulate(race, curves.scores, slots, record=False)
    return log.taken, time.process_time() - started


def main() -> None:
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    for trials in (100, 1_000, 10_000, 100_000):
        events, seconds = race_once("fold_asha", trials, 3, 9, 16)
        each = 1e6 * seconds / events
        print(
            f"fold_asha {trials:7} trials x 3 folds x 9 epochs {events:8} events {each:6.1f} us each",
            flush=True,
        )
    for rule in ("fold_asha", "exhaustive", "pooled_asha", "fold_mean_asha", "top_k", "forgiving"):
        events, seconds = race_once(rule, 1_000, 10, 50, 256)
        print(
            f"{rule:16} 1000 trials x 10 folds x 50 epochs, 256 slots: {events:7} events {seconds:5.1f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
