"""Bayesian proposals: Optuna's tree-structured Parzen estimator, which learns from `trial_estimates`.

Nothing of Optuna lives from one proposal to the next: its study is built afresh, so a proposal is a function
of the seed, the trial's number and the events before it, and a journal that is replayed gives the same ones.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from orchestrator.core.events import Event, Proposed
from orchestrator.sampling.random_and_grid import RandomSampler
from orchestrator.sampling.trial_estimates import TrialEstimates
from orchestrator.space.domains import Domain
from orchestrator.space.search_space import SearchSpace, ordered

STARTUP = 10
"""So many proposals are random, and later ones too until so many trials have a value."""


class TPESampler:
    """Multivariate TPE over groups of parameters that occur together, which is how conditional ones work.

    Trials that have no score yet are running ones to it: nothing is proposed near them for a while.
    """

    limit: int | None = None

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._seed = seed
        self._random = RandomSampler(space, seed)
        self._domains = {name: space.domains[name] for name in ordered(space.domains)}
        self._varied = {
            name: distribution(domain) for name, domain in self._domains.items() if name in space.varied()
        }
        self._estimates = TrialEstimates(space.mode, space.folds)
        self._params: dict[int, dict[str, Any]] = {}  # trial -> what varies, as Optuna has it

    def observe(self, event: Event) -> None:
        if isinstance(event, Proposed):
            self._params[event.trial] = {
                name: to_inner(self._domains[name], event.config[name])
                for name in self._varied
                if name in event.config
            }
        else:
            self._estimates.add(event)

    def propose(self, number: int) -> dict[str, Any]:
        values = self._estimates.values()
        drawn = self._random.propose(number)
        if number < STARTUP or len(values) < STARTUP or not self._varied:
            return drawn
        asked = self._study(number, values).ask().relative_params
        rng = np.random.default_rng([self._seed, number])
        config: dict[str, Any] = {}
        for name, domain in self._domains.items():
            if domain.is_active(config):  # not asked: constants, and what no trial has had yet
                config[name] = from_inner(domain, asked[name]) if name in asked else domain.sample(rng)
        return config

    def _study(self, number: int, values: Mapping[int, float]) -> optuna.Study:
        # The trial's number too: a new sampler with the study's seed alone would draw the same every time.
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it prints a line for every study otherwise
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group` since 2021
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=STARTUP, seed=seed, multivariate=True, group=True, constant_liar=True
            )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        # By number: the same trials give the same proposal, in whatever order their events came.
        study.add_trials([self._trial(trial, values.get(trial)) for trial in sorted(self._params)])
        return study

    def _trial(self, trial: int, value: float | None) -> FrozenTrial:
        params = self._params[trial]
        return optuna.trial.create_trial(
            state=TrialState.RUNNING if value is None else TrialState.COMPLETE,
            value=value,
            params=params,
            distributions={name: self._varied[name] for name in params},
        )


# ---- how a domain stands in Optuna: finite values by their index, so that any JSON value can be one ----


class _Shared:
    """Optuna copies every trial it has with its distributions; that was most of a proposal's time."""

    def __deepcopy__(self, memo: object) -> Self:
        return self


class _Choice(_Shared, CategoricalDistribution):
    pass


class _Steps(_Shared, IntDistribution):
    pass


class _Float(_Shared, FloatDistribution):
    pass


def distribution(domain: Domain) -> BaseDistribution:
    """Indices without order for a choice, with it for numbers in steps."""
    finite = domain.finite()
    if finite is None:
        low, high = domain.values
        return _Float(low, high, log=domain.kind == "loguniform")
    return _Choice(range(len(finite))) if domain.kind == "choice" else _Steps(0, len(finite) - 1)


def to_inner(domain: Domain, value: Any) -> Any:
    """The index of a finite value; a float as it is."""
    finite = domain.finite()
    if finite is None:
        return value
    # As text: to Python True equals 1, and 1 equals 1.0.
    return [json.dumps(own) for own in finite].index(json.dumps(value))


def from_inner(domain: Domain, inner: Any) -> Any:
    finite = domain.finite()
    return inner if finite is None else finite[inner]
