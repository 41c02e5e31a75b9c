"""The race against its baselines on synthetic curves, in virtual time: what a choice costs and what it loses.

    python benchmarks/race.py --orders 100 --slots 4

Each order is a fresh draw of 64 trials x 5 folds x 18 epochs (orchestrator/race/synthetic.py). One slot
advances one fold by one epoch in one unit of time. Loss: the true last-epoch score of exhaustive's choice
minus that of the rule's choice. "Ladder in lockstep" is the same ladder with every rung complete before the
next begins: what the ladder itself loses, whatever the race. Then: do the finalists own all folds when 5% of
legs fail once?
"""

from __future__ import annotations

import argparse
import os
import platform
from itertools import pairwise

import numpy as np
from rich.console import Console
from rich.progress import track

from orchestrator.race import Exhaustive, FoldASHA, make_race
from orchestrator.race.ladder import Rung, cost
from orchestrator.race.simulate import FAILURES, Simulation, simulate
from orchestrator.race.synthetic import Curves, draw_curves
from orchestrator.trial import EpochEnded, State

TRIALS, FOLDS, EPOCHS = 64, 5, 18
LADDER = ((1, 2, 64), (1, 6, 20), (2, 12, 7), (5, 18, 3))
RULES = {
    "exhaustive": "exhaustive k-fold",
    "pooled_asha": "stock ASHA, folds pooled",
    "fold_asha": "FoldASHA",
}
LOCKSTEP = "ladder in lockstep"
Record = tuple[float, float, float, float, float]
"""fold-epochs, loss, same choice (0 or 1), complete trials, time on the slots"""


def build(name: str) -> FoldASHA | Exhaustive:
    ladder = LADDER if name == "fold_asha" else None
    return make_race(name, trials=TRIALS, folds=FOLDS, max_t=EPOCHS, grace_period=2, ladder=ladder)


def choice(log: Simulation, curves: Curves) -> int:
    """The trial with the most folds at full length, the best mean among equals."""
    full: dict[int, list[float]] = {}
    for event in log.events:
        if isinstance(event, EpochEnded) and event.epoch == EPOCHS:
            full.setdefault(event.trial, []).append(float(curves.scores[event.trial, event.fold, -1]))
    return max(full, key=lambda trial: (len(full[trial]), np.mean(full[trial])))


def race_once(name: str, curves: Curves, slots: int, best: int) -> Record:
    race = build(name)
    log = simulate(race, curves.scores, slots)
    chosen = choice(log, curves)
    complete = sum(status.state is State.COMPLETE for status in race.statuses())
    loss = float(curves.truth[best] - curves.truth[chosen])
    return race.spent_fold_epochs, loss, chosen == best, complete, log.time


def lockstep(curves: Curves, best: int) -> Record:
    alive = np.arange(TRIALS)
    for (folds, epochs, _), (_, _, quota) in pairwise(LADDER):
        mean = curves.scores[alive][:, :folds, epochs - 1].mean(axis=1)
        alive = alive[np.argsort(-mean, kind="stable")[:quota]]
    chosen = int(alive[np.argmax(curves.scores[alive][:, :, -1].mean(axis=1))])
    spent = cost(tuple(Rung(*step) for step in LADDER))
    return spent, float(curves.truth[best] - curves.truth[chosen]), chosen == best, len(alive), np.nan


def compare(orders: int, slots: int, seed: int, console: Console) -> None:
    rows: dict[str, list[Record]] = {title: [] for title in [*RULES.values(), LOCKSTEP]}
    for order in track(range(orders), "racing", console=console, transient=True):
        curves = draw_curves(TRIALS, FOLDS, EPOCHS, np.random.default_rng([seed, order]))
        best = int(np.argmax(curves.scores[:, :, -1].mean(axis=1)))
        for name, title in RULES.items():
            rows[title].append(race_once(name, curves, slots, best))
        rows[LOCKSTEP].append(lockstep(curves, best))
    print(
        f"{'rule':26}{'fold-epochs':>16}{'fewer':>8}{'loss':>20}{'same choice':>16}"
        f"{'complete':>14}{'time':>8}"
    )
    exhaustive = TRIALS * FOLDS * EPOCHS
    for title, records in rows.items():
        table = np.array(records, dtype=float)
        mean, error = table.mean(axis=0), table.std(axis=0, ddof=1) / np.sqrt(len(table))
        clock = "-" if np.isnan(mean[4]) else f"{mean[4]:.0f}"
        print(
            f"{title:26}{mean[0]:9.1f} +-{error[0]:5.1f}{exhaustive / mean[0]:7.1f}x"
            f"{mean[1]:11.5f} +-{error[1]:.5f}"
            f"{mean[2]:8.3f} +-{error[2]:.3f}{mean[3]:8.2f} +-{error[3]:.2f}{clock:>8}"
        )


def own_all_folds(seed: int, number: int, slots: int, rate: float, kinds: tuple[str, ...]) -> bool:
    rng = np.random.default_rng([seed, number, 1])
    race = build("fold_asha")
    simulate(race, draw_curves(TRIALS, FOLDS, EPOCHS, rng).scores, slots, rng, rate, kinds)
    complete = [status for status in race.statuses() if status.state is State.COMPLETE]
    return [status.folds_complete for status in complete] == [FOLDS] * LADDER[-1][2]


def check_completeness(seeds: int, slots: int, seed: int, console: Console) -> None:
    print(f"finalists that own all {FOLDS} folds, seeds:")
    worlds: dict[str, tuple[float, tuple[str, ...]]] = {"no failures": (0.0, FAILURES)}
    worlds |= {f"5% of legs fail once: {kind}": (0.05, (kind,)) for kind in FAILURES}
    worlds |= {"5% of legs fail once: all kinds": (0.05, FAILURES)}
    for title, (rate, kinds) in worlds.items():
        numbers = track(range(seeds), title, console=console, transient=True)
        good = sum(own_all_folds(seed, number, slots, rate, kinds) for number in numbers)
        print(f"  {title:34}{good} of {seeds}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--orders", type=int, default=100, help="draws of the curves (at least 2)")
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--completeness", type=int, default=300, help="seeds of the last check; 0: none")
    options = parser.parse_args()
    if options.orders < 2 or options.slots < 1:
        parser.error("--orders must be at least 2 and --slots at least 1")
    console = Console(stderr=True)
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{options.orders} orders of {TRIALS} trials x {FOLDS} folds x {EPOCHS} epochs", end=", ")
    print(f"{options.slots} slots, seed {options.seed}, ladder {LADDER}")
    compare(options.orders, options.slots, options.seed, console)
    if options.completeness:
        check_completeness(options.completeness, options.slots, options.seed, console)


if __name__ == "__main__":
    main()
