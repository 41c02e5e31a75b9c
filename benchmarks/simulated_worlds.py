"""Worlds in which the truth of any choice is known: fixed models, and every group they will ever meet.

A study is drawn from a population: its validation groups are drawn from the population's with replacement,
each is dealt to a fold and judged by that fold's models, which trained on none of them. The truth of an
answer is its score on the whole population, each row judged by every fold's models in turn, as a validation
row is by its own fold's. So the truth has no sampling error, and it is that of the models in hand (Bayle et
al. 2020: the test error of k-fold cross-validation), not of new trainings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.stored_tables import StoredTable
from orchestrator.race.simulate.synthetic import draw_base

Answer = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Members (m, N, C) -> (N, C)."""
Epochs = tuple[tuple[int, ...], ...]
"""Of each fold: the epochs, from 0, whose models' answers are averaged; mostly one."""


class Population(Protocol):
    """Models, and the rows of all groups there are."""

    labels: NDArray[np.int64]  # (N,)
    codes: NDArray[np.int64]  # (N,) number of each row's group, from 0
    families: tuple[str, ...]  # (trials,)
    folds: int
    epochs: int

    def answers(self, fold: int, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """(trials, epochs, len(rows), C) of this fold's models."""
        ...

    def member(self, trial: int, fold: int, epoch: int) -> NDArray[np.float32]:
        """(N, C) of one model on every row."""
        ...


class World(Protocol):
    name: str
    groups: int  # drawn for the validation rows of a study

    def draw(self, rng: np.random.Generator) -> Population: ...


@dataclass(frozen=True)
class SimulatedStudy:
    """What one study sees: answers (trials, epochs, n, C) to its n rows, each by its own fold's models."""

    answers: NDArray[np.float32]
    labels: NDArray[np.int64]
    folds: NDArray[np.int16]
    codes: NDArray[np.int64]
    families: tuple[str, ...]
    metric: str = "macro_f1"

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """(trials, folds, epochs) of each epoch alone."""
        predicted = self.answers.argmax(axis=3)
        by_fold = [
            macro_f1(self.labels[own], predicted[:, :, own], self.answers.shape[3])
            for own in (self.folds == fold for fold in range(int(self.folds.max()) + 1))
        ]
        return np.stack(by_fold, axis=1)

    def member(self, trial: int, epochs: Epochs) -> NDArray[np.float32]:
        """(n, C) out-of-fold answers of one trial, of every fold at its own epochs."""
        found = np.empty(self.answers.shape[2:], np.float32)
        for fold, taken in enumerate(epochs):
            own = np.flatnonzero(self.folds == fold)
            found[own] = np.mean([self.answers[trial, epoch, own] for epoch in taken], axis=0)
        return found


def macro_f1(labels: NDArray[np.int64], predicted: NDArray[np.intp], classes: int) -> NDArray[np.float64]:
    """The project's macro-F1 of many predictions at once: labels (n,), predicted (..., n) -> (...)."""
    models = predicted.reshape(-1, len(labels))
    cells = (np.arange(len(models))[:, None] * classes + labels) * classes + models
    counts = np.bincount(cells.ravel(), minlength=len(models) * classes**2).reshape(-1, classes, classes)
    both = counts.sum(axis=1) + counts.sum(axis=2)
    hits = counts[:, np.arange(classes), np.arange(classes)]
    f1 = np.divide(2 * hits, both, out=np.zeros(both.shape), where=both > 0)
    found: NDArray[np.float64] = (f1.sum(axis=1) / (both > 0).sum(axis=1)).reshape(predicted.shape[:-1])
    return found


def draw_study(population: Population, groups: int, rng: np.random.Generator) -> SimulatedStudy:
    """`groups` of the population's groups, drawn with replacement: one drawn twice is two groups."""
    return study_of(population, rng.integers(int(population.codes.max()) + 1, size=groups), rng)


def split_study(
    population: Population, groups: int, rng: np.random.Generator
) -> tuple[SimulatedStudy, NDArray[np.intp]]:
    """`groups` groups drawn without replacement, and the rows of all others."""
    order = rng.permutation(int(population.codes.max()) + 1)
    study = study_of(population, order[:groups], rng)
    return study, np.flatnonzero(np.isin(population.codes, order[groups:]))


def study_of(population: Population, drawn: NDArray[np.integer], rng: np.random.Generator) -> SimulatedStudy:
    """drawn: numbers of groups, any of them more than once; each time it is a group of its own."""
    rows, codes = rows_of(population.codes, drawn)
    return study_on(
        population, rows, codes, deal_quickly(population.labels[rows], codes, population.folds, rng)
    )


def rows_of(
    codes: NDArray[np.int64], drawn: NDArray[np.integer]
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """The rows of the groups drawn, and the number of each row's draw, both (n,)."""
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes))
    parts = [order[ends[group - 1] if group else 0 : ends[group]] for group in drawn]
    return np.concatenate(parts), np.repeat(np.arange(len(drawn)), [len(part) for part in parts])


def study_on(
    population: Population, rows: NDArray[np.intp], codes: NDArray[np.int64], folds: NDArray[np.int16]
) -> SimulatedStudy:
    """Of these rows of the population, (n,), each answered by its fold's models."""
    classes = int(population.labels.max()) + 1
    answers = np.empty((len(population.families), population.epochs, len(rows), classes), np.float32)
    for fold in range(population.folds):
        own = np.flatnonzero(folds == fold)
        answers[:, :, own] = population.answers(fold, rows[own])
    return SimulatedStudy(answers, population.labels[rows], folds, codes, population.families)


def deal_quickly(
    labels: NDArray[np.int64], codes: NDArray[np.int64], k: int, rng: np.random.Generator
) -> NDArray[np.int16]:
    """(n,) folds: groups in order of their first row's class, at random within it, are dealt in turn."""
    names, first = np.unique(codes, return_index=True)
    order = rng.permutation(len(names))
    order = order[np.argsort(labels[first][order], kind="stable")]
    folds = np.empty(len(names), np.int16)
    folds[order] = np.arange(len(names)) % k
    return folds[codes]


@dataclass(frozen=True)
class Truth:
    """What an answer scores on the whole population."""

    of_folds: float  # each row by every fold's models in turn: what out-of-fold rows estimate
    of_mean: float  # by the mean of the folds' answers: what new rows get


def truth_of(
    population: Population,
    chosen: Sequence[tuple[int, Epochs]],
    answer: Answer,
    rows: NDArray[np.intp] | None = None,
) -> Truth:
    """By macro-F1. chosen: each member's trial and its epochs; answer: what was fitted to the study, on
    these members; rows: of the population, those judged (None: all)."""
    own = np.arange(len(population.labels)) if rows is None else rows
    by_fold = [
        np.stack([_mean(population, trial, fold, epochs[fold])[own] for trial, epochs in chosen])
        for fold in range(population.folds)
    ]
    labels = population.labels[own]
    found = np.concatenate([answer(members).argmax(axis=1) for members in by_fold])
    mean = answer(np.mean(by_fold, axis=0, dtype=np.float32)).argmax(axis=1)
    classes = by_fold[0].shape[2]
    of_folds = macro_f1(np.tile(labels, population.folds), found, classes)
    return Truth(float(of_folds), float(macro_f1(labels, mean, classes)))


def _mean(population: Population, trial: int, fold: int, epochs: tuple[int, ...]) -> NDArray[np.float32]:
    if len(epochs) == 1:
        return population.member(trial, fold, epochs[0])
    found: NDArray[np.float32] = np.mean(
        [population.member(trial, fold, epoch) for epoch in epochs], axis=0, dtype=np.float32
    )
    return found


@dataclass(frozen=True)
class TableWorld:
    """Random configurations of a table, its folds in random order; its held-out rows are the population."""

    table: StoredTable
    groups: int
    subset: int

    @property
    def name(self) -> str:
        return self.table.name

    def draw(self, rng: np.random.Generator) -> Population:
        trials = rng.permutation(len(self.table.configs))[: self.subset]
        return TablePopulation(self.table, trials, rng.permutation(self.table.test.shape[1]))


class TablePopulation:
    def __init__(self, table: StoredTable, trials: NDArray[np.intp], folds: NDArray[np.intp]) -> None:
        self._test, self._trials, self._folds = table.test, trials, folds
        self.labels = table.test_labels
        self.codes = np.unique(table.test_groups, return_inverse=True)[1].astype(np.int64)
        self.families = tuple(table.families[trial] for trial in trials)
        self.folds, self.epochs = table.test.shape[1:3]

    def answers(self, fold: int, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        of_fold = [self._test[trial, self._folds[fold]][:, rows] for trial in self._trials]
        return np.stack(of_fold).astype(np.float32)

    def member(self, trial: int, fold: int, epoch: int) -> NDArray[np.float32]:
        return self._test[self._trials[trial], self._folds[fold], epoch].astype(np.float32)


@dataclass(frozen=True)
class DrawnWorld:
    """Linear models of latent variables that learn as `DrawnCurves` do; groups of 1 to 6 rows alike."""

    trials: int = 48
    folds: int = 5
    epochs: int = 18
    groups: int = 400
    people: int = 6000  # groups of the population
    seed: int = 0  # of the population, the same for all studies
    name: str = "drawn"

    @cached_property
    def _rows(self) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """Latent variables (N, D), labels and codes (N,)."""
        rng = np.random.default_rng(self.seed)
        of_group = rng.choice(len(PRIOR), self.people, p=PRIOR)
        codes = np.repeat(np.arange(self.people), rng.integers(1, 7, self.people))
        own = np.sqrt(LIKENESS) * rng.normal(size=(self.people, LATENTS))[codes]
        own += np.sqrt(1 - LIKENESS) * rng.normal(size=(len(codes), LATENTS))
        return (MEANS[of_group[codes]] + own).astype(np.float32), of_group[codes], codes

    def draw(self, rng: np.random.Generator) -> Population:
        latents, labels, codes = self._rows
        best = np.column_stack([MEANS, np.log(PRIOR) - (MEANS**2).sum(axis=1) / 2])
        models = blurred(best, (self.trials, self.folds, self.epochs), rng)
        return DrawnPopulation(latents, labels, codes, models)


LATENTS = 24
PRIOR = np.array([0.52, 0.36, 0.12])
LIKENESS = 0.6  # share of a latent variable's variance that rows of a group have in common
MEANS = np.zeros((3, LATENTS))
MEANS[:, 0], MEANS[:, 1] = (-1.1, 0.5, 1.9), (-0.3, 0.6, -0.6)
# Standard deviations of a model's coefficients, in units of the best ones': of a trial, a fold run, an epoch.
TRIAL_SD, RUN_SD, EPOCH_SD = 0.16, 0.08, 0.05


class DrawnPopulation:
    """models (trials, folds, epochs, C, D + 1): coefficients of the latent variables, and intercepts."""

    def __init__(
        self,
        latents: NDArray[np.float32],
        labels: NDArray[np.int64],
        codes: NDArray[np.int64],
        models: NDArray[np.float32],
    ) -> None:
        self._latents = np.column_stack([latents, np.ones(len(latents), np.float32)])
        self._models, self.labels, self.codes = models, labels, codes
        self.families = tuple(f"family {trial % 3}" for trial in range(len(models)))
        self.folds, self.epochs = models.shape[1:3]

    def answers(self, fold: int, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        models, seen = self._models[:, fold], self._latents[rows]
        return _softmax(np.einsum("tecd,nd->tenc", models, seen, optimize=True))

    def member(self, trial: int, fold: int, epoch: int) -> NDArray[np.float32]:
        return _softmax(self._latents @ self._models[trial, fold, epoch].T)


def blurred(
    best: NDArray[np.float64], runs: tuple[int, int, int], rng: np.random.Generator
) -> NDArray[np.float32]:
    """(trials, folds, epochs, C, D + 1): the best linear model, (C, D + 1), blurred: less so the further a
    trial is on its curve. runs: trials, folds, epochs."""
    trials, folds, epochs = runs
    skill = (draw_base(trials, epochs, rng) - 0.2) / (0.69 - 0.2)  # (trials, epochs)
    skill = np.clip(skill, 0.0, 1.0)[:, None, :, None, None]
    unit = np.linalg.norm(best) / np.sqrt(best.size)
    of_trial = rng.normal(size=(trials, 1, 1, *best.shape))
    of_run = rng.normal(size=(trials, folds, 1, *best.shape))
    of_epoch = rng.normal(size=(*runs, *best.shape))
    blur = (TRIAL_SD + 1 - skill) * of_trial + RUN_SD * of_run + EPOCH_SD * of_epoch
    sureness = np.exp(rng.normal(0.2, 0.4, (trials, 1, 1, 1, 1)))
    models: NDArray[np.float32] = (sureness * (skill * best + unit * blur)).astype(np.float32)
    return models


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: NDArray[np.float32] = raised / raised.sum(axis=-1, keepdims=True)
    return shares


GROUPS = {"fashion": 980, "utkface": 1000, "mask_faces": 400}
"""Validation groups of a study on a table: as many as its models trained on."""
SUBSET = 48


def worlds(tables: Path | None) -> list[World]:
    """Drawn models, and a world of each table that lies in the folder."""
    found: list[World] = [DrawnWorld(SUBSET)]
    for name, groups in GROUPS.items():
        if tables is not None and (tables / name / "rows.npz").exists():
            found.append(TableWorld(StoredTable.open(tables / name), groups, SUBSET))
    return found
