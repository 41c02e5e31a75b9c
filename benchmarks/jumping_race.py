"""What the race gains by looking at jumps, against the race that does not. Writes a part of race.md.

    python -m benchmarks.jumping_race runs/tables/jumping_age_bin_400 ... --draws 200

TABLE is a folder of docs/benchmarks/tables.md; drawn curves and the table of the repository race too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.race import PAGE, TABLE, World
from orchestrator.cli.arguments import int_at_least
from orchestrator.core.arrays import Floats
from orchestrator.race.ladder import build_ladder
from orchestrator.race.simulate.command import read_table
from orchestrator.race.simulate.rule_specs import Entry
from orchestrator.race.simulate.summary import Outcome, Terms
from orchestrator.race.simulate.synthetic import DrawnCurves, JumpingCurves
from orchestrator.race.simulate.tournament import Contest

BEGIN, END = "<!-- jumps: written by benchmarks.jumping_race -->", "<!-- end of jumps -->"
BEFORE = Entry("fold_asha", {"rule_version": 3})
NOW = Entry("fold_asha")
WIDER = 1.6  # multiple of every quota between the first and the last, whatever the curves


def worlds(tables: Sequence[Path], subset: int) -> list[World]:
    found = [World("Fashion-MNIST, 48 of 64", read_table(TABLE), 48)]
    found += [World(f"drawn, settling {name}, 32", DrawnCurves(32, pace=pace)) for name, pace in PACES]
    found.append(World("drawn, jumping, 32", JumpingCurves(32)))
    return [*found, *(World(f"{path.name}, {subset}", read_table(path), subset) for path in tables)]


PACES = (("early", 0.3), ("midway", 1.0), ("late", 1.7))


def wider(trials: int) -> Entry:
    made = build_ladder(trials, 5, 18, 1, 3, 3)
    quotas = [trials, *(min(round(WIDER * rung.quota), trials) for rung in made[1:-1]), made[-1].quota]
    ladder = tuple((rung.folds, rung.epochs, quota) for rung, quota in zip(made, quotas, strict=True))
    return Entry("fold_asha", {"rule_version": 3, "ladder": ladder})


def line(world: World, draws: int) -> str:
    trials = world.subset or world.curves.draw(None, np.random.default_rng(0)).scores.shape[0]
    contest = Contest(world.curves, (BEFORE, NOW, wider(trials)), Terms(4), world.subset)
    outcomes = [contest.draw(number) for number in range(draws)]
    before, now, more = ([draw[place] for draw in outcomes] for place in range(3))
    cells = [f"{_mean(before, 'fold_epochs'):.0f}"]
    cells += [f"{_mean(before, name):.4f}" for name in ("cv_regret", "test_regret")]
    for other in (now, more):
        cells.append(f"{_mean(other, 'fold_epochs'):.0f}")
        cells += [_difference(other, before, name) for name in ("cv_regret", "test_regret")]
    return f"| {world.name} | {' | '.join(cells)} |"


def _values(outcomes: Sequence[Outcome], name: str) -> Floats:
    return np.array([getattr(outcome, name) for outcome in outcomes])


def _mean(outcomes: Sequence[Outcome], name: str) -> float:
    return float(_values(outcomes, name).mean())


def _difference(outcomes: Sequence[Outcome], before: Sequence[Outcome], name: str) -> str:
    """The mean of the paired differences, and the half width of its 95% interval over draws."""
    paired = _values(outcomes, name) - _values(before, name)
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
    figures = "\n".join([f"{options.draws} draws a world, 4 slots.", "", *HEAD, *lines])
    options.page.write_text(f"{before}{BEGIN}\n\n{figures}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
