"""How long the estimate over the whole race takes, where the time goes, and the memory it needs.

    python -m benchmarks.race_estimate --trials 64 --rows 18900 --classes 18 --repeats 500 --workers 2

A race over drawn curves leaves a record of some 460 fold-epochs; of each, probabilities whose accuracy is the
curve's are drawn. It prints the seconds of three steps: the scores of every kept fold-epoch on all resamples,
the races, and the answers of the groups left out; then BBC over the best three of 20 trials, as `ensemble
--vote soft --calibrate none --decide none` makes it, and the confidence set.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Probabilities
from orchestrator.core.events import EpochEnded
from orchestrator.evaluation.bbc import bbc
from orchestrator.evaluation.confidence_set import confidence_set
from orchestrator.evaluation.intervals import Answers
from orchestrator.evaluation.kept_epochs import KeptEpochs, Key
from orchestrator.evaluation.race_again import RaceAgain
from orchestrator.evaluation.voted import Candidates, PlainVote
from orchestrator.evaluation.voting import soft_vote
from orchestrator.evaluation.whole_race import Raced, uniform, whole_race
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate.simulator import simulate
from orchestrator.race.simulate.synthetic import draw_curves

FOLDS, EPOCHS, SLOTS = 5, 18, 4


@dataclass(frozen=True)
class Drawn:
    labels: np.ndarray
    folds: np.ndarray
    groups: np.ndarray
    classes: int

    def answer(self, accuracy: float, rows: np.ndarray, rng: np.random.Generator) -> Probabilities:
        """Probabilities that are right on that share of the rows."""
        found = rng.random((len(rows), self.classes), dtype=np.float32)
        right = rng.random(len(rows)) < accuracy
        at = np.where(right, self.labels[rows], rng.integers(0, self.classes, len(rows)))
        found[np.arange(len(rows)), at] += 1
        scaled: Probabilities = (found / found.sum(axis=1, keepdims=True)).astype(np.float16)
        return scaled


def draw(rows: int, classes: int, groups: int, rng: np.random.Generator) -> Drawn:
    codes = np.sort(rng.integers(0, groups, rows))
    return Drawn(rng.integers(0, classes, rows), (codes % FOLDS).astype(np.int16), codes, classes)


def raced(drawn: Drawn, trials: int, rule: str, rng: np.random.Generator) -> Raced:
    cfg = RaceConfig(trials, FOLDS, EPOCHS)
    curves = draw_curves(trials, FOLDS, EPOCHS, rng).scores
    log = simulate(make_race(rule, cfg), curves, SLOTS)
    keys: list[Key] = sorted(
        {(event.trial, event.fold, event.epoch) for event in log.events if isinstance(event, EpochEnded)}
    )
    rows = {fold: np.flatnonzero(drawn.folds == fold) for fold in range(FOLDS)}
    kept = {key: drawn.answer(curves[key[0], key[1], key[2] - 1], rows[key[1]], rng) for key in keys}
    return Raced(
        KeptEpochs(keys, rows, lambda *key: kept[key].astype(np.float32)),
        RaceAgain(rule, cfg, SLOTS), drawn.labels, "macro_f1",
    )  # fmt: skip


class Watch:
    """Seconds of each of the three steps, told apart by how many of its kind were counted."""

    def __init__(self, kept: int, repeats: int) -> None:
        self._ends = {kept: "scores of every kept fold-epoch", kept + repeats: "races", 0: ""}
        self._since, self.started = time.perf_counter(), time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        name = self._ends.get(done, "answers and their scores" if done == total else "")
        if name:
            print(f"{name:<34} {time.perf_counter() - self._since:7.1f} s", flush=True)
            self._since = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name, value in {
        "trials": 64, "rows": 18900, "classes": 18, "groups": 3780, "repeats": 500, "workers": 2,
        "members": 20, "bags": 1000, "seed": 0,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{value} unless given")
    parser.add_argument("--rule", default="fold_asha", help="of the race")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print(f"{platform.machine()}, {os.cpu_count()} cores, seed {options.seed}")
    drawn = draw(options.rows, options.classes, options.groups, rng)
    study = raced(drawn, options.trials, options.rule, rng)
    print(
        f"{len(study.kept.keys)} kept fold-epochs of {options.trials} trials, {options.rows} rows, "
        f"{options.classes} classes, {len(np.unique(drawn.groups))} groups"
    )
    every = np.arange(options.rows)
    answers = Answers(
        drawn.labels, drawn.answer(0.6, every, rng).astype(np.float32), drawn.folds, drawn.groups, "macro_f1"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    watch = Watch(len(study.kept.keys), options.repeats)
    found = whole_race(
        [study], uniform(3, soft_vote, alone), answers, rng, options.repeats,
        workers=options.workers, progress=watch,
    )  # fmt: skip
    took = time.perf_counter() - watch.started
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(
        f"{f'whole race, {options.repeats} replays':<34} {took:7.1f} s; CPU of this process "
        f"{own.ru_utime - used:.1f} s, of {options.workers} workers {workers.ru_utime:.1f} s"
    )
    print(f"left the record: {found.left:.0%} of replays, {found.replaced:.0%} of places")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory: {before:.0f} MB with the record, {after:.0f} MB at the most")
    members = [drawn.answer(0.6 + 0.005 * (number == 0), every, rng).astype(np.float32)
               for number in range(options.members)]  # fmt: skip
    started = time.perf_counter()
    candidates = Candidates(members, drawn.labels, drawn.folds, 3, "macro_f1", "max")
    voted = replace(answers, probabilities=soft_vote(members[:3]))
    corrected = bbc(_fitted_anew, voted, rng, options.bags, plain=PlainVote([candidates], soft_vote, alone))
    took = time.perf_counter() - started
    print(f"{f'BBC over {options.members} trials, B = {options.bags}':<34} {took:7.1f} s: {corrected}")
    started = time.perf_counter()
    best = confidence_set(
        list(range(options.members)), members, drawn.labels, drawn.folds, drawn.groups, "macro_f1", "max", rng
    )
    took = time.perf_counter() - started
    print(f"{f'confidence set of {options.members} trials':<34} {took:7.1f} s: {best}")
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory: {after:.0f} MB at the most in all")


def alone(votes: Sequence[Probabilities]) -> Probabilities:
    return votes[0]


def _fitted_anew(weights: NDArray[np.float32]) -> Probabilities:
    raise AssertionError("a plain vote is told by scores alone")


if __name__ == "__main__":
    main()
