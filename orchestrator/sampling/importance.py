"""Which parameters tell the best trials from the others, by PED-ANOVA, and how far chance alone would go.

PED-ANOVA (Watanabe, Bansal, Hutter, IJCAI 2023) compares how the values of a parameter are spread among the
best trials and among all of them. It needs to know which trials are the best, no more: trials that were
stopped early take part by the estimate of their final score that samplers learn from (`trial_estimates`). Of
a conditional parameter, trials that have it are compared with each other (Optuna, condPED-ANOVA).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from orchestrator.core.arrays import Floats
from orchestrator.core.text import counted
from orchestrator.sampling.tpe import distribution, to_inner
from orchestrator.space.domains import Domain

FEWEST = 12
"""With fewer trials five of the best are nearly half of all: nothing tells them from the others."""

BEST = 0.1
"""Share of trials that count as the best, but at least FEWEST_BEST of them, as Optuna advises."""
FEWEST_BEST = 5

REPEATS = 100
TRIALS = 20_000
"""Trials evaluated in all resamples together at most: of 1,000 trials it takes some 2 s."""

LEVEL = 0.95


@dataclass(frozen=True)
class ParameterImportance:
    name: str
    share: float  # of the importance of all parameters
    low: float  # ends between which the share lies in `LEVEL` of random halves of the trials
    high: float
    by_chance: float  # share that chance reaches: in `LEVEL` of shuffles no parameter exceeds its own
    trials: int  # that have it

    @property
    def is_told(self) -> bool:
        """Whether it matters by more than chance."""
        return self.share > self.by_chance


@dataclass(frozen=True)
class Importances:
    parameters: tuple[ParameterImportance, ...]  # most important first; () where `reason` says why
    trials: int  # that have a score
    best: int  # of them that count as the best
    reason: str = ""


def parameter_importance(
    configs: Sequence[Mapping[str, Any]],
    values: Sequence[float],
    domains: Mapping[str, Domain],
    rng: np.random.Generator,
    repeats: int = REPEATS,
) -> Importances:
    """configs, values: of each trial, larger values better; those that are not finite are left out.

    domains: of the parameters that vary. A half without replacement scatters as the whole would be drawn anew
    (Politis, Romano, Wolf, "Subsampling", 1999); with replacement, repeated values would look like peaks.
    `by_chance`: values dealt to the trials at random.
    """
    known = [(config, value) for config, value in zip(configs, values, strict=True) if math.isfinite(value)]
    count, best = len(known), max(math.ceil(BEST * len(known)), FEWEST_BEST)
    if count < FEWEST:
        have = "has" if count == 1 else "have"
        few = f"only {counted(count, 'trial')} {have} a score" if count else "no trial has a score"
        return Importances((), count, 0, f"{few}, and it takes {FEWEST}")
    if not domains:
        return Importances((), count, best, "no parameter varies")
    scores = np.array([value for _, value in known])
    scores = np.array([value for _, value in known])
    evaluate = _Evaluator([config for config, _ in known], domains, best)
    everyone = np.arange(count)
    found = evaluate(everyone, scores)
    total = found.sum()
    if not total > 0:
        return Importances((), count, best, "the best trials have the same values as all of them")
    repeats = int(np.clip(TRIALS // count, 20, repeats))
    halves = (rng.permutation(count)[: count // 2] for _ in range(repeats))
    low, high = _ends(_shares(np.array([evaluate(half, scores) for half in halves])))
    chance = _by_chance(np.array([evaluate(everyone, rng.permutation(scores)) for _ in range(repeats)]))
    rows = zip(domains, found / total, low, high, chance / total, strict=True)
    made = [
        ParameterImportance(
            name,
            float(share),
            float(least),
            float(most),
            float(limit),
            sum(name in item for item, _ in known),
        )
        for name, share, least, most, limit in rows
    ]
    return Importances(tuple(sorted(made, key=lambda item: (-item.share, item.name))), count, best)


def _ends(shares: Floats) -> Floats:
    """(2, P) of (repeats, P)."""
    tail = (1 - LEVEL) / 2
    found: Floats = np.quantile(shares, [tail, 1 - tail], axis=0)
    return found


def _by_chance(shuffled: Floats) -> Floats:
    """(P,) limits that, in `LEVEL` of shuffles, no parameter exceeds. shuffled (repeats, P)."""
    own = np.maximum(np.quantile(shuffled, LEVEL, axis=0), 1e-12)
    furthest = (shuffled / own).max(axis=1)
    limits: Floats = own * max(1.0, float(np.quantile(furthest, LEVEL, method="higher")))
    return limits


def _shares(found: Floats) -> Floats:
    """(repeats, P): of each row's sum; where that is 0 nobody has a share."""
    total = found.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(found, total, out=np.zeros(found.shape), where=total > 0)
    return shares


class _Drawn(optuna.Study):
    """A study that shows the trials it is told to: storing each resample anew would take most of the time."""

    shown: Sequence[FrozenTrial] = ()

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        return [trial for trial in self.shown if states is None or trial.state in states]


class _Evaluator:
    """PED-ANOVA of trials that are drawn and dealt values again and again."""

    def __init__(
        self, configs: Sequence[Mapping[str, Any]], domains: Mapping[str, Domain], best: int
    ) -> None:
        spread = {name: distribution(domain) for name, domain in domains.items()}
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it prints a line for every study otherwise
        storage = optuna.storages.InMemoryStorage()
        study = optuna.create_study(storage=storage, study_name="importance", direction="maximize")
        for params in (_inner(config, domains) for config in configs):
            own = {name: spread[name] for name in params}
            study.add_trial(optuna.trial.create_trial(value=0.0, params=params, distributions=own))
        self._trials = study.get_trials(deepcopy=False)
        self._study = _Drawn("importance", storage)
        self._names, self._quantile = list(domains), best / len(configs)

    def __call__(self, drawn: NDArray[np.int64], values: Floats) -> Floats:
        """(P,): the variance that each parameter accounts for. drawn (n,): trials; values: of all trials."""
        from optuna.importance import PedAnovaImportanceEvaluator  # it takes a second to import

        for trial, value in zip(self._trials, values.tolist(), strict=True):
            trial.value = value
        self._study.shown = [self._trials[at] for at in drawn]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of conditional parameters that hardly a trial has
            found = PedAnovaImportanceEvaluator(target_quantile=self._quantile).evaluate(self._study)
        return np.array([found.get(name, 0.0) for name in self._names])


def _inner(config: Mapping[str, Any], domains: Mapping[str, Domain]) -> dict[str, Any]:
    """Without values that lie outside their domain, as a configuration that the user asked for may have."""
    return {
        name: to_inner(domain, config[name])
        for name, domain in domains.items()
        if name in config and domain.contains(config[name])
    }
