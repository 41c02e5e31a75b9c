"""The race on a thousand GPUs, in virtual time: how long it takes and how busy it keeps them.

    python -m benchmarks.scaling                      # the table, a minute
    python -m benchmarks.scaling --figure docs/benchmarks/scaling.svg

An epoch takes one unit of time on every slot. No race ends before `epochs` units (a fold run's epochs come
one after another), nor before its fold-epochs / slots: the larger of the two is the ideal.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orchestrator.core.events import Action, LegStarted
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate import simulate
from orchestrator.race.simulate.simulator import Simulation
from orchestrator.race.simulate.synthetic import draw_curves

SLOTS = (8, 64, 256, 1000)
SIZES = ((2_000, 5, 18), (2_000, 5, 50), (10_000, 1, 18), (10_000, 5, 18), (50_000, 5, 18))
RULES = ("fold_asha", "fold_mean_asha", "exhaustive")
MOST_FOLD_EPOCHS = 500_000
"""Larger exhaustive searches are not simulated: they take fold-epochs / slots."""


@dataclass(frozen=True)
class Figures:
    """time: makespan, in epochs; half: when the slots were last half busy; busy: share of time x slots."""

    rule: str
    trials: int
    folds: int
    epochs: int
    slots: int
    fold_epochs: int
    time: float
    half: float
    busy: float
    events: int
    seconds: float  # of processor time, all of it

    @property
    def ideal(self) -> float:
        return max(self.fold_epochs / self.slots, float(self.epochs))


def measure(rule: str, curves: np.ndarray, slots: int) -> Figures:
    """curves (trials, folds, epochs)."""
    trials, folds, epochs = curves.shape
    race = make_race(rule, RaceConfig(trials=trials, folds=folds, max_t=epochs))
    started = time.process_time()
    log = simulate(race, curves, slots)
    seconds = time.process_time() - started
    busy = 1 - log.idle / (slots * log.time)
    spent, half = race.spent_fold_epochs, last_half_busy(log, slots)
    taken = log.taken
    return Figures(rule, trials, folds, epochs, slots, spent, log.time, half, busy, taken, seconds)


def last_half_busy(log: Simulation, slots: int) -> float:
    """The last time at which at least half of the slots worked; 0: never."""
    running, found = 0, 0.0
    for event, decisions, now in zip(log.events, log.decisions, log.times, strict=True):
        if 2 * running >= slots:
            found = now
        if isinstance(event, LegStarted):
            running += 1
        elif decisions and (decisions[-1].action is not Action.CONTINUE or decisions[-1].leg is not None):
            running -= 1
    return found


def measure_all() -> list[Figures]:
    rows = []
    for trials, folds, epochs in SIZES:
        curves = draw_curves(trials, folds, epochs, np.random.default_rng(0)).scores
        for rule in RULES if trials <= 10_000 else RULES[:1]:
            if rule == "exhaustive" and curves.size > MOST_FOLD_EPOCHS:
                continue
            for slots in SLOTS:
                rows.append(measure(rule, curves, slots))
                show(rows[-1])
    return rows


def show(row: Figures) -> None:
    size = f"{row.trials} x {row.folds} x {row.epochs}"
    print(
        f"{row.rule:15}{size:16}{row.slots:6}{row.fold_epochs:9}{row.time:9.0f}{row.ideal:9.0f}"
        f"{row.time / row.ideal:6.2f}{row.busy:7.0%}{row.half:9.0f}{row.events:9}"
        f"{1e6 * row.seconds / row.events:7.1f}{row.seconds:7.1f}",
        flush=True,
    )


def draw(rows: Sequence[Figures], path: Path) -> None:
    """Makespan and busy slots by the number of slots, of searches over 5 folds x 18 epochs."""
    import matplotlib

    matplotlib.use("svg" if path.suffix == ".svg" else "agg")
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "scaling"
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    kinds = [("fold_asha", 2_000), ("fold_asha", 10_000), ("fold_asha", 50_000)]
    kinds += [("fold_mean_asha", 2_000), ("exhaustive", 2_000)]
    for place, (rule, trials) in enumerate(kinds):
        own = [row for row in rows if (row.rule, row.trials, row.folds, row.epochs) == (rule, trials, 5, 18)]
        slots, style = [row.slots for row in own], "-o" if rule == "fold_asha" else "--s"
        label = f"{rule}, {trials:,} configurations"
        left.loglog(slots, [row.time for row in own], style, color=f"C{place}", label=label, markersize=4)
        right.semilogx(slots, [100 * row.busy for row in own], style, color=f"C{place}", markersize=4)
    left.axhline(18, color="grey", linewidth=0.8)
    left.text(SLOTS[0], 18.8, "one fold run's 18 epochs", color="grey", fontsize=8)
    for axes, title in ((left, "time of the search, in epochs"), (right, "slots busy, %")):
        axes.set(title=title, xlabel="GPUs (fold runs at once)")
        axes.set_xticks(SLOTS, [str(slots) for slots in SLOTS])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    right.set_ylim(0, 105)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8)
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--figure", type=Path, help="also draw it, .svg or .png")
    options = parser.parse_args(argv)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}, Python {platform.python_version()}")
    print("time and ideal in epochs; half: when the slots were last half busy; us: processor time an event")
    print(
        f"{'rule':15}{'configurations':16}{'slots':>6}{'f-epochs':>9}{'time':>9}{'ideal':>9}{'ratio':>6}"
        f"{'busy':>7}{'half':>9}{'events':>9}{'us':>7}{'s':>7}"
    )
    rows = measure_all()
    if options.figure is not None:
        draw(rows, options.figure)
        print(options.figure)


if __name__ == "__main__":
    main()
