"""What the race gains by looking at jumps, against the race that does not. Writes a part of race.md.

    python -m benchmarks.jumping_race runs/tables/jumping_age_bin_400 ... --draws 200

TABLE is a folder of docs/benchmarks/tables.md; drawn curves and the table of the repository race too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.lockstep import climb
from benchmarks.race import PAGE, TABLE, World
from orchestrator.cli.arguments import int_at_least
from orchestrator.core.arrays import Floats
from orchestrator.race import RaceConfig
from orchestrator.race.ladder import Ladder, Rung, ladder_of
from orchestrator.race.simulate.command import read_table
from orchestrator.race.simulate.synthetic import DrawnCurves, JumpingCurves
from orchestrator.race.simulate.table import CurveTable

BEGIN, END = "<!-- jumps: written by benchmarks.jumping_race -->", "<!-- end of jumps -->"
PACES = (("early", 0.3), ("midway", 1.0), ("late", 1.7))
WIDER = 1.6  # multiple of every quota between the first and the last, whatever the curves


def worlds(tables: Sequence[Path], subset: int) -> list[World]:
    found = [World("Fashion-MNIST, 48 of 64", read_table(TABLE), 48)]
    found += [World(f"drawn, settling {name}, 32", DrawnCurves(32, pace=pace)) for name, pace in PACES]
    found.append(World("drawn, jumping, 32", JumpingCurves(32)))
    return [*found, *(World(f"{path.name}, {subset}", read_table(path), subset) for path in tables)]


def wider(ladder: Ladder) -> Ladder:
    """Quotas that follow the study as before, from WIDER times as many on."""
    made = [ladder[0]]
    for rung in ladder[1:-1]:
        quota, least, most = (round(WIDER * number) for number in (rung.quota, rung.least, rung.most))
        room = made[-1].most
        made.append(Rung(rung.folds, rung.epochs, min(quota, room), min(least, room), min(most, room)))
    return (*made, ladder[-1])


def race(drawn: CurveTable, ladder: Ladder, version: int) -> tuple[float, float, float]:
    """Fold-epochs, CV regret and test regret."""
    finalists, spent = climb(drawn.scores, ladder, version)
    best, chosen = int(drawn.cv.argmax()), int(finalists[drawn.cv[finalists].argmax()])
    return spent, float(drawn.cv[best] - drawn.cv[chosen]), float(drawn.test[best] - drawn.test[chosen])


def line(world: World, draws: int) -> str:
    figures = []
    for number in range(draws):
        drawn = world.curves.draw(world.subset, np.random.default_rng([0, number]))
        old, new = (ladder_of(RaceConfig(*drawn.scores.shape, rule_version=version)) for version in (3, 4))
        figures.append([race(drawn, old, 3), race(drawn, new, 4), race(drawn, wider(old), 3)])
    before, now, more = np.array(figures).swapaxes(0, 1)
    cells = [f"{before[:, 0].mean():.0f}", *(f"{before[:, at].mean():.4f}" for at in (1, 2))]
    for other in (now, more):
        cells += [f"{other[:, 0].mean():.0f}", *(_difference(other[:, at] - before[:, at]) for at in (1, 2))]
    return f"| {world.name} | {' | '.join(cells)} |"


def _difference(paired: Floats) -> str:
    """The mean, and the half width of its 95% interval over draws."""
    return f"{paired.mean():+.4f} ± {1.96 * paired.std(ddof=1) / len(paired) ** 0.5:.4f}"


HEAD = [
    "| world | before: fold-epochs | CV regret | test regret | now: fold-epochs | CV | test "
    "| wider ladder: fold-epochs | CV | test |",
    "|---|---|---|---|---|---|---|---|---|---|",
]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("tables", nargs="*", type=Path, metavar="TABLE")
    add("--draws", type=int_at_least(2), default=200)
    add("--subset", type=int_at_least(2), default=32, help="configurations of a draw of a TABLE")
    add("--page", type=Path, default=PAGE)
    options = parser.parse_args(argv)
    lines = []
    for world in worlds(options.tables, options.subset):
        lines.append(line(world, options.draws))
        print(lines[-1], flush=True)
    before, _, rest = options.page.read_text().partition(BEGIN)
    figures = "\n".join([f"{options.draws} draws a world, one slot.", "", *HEAD, *lines])
    options.page.write_text(f"{before}{BEGIN}\n\n{figures}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
