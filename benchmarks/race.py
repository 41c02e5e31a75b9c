"""The race against its baselines in virtual time: what a choice costs and what it loses. Writes the pages.

    python -m benchmarks.race                 # all of docs/benchmarks/race.md, some 20 minutes on two cores
    python -m benchmarks.race --draws 20      # a look at it, written nowhere

Worlds: the table of benchmarks/tables/fashion, drawn curves whose ranks settle early, midway and late, and
with --faces the table of another folder (not in the repository). Regrets are against exhaustive's choice.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from benchmarks.race_page import draw_plot, race_page
from orchestrator.cli.arguments import int_at_least
from orchestrator.race import RULES
from orchestrator.race.simulate.command import read_table
from orchestrator.race.simulate.rule_specs import Entry
from orchestrator.race.simulate.summary import Terms, summary
from orchestrator.race.simulate.synthetic import DrawnCurves
from orchestrator.race.simulate.tournament import Contest, Source, hold

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "benchmarks" / "tables" / "fashion"
PAGE = ROOT / "docs" / "benchmarks" / "race.md"
SLOTS = (1, 4, 16)
TOP_K = [
    Entry("top_k", {"finalists": k, "grace_period": i}) for k in (3, 4, 5, 6, 8) for i in (1, 2, 3, 4, 6, 9)
]
RACE = Entry("fold_asha")
Row = dict[str, Any]


@dataclass(frozen=True)
class World:
    """subset: configurations of a draw; None: all there are."""

    name: str
    curves: Source
    subset: int | None = None


def worlds(faces: Path | None) -> list[World]:
    fashion = read_table(TABLE)
    found = [World("Fashion-MNIST, 48 of 64", fashion, 48), World("Fashion-MNIST, all 64", fashion)]
    if faces is not None:
        found.append(World("UTKFace, 40 of 48", read_table(faces), 40))
    for name, pace in (("early", 0.3), ("midway", 1.0), ("late", 1.7)):
        found.append(World(f"drawn, settling {name}", DrawnCurves(64, pace=pace)))
    return [*found, World("drawn, midway, 256", DrawnCurves(256))]


def measure(
    world: World, entries: Sequence[Entry], terms: Terms, draws: int, workers: int, console: Console
) -> list[Row]:
    contest = Contest(world.curves, tuple(entries), terms, world.subset)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(f"{world.name}, {terms.slots} slots", total=draws)
        results = hold(contest, draws, workers, lambda done, _: bar.update(task, completed=done))
    return [
        {**summary(entry, [row[place] for row in results], 0), "title": str(entry), "world": world.name}
        | {"slots": terms.slots, "failures": terms.failure_rate, "spread": terms.spread}
        for place, entry in enumerate(entries)
    ]


def measure_all(world: World, draws: int, workers: int, console: Console) -> list[Row]:
    """Every rule at 4 slots, their makespans at 1 and 16, the race with failures and uneven costs.

    Optuna's take longest and get a quarter of the draws, as makespans at 1 and 16 slots do.
    """
    few = max(draws // 4, 1)
    optuna = [Entry(key, {}) for key in RULES if key.startswith("optuna")]
    rules = [Entry(key, {}) for key in RULES if not key.startswith(("optuna", "top_k"))]
    rows = measure(world, [*rules, *TOP_K], Terms(4), draws, workers, console)
    for slots in (1, 16):
        rows += measure(world, rules, Terms(slots), few, workers, console)
    for slots in SLOTS:
        rows += measure(world, optuna, Terms(slots), few if slots == 4 else -(-few // 2), workers, console)
    rows += measure(world, [RACE], Terms(4, failure_rate=0.05), draws, workers, console)
    for slots in (4, 16):
        rows += measure(world, [RACE], Terms(slots, spread=10.0), draws, workers, console)
        rows += measure(world, [RACE], Terms(slots), draws, workers, console)
    return rows


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--draws", type=int_at_least(1), default=200)
    add("--faces", type=Path, help="folder of another table, for a figure beside the others")
    add("--workers", type=int_at_least(1), default=os.cpu_count() or 1)
    add("--json", type=Path, help="also write all rows here")
    options = parser.parse_args(argv)
    console, started, rows = Console(stderr=True), time.monotonic(), []
    for world in worlds(options.faces):
        rows += measure_all(world, options.draws, options.workers, console)
        show(rows, world.name)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    minutes = (time.monotonic() - started) / 60
    setting = (
        f"{options.draws} draws a world, {machine}, Python {platform.python_version()}, {minutes:.0f} min"
    )
    if options.draws >= 200:
        PAGE.write_text(race_page(PAGE.read_text(), rows, setting))
        draw_plot(rows, PAGE.parent / "race.svg")
        print(PAGE)


def show(rows: Sequence[Mapping[str, Any]], world: str) -> None:
    for row in rows:
        if row["world"] == world:
            test = row["test_regret"]
            test_text = "-" if test is None else f"{test:.4f}"
            extra = f" failures {row['failures']}" * bool(row["failures"]) + " uneven" * (row["spread"] > 1)
            print(
                f"{world:26}{row['slots']:3} {row['title']:48}{row['fold_epochs']:8.0f}{row['makespan']:9.0f}"
                f"{row['cv_regret']:9.4f}{test_text:>9}{row['same_pick']:6.2f}{row['complete_trials']:7.2f}"
                f"{row['busy']:6.2f}{extra}",
                flush=True,
            )


if __name__ == "__main__":
    main()
