"""How many of the groups a replay of the race should leave out: bias and scatter of the estimate.

    python -m benchmarks.left_out --tables runs/tables --studies 50

Studies of benchmarks.simulated_studies, the uniform vote of whose finalists has a known truth. The whole race
is replayed with one of 3, 5, 10 or 20 parts of the groups left out, as often for each. Few parts: choices are
made on fewer groups than the study's, and the estimate is too low; many: it scatters more. Printed are the
mean bias with its standard error, the standard deviation of the error, and how often the interval covers.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.simulated_studies import RULE, SLOTS, Finished
from benchmarks.simulated_votes import fit_vote
from benchmarks.simulated_worlds import World, draw_study, truth_of, worlds
from orchestrator.core.arrays import Probabilities
from orchestrator.evaluation.intervals import Answers, scored
from orchestrator.evaluation.race_again import RaceAgain
from orchestrator.evaluation.whole_race import Raced, uniform, whole_race
from orchestrator.race import RaceConfig

PARTS = (3, 5, 10, 20)
TOP = 3

Off = tuple[float, bool]
"""Score minus truth, and whether the interval holds the truth."""


def one_study(world: World, seed: int, number: int, repeats: int) -> dict[str, Off]:
    """By the naive score, and by each number of parts."""
    rng = np.random.default_rng([seed, number])
    population = world.draw(rng)
    done = Finished.of(draw_study(population, world.groups, rng))
    study, fitted = done.study, fit_vote(done.pool, "soft")
    truth = truth_of(population, done.members, fitted).of_folds
    answers = Answers(study.labels, fitted(done.pool.members), study.folds, study.codes, study.metric)
    race = RaceAgain(RULE, RaceConfig(*study.scores.shape), SLOTS)
    raced = [Raced(done.kept, race, study.labels, study.metric)]
    estimates = {"naive": scored(answers, rng)} | {
        f"{parts} parts": whole_race(raced, VOTE, answers, rng, repeats, parts=parts).estimate
        for parts in PARTS
    }
    return {
        name: (found.score - truth, found.low <= truth <= found.high) for name, found in estimates.items()
    }


def _mean(members: Sequence[Probabilities]) -> Probabilities:
    found: Probabilities = np.mean(members, axis=0, dtype=np.float32)
    return found


VOTE = uniform(TOP, _mean, lambda votes: votes[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, help="folder of tables; none: drawn models alone")
    for name, value in {"studies": 50, "repeats": 60, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{value} unless given")
    options = parser.parse_args()
    for world in worlds(options.tables):
        found = [one_study(world, options.seed, at, options.repeats) for at in range(options.studies)]
        print(f"{world.name}: {options.studies} studies, {options.repeats} replays, seed {options.seed}")
        for name in found[0]:
            off, held = np.array([item[name] for item in found]).T
            error = off.std(ddof=1) / np.sqrt(len(off))
            bias = f"bias {off.mean():+.4f} ({error:.4f})"
            print(f"  {name:<9} {bias}, scatter {off.std():.4f}, covers {held.mean():.3f}")


if __name__ == "__main__":
    main()
