"""Samplers that learn nothing: random draws, the grid, and configurations to try first."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.events import Event
from orchestrator.sampling.contract import Sampler
from orchestrator.space.search_space import SearchSpace, ordered


class RandomSampler:
    """Independent draws. A trial's configuration depends on the seed and its number alone, so an extended
    study proposes what a longer one would have."""

    limit: int | None = None

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._seed = seed

    def propose(self, number: int, tried: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """tried: values of some parameters; the others are drawn as without it."""
        rng = np.random.default_rng([self._seed, number])
        domains = self._space.domains
        config: dict[str, Any] = {}
        for name in ordered(domains):
            value = domains[name].sample(rng)  # drawn even where inactive: one draw never shifts another
            if domains[name].is_active(config):
                config[name] = value if tried is None else tried.get(name, value)
        return config

    def observe(self, event: Event) -> None:
        """Nothing is learned."""


class GridSampler:
    """Every combination of finite domains, in order; inactive parameters make no duplicates.

    tries: each brings the first combination that has its values to the front. Raises SearchSpaceError.
    """

    def __init__(self, space: SearchSpace, tries: Sequence[Mapping[str, Any]] = ()) -> None:
        rest = _grid(space)  # what one entry of `tries` has taken is not there for the next
        self._configs = [rest.pop(_first_with(tried, rest)) for tried in tries] + rest

    @property
    def limit(self) -> int | None:
        return len(self._configs)

    def propose(self, number: int) -> dict[str, Any]:
        return dict(self._configs[number])

    def observe(self, event: Event) -> None:
        """Nothing is learned."""


class ConfigsToTryFirst:
    """The first trials have the values of `tries`, what they leave open is drawn; then `sampler` goes on."""

    def __init__(
        self, sampler: Sampler, drawn: RandomSampler, tries: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self._sampler, self._drawn, self._tries = sampler, drawn, tries

    @property
    def limit(self) -> int | None:
        return self._sampler.limit

    def propose(self, number: int) -> dict[str, Any]:
        if number < len(self._tries):
            return self._drawn.propose(number, self._tries[number])
        return self._sampler.propose(number)

    def observe(self, event: Event) -> None:
        self._sampler.observe(event)


def _grid(space: SearchSpace) -> list[dict[str, Any]]:
    domains = space.domains
    names = ordered(domains)
    values = []
    for name in names:
        finite = domains[name].finite()
        if finite is None:
            raise SearchSpaceError(
                f"--sampler grid: {name} = {domains[name]} has infinitely many values; "
                "use choice or quniform, or --sampler random"
            )
        values.append(finite)
    unique: dict[str, dict[str, Any]] = {}
    for combination in itertools.product(*values):
        config: dict[str, Any] = {}
        for name, value in zip(names, combination, strict=True):
            if domains[name].is_active(config):
                config[name] = value
        # Text as the key: a value may be a list.
        unique.setdefault(repr(sorted(config.items())), config)
    return list(unique.values())


def _first_with(tried: Mapping[str, Any], configs: Sequence[Mapping[str, Any]]) -> int:
    for index, config in enumerate(configs):
        if all(name in config and config[name] == value for name, value in tried.items()):
            return index
    values = ",".join(f"{name}={value}" for name, value in tried.items())
    raise SearchSpaceError(
        f"--try {values}: all configurations of the grid with these values are tried before it; leave it out"
    )
