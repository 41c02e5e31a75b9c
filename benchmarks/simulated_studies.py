"""Simulated studies with known truth: does the pipeline's number hold, and does its interval cover?

    python -m benchmarks.simulated_studies --tables runs/tables --studies 170 --workers 2 --write

A study is one of benchmarks.simulated_worlds: the default race chooses among 48 configurations, the best
epochs of its complete trials are voted by `--vote auto`, calibrated and decided, and every estimate that
`ensemble` prints is compared with the truth. Studies that are in the log stay, so a run can be interrupted;
--write writes docs/benchmarks/simulated_studies.md from the log.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.resumable import read_log, run_missing
from benchmarks.simulated_studies_page import page
from benchmarks.simulated_votes import Fitted, fit_all, fit_vote, pool_of
from benchmarks.simulated_worlds import (
    Epochs,
    Population,
    SimulatedStudy,
    World,
    draw_study,
    truth_of,
    worlds,
)
from orchestrator.core.arrays import Probabilities
from orchestrator.core.events import EpochEnded
from orchestrator.core.metrics import score
from orchestrator.evaluation.bbc import bbc
from orchestrator.evaluation.confidence_set import confidence_set
from orchestrator.evaluation.cross_fitted import cross_fitted_answers
from orchestrator.evaluation.intervals import INTERVALS, Answers, moved, scored
from orchestrator.evaluation.kept_epochs import KeptEpochs
from orchestrator.evaluation.pool import Pool
from orchestrator.evaluation.race_again import RaceAgain
from orchestrator.evaluation.whole_race import Raced, ReplayedTrial, whole_race
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate.simulator import Simulation, simulate

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "simulated_studies.md"
RULE, SLOTS = "fold_asha", 4
FITS = 10  # of BBC over the finalists
RACES = 30  # replays of BBC over the whole race: every group is left out three times
RESAMPLES = 500  # of the groups, of an interval
VOTES = ("single", "soft", "greedy", "auto")
WORLDS = ("drawn", "utkface", "mask_faces")


@dataclass(frozen=True)
class Finished:
    """A study after its race."""

    study: SimulatedStudy
    log: Simulation

    @classmethod
    def of(cls, study: SimulatedStudy) -> Finished:
        race = make_race(RULE, RaceConfig(*study.scores.shape))
        return cls(study, simulate(race, study.scores, SLOTS))

    @cached_property
    def members(self) -> list[tuple[int, Epochs]]:
        """The complete trials, the best first, each fold at its best epoch."""
        scores = self.study.scores
        full = [trial for trial, folds in self.log.full.items() if len(folds) == scores.shape[1]]
        best = sorted(full, key=lambda trial: (-scores[trial].max(axis=1).mean(), trial))
        return [(trial, tuple((int(at),) for at in scores[trial].argmax(axis=1))) for trial in best]

    @cached_property
    def pool(self) -> Pool:
        answers = [self.study.member(*member) for member in self.members]
        return pool_of(self.study, [trial for trial, _ in self.members], answers)

    @cached_property
    def kept(self) -> KeptEpochs:
        """What the study's record holds: the fold-epochs that the race ran."""
        ran = {
            (item.trial, item.fold, item.epoch) for item in self.log.events if isinstance(item, EpochEnded)
        }
        study = self.study
        rows = {fold: np.flatnonzero(study.folds == fold) for fold in range(study.scores.shape[1])}
        return KeptEpochs(
            sorted(ran), rows, lambda trial, fold, epoch: study.answers[trial, epoch - 1, rows[fold]]
        )


def one_study(world: World, seed: int, number: int) -> dict[str, Any]:
    """What it estimated, and the truth."""
    started, rng = time.process_time(), np.random.default_rng([seed, number])
    population = world.draw(rng)
    done = Finished.of(draw_study(population, world.groups, rng))
    fitted = fit_all(done.pool)
    found: dict[str, Any] = {"world": world.name, "number": number, "epochs": len(done.kept.keys)}
    found["members"] = len(fitted.vote.members)
    found["truth"] = list(_truth(population, done, fitted))
    found["votes"] = {vote: _of_vote(population, done, vote) for vote in VOTES}
    found["trials"] = [_of_trial(population, done, member) for member in done.members]
    found["best_inside"] = _best_inside(done, found["trials"], rng)
    found["gates"] = _gates(fitted)
    found |= _estimates(done, fitted, rng)
    return {**found, "seconds": round(time.process_time() - started, 1)}


NOISE = ("noise alone", "one good trial, seven of noise", "one trial eight times, jittered")


def one_noise(kind: str, seed: int, number: int) -> dict[str, Any]:
    """Whether `auto` keeps to one trial where no vote can be better, or none that can be told."""
    rng = np.random.default_rng([seed, number])
    codes = np.repeat(np.arange(500), 2)
    labels = np.repeat(rng.choice(3, 500, p=[0.5, 0.35, 0.15]), 2)
    logits = rng.normal(size=(8, len(labels), 3))
    good = 1.5 * np.eye(3)[labels] + rng.normal(size=(len(labels), 3))
    if kind == NOISE[1]:
        logits[0] = good
    elif kind == NOISE[2]:
        logits = good + 0.1 * logits
    members = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    pool = Pool(
        members=members.astype(np.float32), names=tuple(f"trial {at}" for at in range(8)), labels=labels,
        folds=(codes % 5).astype(np.int16), codes=codes, metric="macro_f1", mode="max",
    )  # fmt: skip
    chosen = fit_vote(pool, "auto").vote.members
    return {"world": kind, "number": number, "refused": len(chosen) == 1}


def _truth(population: Population, done: Finished, fitted: Fitted) -> tuple[float, float]:
    truth = truth_of(population, done.members, fitted)
    return truth.of_folds, truth.of_mean


def _of_trial(population: Population, done: Finished, member: tuple[int, Epochs]) -> float:
    """The truth of one complete trial."""
    return truth_of(population, [member], lambda members: members[0]).of_folds


def _of_vote(population: Population, done: Finished, vote: str) -> dict[str, Any]:
    fitted = fit_vote(done.pool, vote)
    found: dict[str, Any] = {"truth": list(_truth(population, done, fitted))}
    if fitted.choice is not None:
        found["name"] = fitted.choice.name
        crossed = fitted.choice.answers.crossed(done.pool.folds)
        found["crossed"] = score(done.study.metric, done.study.labels, crossed)
    return found


def _best_inside(done: Finished, truths: Sequence[float], rng: np.random.Generator) -> bool:
    """Whether the 90% confidence set of the best complete trial holds the one that truly is."""
    study, numbers = done.study, [trial for trial, _ in done.members]
    found = confidence_set(
        numbers, done.pool.members, study.labels, study.folds, study.codes, study.metric, "max", rng
    )
    return numbers[int(np.argmax(truths))] in found.trials


def _gates(fitted: Fitted) -> dict[str, Any]:
    """Gains and whether they were accepted, as they are printed."""
    assert fitted.choice is not None  # of fit_all
    found: dict[str, Any] = {item.name: item.gate.to_json() for item in fitted.choice.candidates}
    if fitted.calibration is not None:
        found["temperature"] = fitted.calibration.gate.to_json()
    if fitted.decisions is not None and fitted.decisions.gate is not None:
        found["decisions"] = fitted.decisions.gate.to_json()
    return found


def _estimates(done: Finished, fitted: Fitted, rng: np.random.Generator) -> dict[str, Any]:
    """Each estimate's score, its 95% interval of each kind, and the gain that the replays show."""
    study, pool = done.study, done.pool

    def method(weights: NDArray[np.float32]) -> Probabilities:
        return fit_all(pool, weights, quick=True)(pool.members)

    alone = _Alone(study)

    def again(studies: Sequence[Sequence[ReplayedTrial]], weights: NDArray[np.float32]) -> Probabilities:
        (trials,) = studies
        alone.add(trials[0].probabilities, weights)  # the best comes first
        own = pool_of(study, [item.trial for item in trials], [item.probabilities for item in trials])
        return fit_all(own, weights, quick=True)(own.members)

    def judged(probabilities: Probabilities) -> Answers:
        return Answers(study.labels, probabilities, study.folds, study.codes, study.metric)

    answers, crossed = judged(fitted(pool.members)), judged(cross_fitted_answers(method, study.folds))
    race = RaceAgain(RULE, RaceConfig(*study.scores.shape), SLOTS)
    replayed = whole_race([Raced(done.kept, race, study.labels, study.metric)], again, answers, rng, RACES)
    scores = {"bbc": bbc(method, answers, rng, FITS).score, "bbc_race": replayed.estimate.score}
    intervals: dict[str, dict[str, list[float]]] = {}
    for kind in INTERVALS:
        base = scored(answers, rng, RESAMPLES, interval=kind)
        found = {"naive": base, "cross_fitted": scored(crossed, rng, RESAMPLES, interval=kind)}
        found |= {key: moved(base, value, "", answers.metric) for key, value in scores.items()}
        intervals[kind] = {key: [item.low, item.high] for key, item in found.items()}
    scores |= {"naive": answers.score, "cross_fitted": crossed.score}
    rounds = replayed.scores  # each leaves out all groups once
    return {
        "scores": scores,
        "intervals": intervals,
        "left": replayed.left,
        "noise": float(rounds.std(ddof=1) / np.sqrt(len(rounds))),
        "replayed_gain": float(rounds.mean() - alone.score),
    }


class _Alone:
    """The best trial alone in the same replays, scored as `whole_race` scores the ensemble."""

    def __init__(self, study: SimulatedStudy) -> None:
        self._study = study
        self._seen: list[tuple[NDArray[np.int64], Probabilities]] = []
        self._scores: list[float] = []

    def add(self, answers: Probabilities, weights: NDArray[np.float32]) -> None:
        out = np.flatnonzero(weights == 0)
        self._seen.append((out, answers[out]))
        if sum(len(rows) for rows, _ in self._seen) == len(weights):  # every group was left out once
            rows, found = (np.concatenate(item) for item in zip(*self._seen, strict=True))
            self._scores.append(score(self._study.metric, self._study.labels[rows], found))
            self._seen.clear()

    @property
    def score(self) -> float:
        return float(np.mean(self._scores))


_worlds: dict[str, World] = {}  # of this worker process


def _begin(tables: Path | None) -> None:
    _worlds.update({world.name: world for world in worlds(tables)})


def _study(job: tuple[str, int, int]) -> dict[str, Any]:
    name, seed, number = job
    if name in NOISE:
        return one_noise(name, seed, number)
    return one_study(_worlds[name], seed, number)


def run(tables: Path | None, studies: int, seed: int, workers: int, log: Path) -> None:
    """Adds to the log what it lacks, one world after the other in turn."""
    names = [*NOISE, *(world.name for world in worlds(tables) if world.name in WORLDS)]
    jobs = [(name, seed, number) for number in range(studies) for name in names]
    run_missing(jobs, _study, log, workers, _begin, tables)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--tables", type=Path, help="folder of tables (benchmarks.stored_tables); none: drawn models alone")
    add("--studies", type=int, default=170, help="of each world")
    add("--seed", type=int, default=0)
    add("--workers", type=int, default=2)
    add("--log", type=Path, default=Path("runs/simulated_studies.jsonl"), help="studies that are there stay")
    add("--write", action="store_true", help=f"write {PAGE.name} from the log")
    options = parser.parse_args(argv)
    run(options.tables, options.studies, options.seed, options.workers, options.log)
    text = page(read_log(options.log), options.seed)
    if options.write:
        PAGE.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
