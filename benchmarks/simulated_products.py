"""Simulated products of studies with known truth: do their estimates hold as those of one study do?

    python -m benchmarks.simulated_products --studies 48 --write

A study is of people with seven photos each: gender and age bin are a person's, how a mask is worn is a
photo's; the last age bin is rare. Three races (mask, gender, age) make a product of 18 classes and a fourth,
of all classes at once, stands beside it on the same rows and folds. Every estimate that `ensemble` prints is
compared with the truth, by the code that `ensemble` runs. Studies that are in the log stay; --write puts the
figures into docs/benchmarks/simulated_products.md.
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
from benchmarks.simulated_products_page import write_page
from benchmarks.simulated_studies import FITS, RACES, RESAMPLES, RULE, SLOTS, Finished
from benchmarks.simulated_votes import pool_of
from benchmarks.simulated_worlds import (
    DrawnPopulation,
    Epochs,
    Population,
    Truth,
    blurred,
    deal_quickly,
    macro_f1,
    rows_of,
    study_on,
)
from orchestrator.core.arrays import Probabilities
from orchestrator.data.targets import Categorical, Joint, Target
from orchestrator.ensemble.composing import Composed, Options, Pools, RoutePools, TermPool, compose, method_of
from orchestrator.ensemble_record.chain_rule import Term, combine
from orchestrator.evaluation.bbc import bbc
from orchestrator.evaluation.choose_vote import TOP
from orchestrator.evaluation.cross_fitted import cross_fitted_answers
from orchestrator.evaluation.intervals import Answers, scored
from orchestrator.evaluation.pool import JudgedRows, Pool
from orchestrator.evaluation.race_again import RaceAgain
from orchestrator.evaluation.whole_race import Fit, Raced, ReplayedTrial, whole_race
from orchestrator.race import RaceConfig

TASKS = {"mask": 3, "gender": 2, "age": 3}
JOINT = "all"
MADE_OF = {"age alone": ("age",), "product": tuple(TASKS), "joint": (JOINT,)}
TRIALS, FOLDS, EPOCHS = 16, 5, 9
GROUPS = 260  # of a study, some eight of them in the rare class
OTHERS = 20  # draws of as many other groups
PEOPLE, PHOTOS = 3000, 7  # of the population
MASKS = (0, 0, 0, 0, 0, 1, 2)  # of a person's photos
GENDERS, AGES = (0.5, 0.5), (0.5, 0.47, 0.03)
LATENTS = 12
LIKENESS = 0.6  # share of a latent variable's variance that a person's photos have in common
DISTANCE = {"mask": 1.6, "gender": 0.9, "age": 1.1}  # of classes, in standard deviations

TARGETS = {name: Categorical(name, name, tuple(map(str, range(size)))) for name, size in TASKS.items()}
WHOLE = Joint(JOINT, tuple(TARGETS.values()))


@dataclass(frozen=True)
class Photos:
    """The population: latent variables (N, D) and labels (N,) by task, and each row's person (N,)."""

    latents: dict[str, NDArray[np.float32]]
    labels: dict[str, NDArray[np.int64]]
    codes: NDArray[np.int64]

    @classmethod
    def drawn(cls, seed: int = 0) -> Photos:
        rng = np.random.default_rng(seed)
        codes = np.repeat(np.arange(PEOPLE), PHOTOS)
        labels = {
            "mask": np.tile(np.array(MASKS), PEOPLE),
            "gender": rng.choice(2, PEOPLE, p=GENDERS)[codes],
            "age": rng.choice(3, PEOPLE, p=AGES)[codes],
        }
        latents = {}
        for name, own in labels.items():
            seen = np.sqrt(LIKENESS) * rng.normal(size=(PEOPLE, LATENTS))[codes]
            seen += np.sqrt(1 - LIKENESS) * rng.normal(size=(len(codes), LATENTS)) + means_of(name)[own]
            latents[name] = seen.astype(np.float32)
        return cls(latents, labels, codes)

    @cached_property
    def joint(self) -> NDArray[np.int64]:
        found: NDArray[np.int64] = np.ravel_multi_index(
            tuple(self.labels.values()), tuple(TASKS.values())
        ).astype(np.int64)
        return found

    @cached_property
    def best(self) -> dict[str, NDArray[np.intp]]:
        """(N,) what the best linear models say, of the age bin and of all classes."""
        parts = [_shares(_with_one(self.latents[name]) @ _best(name).T) for name in TASKS]
        return {"age": parts[-1].argmax(axis=1), JOINT: _outer(parts).argmax(axis=1)}

    def luck(self, rows: NDArray[np.intp]) -> dict[str, float]:
        """How much easier these rows are than as many other groups' are: by the best models' macro-F1."""
        return {name: self._best_score(name, rows) - self._usual[name] for name in self.best}

    @cached_property
    def _usual(self) -> dict[str, float]:
        rng = np.random.default_rng(99)
        drawn = [rows_of(self.codes, rng.integers(PEOPLE, size=GROUPS))[0] for _ in range(400)]
        return {name: float(np.mean([self._best_score(name, rows) for rows in drawn])) for name in self.best}

    def _best_score(self, name: str, rows: NDArray[np.intp]) -> float:
        labels = self.joint if name == JOINT else self.labels[name]
        return float(macro_f1(labels[rows], self.best[name][rows], int(labels.max()) + 1))

    def models(self, name: str, rng: np.random.Generator) -> DrawnPopulation:
        return DrawnPopulation(
            self.latents[name],
            self.labels[name],
            self.codes,
            blurred(_best(name), (TRIALS, FOLDS, EPOCHS), rng),
        )


def means_of(name: str) -> NDArray[np.float64]:
    """(C, D): the classes on a line, the middle one off it."""
    means = np.zeros((TASKS[name], LATENTS))
    means[:, 0] = DISTANCE[name] * (np.arange(len(means)) - (len(means) - 1) / 2) * 2
    means[1, 1] = DISTANCE[name] / 2
    return means


def _best(name: str) -> NDArray[np.float64]:
    means = means_of(name)
    prior = {"mask": np.bincount(MASKS) / PHOTOS, "gender": np.array(GENDERS), "age": np.array(AGES)}[name]
    return np.column_stack([means, np.log(prior) - (means**2).sum(axis=1) / 2])


def _with_one(latents: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.column_stack([latents, np.ones(len(latents), np.float32)])


def _shares(logits: NDArray[np.float64]) -> NDArray[np.float32]:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)


class JointPopulation:
    """Models of all classes at once, each as the product of models of its own of the parts."""

    def __init__(self, parts: Sequence[Population], labels: NDArray[np.int64]) -> None:
        self._parts, self.labels, self.codes = parts, labels, parts[0].codes
        self.families, self.folds, self.epochs = parts[0].families, parts[0].folds, parts[0].epochs

    def answers(self, fold: int, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        return _outer([part.answers(fold, rows) for part in self._parts])

    def member(self, trial: int, fold: int, epoch: int) -> NDArray[np.float32]:
        return _outer([part.member(trial, fold, epoch) for part in self._parts])


def _outer(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    found = parts[0]
    for part in parts[1:]:
        found = (found[..., :, None] * part[..., None, :]).reshape(*found.shape[:-1], -1)
    return found


@dataclass(frozen=True)
class Made:
    """One answer from studies on the same rows and folds, as `ensemble` makes it."""

    target: Target
    terms: tuple[Term, ...]
    labels: NDArray[np.int64]  # (n,) of the target
    done: tuple[Finished, ...]  # by term

    @classmethod
    def of(cls, names: Sequence[str], done: dict[str, Finished], labels: NDArray[np.int64]) -> Made:
        terms = tuple(Term(TARGETS.get(name, WHOLE), source=name) for name in names)
        own = tuple(done[name] for name in names)
        alone = terms[0].target if len(names) == 1 else WHOLE
        return cls(alone, terms, own[0].study.labels if len(names) == 1 else labels, own)

    def pools(self, pools: Sequence[Pool]) -> Pools:
        study = self.done[0].study
        rows = JudgedRows(
            labels=self.labels, folds=study.folds, codes=study.codes, metric=study.metric, mode="max"
        )
        terms = tuple(TermPool(term, pool, TOP) for term, pool in zip(self.terms, pools, strict=True))
        return Pools(self.target, rows, (RoutePools("product", terms),))

    @cached_property
    def final(self) -> Pools:
        return self.pools([item.pool for item in self.done])

    @property
    def again(self) -> Fit:
        """What is fitted to the trials that end a replay."""

        def fit(studies: Sequence[Sequence[ReplayedTrial]], weights: NDArray[np.float32]) -> Probabilities:
            pools = [
                pool_of(
                    item.study, [trial.trial for trial in trials], [trial.probabilities for trial in trials]
                )
                for item, trials in zip(self.done, studies, strict=True)
            ]
            return compose(self.pools(pools), Options(), weights, quick=True).judged.final

        return fit

    def answers(self, probabilities: Probabilities) -> Answers:
        study = self.done[0].study
        return Answers(self.labels, probabilities, study.folds, study.codes, study.metric)

    def apply(self, composed: Composed, members: Sequence[NDArray[np.float32]]) -> Probabilities:
        """members: of each term (m, N, C), on any rows."""
        votes = []
        for fitted, own in zip(composed.terms[0], members, strict=True):
            voted = fitted.vote.apply(own)
            calibrated = fitted.calibration
            votes.append(voted if calibrated is None else calibrated.temperature.apply(voted))
        found = combine(self.target, self.terms, votes)
        if composed.calibration is not None:
            found = composed.calibration.temperature.apply(found)
        decided = composed.decisions
        return found if decided is None or decided.decisions is None else decided.decisions.apply(found)

    def truth(
        self,
        composed: Composed,
        populations: Sequence[Population],
        labels: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> tuple[Truth, float]:
        """And what the same answers score on average on as many other groups as a study has.

        labels (N,): of the target, on the whole population.
        """
        by_fold = [
            [
                np.stack([_member(population, fold, *member) for member in item.members])
                for population, item in zip(populations, self.done, strict=True)
            ]
            for fold in range(FOLDS)
        ]
        classes = len(self.target.classes)
        found = np.stack([self.apply(composed, members).argmax(axis=1) for members in by_fold])
        means = [np.mean(own, axis=0, dtype=np.float32) for own in zip(*by_fold, strict=True)]
        mean = self.apply(composed, means).argmax(axis=1)
        of_folds = macro_f1(np.tile(labels, FOLDS), found.ravel(), classes)
        other = [_elsewhere(found, labels, populations[0].codes, classes, rng) for _ in range(OTHERS)]
        truth = Truth(float(of_folds), float(macro_f1(labels, mean, classes)))
        return truth, float(np.mean(other))


def _elsewhere(
    found: NDArray[np.intp],
    labels: NDArray[np.int64],
    codes: NDArray[np.int64],
    classes: int,
    rng: np.random.Generator,
) -> float:
    """Macro-F1 of other groups, each answered by the models of one fold. found (folds, N)."""
    rows, own = rows_of(codes, rng.integers(PEOPLE, size=GROUPS))
    fold = rng.permutation(np.arange(GROUPS) % FOLDS)[own]
    return float(macro_f1(labels[rows], found[fold, rows], classes))


def _member(population: Population, fold: int, trial: int, epochs: Epochs) -> NDArray[np.float32]:
    return population.member(trial, fold, epochs[fold][0])


def one_study(photos: Photos, seed: int, number: int) -> dict[str, Any]:
    """What it estimated of each kind of answer, and the truth."""
    rng = np.random.default_rng([seed, number])
    populations: dict[str, Population] = {name: photos.models(name, rng) for name in TASKS}
    populations[JOINT] = JointPopulation([photos.models(name, rng) for name in TASKS], photos.joint)
    rows, codes = rows_of(photos.codes, rng.integers(PEOPLE, size=GROUPS))
    folds = deal_quickly(photos.joint[rows], codes, FOLDS, rng)
    done = {name: Finished.of(study_on(own, rows, codes, folds)) for name, own in populations.items()}
    found: dict[str, Any] = {"world": WORLD, "number": number, "luck": photos.luck(rows)}
    for kind, names in MADE_OF.items():
        started = time.process_time()
        made = Made.of(names, done, photos.joint[rows])
        labels = populations[names[0]].labels if len(names) == 1 else photos.joint
        composed = compose(made.final, Options())
        truth, other = made.truth(composed, [populations[name] for name in names], labels, rng)
        found[kind] = {"truth": [truth.of_folds, truth.of_mean], "other": other}
        found[kind] |= _estimates(made, composed, rng)
        found[kind]["seconds"] = round(time.process_time() - started, 1)
    return found


def _estimates(made: Made, composed: Composed, rng: np.random.Generator) -> dict[str, Any]:
    """Each estimate's score and its 95% interval."""
    method = method_of(made.final, Options(), quick=True)
    answers = made.answers(composed.judged.final)
    crossed = made.answers(cross_fitted_answers(method, made.done[0].study.folds))
    race = RaceAgain(RULE, RaceConfig(TRIALS, FOLDS, EPOCHS), SLOTS)
    raced = [Raced(item.kept, race, item.study.labels, item.study.metric) for item in made.done]
    replayed = whole_race(raced, made.again, answers, rng, RACES)
    found = {
        "naive": scored(answers, rng, RESAMPLES),
        "cross_fitted": scored(crossed, rng, RESAMPLES),
        "bbc": bbc(method, answers, rng, FITS),
        "bbc_race": replayed.estimate,
    }
    return {
        "scores": {key: item.score for key, item in found.items()},
        "intervals": {key: [item.low, item.high] for key, item in found.items()},
        "left": replayed.left,
    }


WORLD = "photos"
_photos: list[Photos] = []  # of this worker process


def _begin(_: Path | None) -> None:
    _photos.append(Photos.drawn())


def _study(job: tuple[str, int, int]) -> dict[str, Any]:
    _, seed, number = job
    return one_study(_photos[0], seed, number)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--studies", type=int, default=48)
    add("--seed", type=int, default=1)
    add("--workers", type=int, default=2)
    add("--log", type=Path, default=Path("runs/simulated_products.jsonl"), help="studies that are there stay")
    add("--write", action="store_true", help="write the page's figures from the logs")
    options = parser.parse_args(argv)
    jobs = [(WORLD, options.seed, number) for number in range(options.studies)]
    run_missing(jobs, _study, options.log, options.workers, _begin, None)
    write_page(read_log(options.log), options.write)


if __name__ == "__main__":
    main()
