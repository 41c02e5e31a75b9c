"""Proposals: which configuration a trial number gets."""

from __future__ import annotations

import itertools
from typing import Any, Protocol

import numpy as np

from orchestrator.errors import SearchSpaceError
from orchestrator.space import SearchSpace, ordered


class Sampler(Protocol):
    @property
    def limit(self) -> int | None:
        """How many different trials there can be; None: no end."""
        ...

    def propose(self, number: int) -> dict[str, Any]:
        """The configuration of trial `number` (from 0); the same whatever was asked before."""
        ...


class RandomSampler:
    """Independent draws. A trial's configuration depends on the seed and its number alone, so an extended
    study proposes what a longer one would have."""

    limit: int | None = None

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._seed = seed

    def propose(self, number: int) -> dict[str, Any]:
        rng = np.random.default_rng([self._seed, number])
        domains = self._space.domains
        config: dict[str, Any] = {}
        for name in ordered(domains):
            value = domains[name].sample(rng)  # drawn even where inactive: one draw never shifts another
            if domains[name].is_active(config):
                config[name] = value
        return config


class GridSampler:
    """Every combination of finite domains, in order; inactive parameters make no duplicates."""

    def __init__(self, space: SearchSpace) -> None:
        self._configs = _grid(space)

    @property
    def limit(self) -> int | None:
        return len(self._configs)

    def propose(self, number: int) -> dict[str, Any]:
        return dict(self._configs[number])


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
        unique.setdefault(repr(sorted(config.items())), config)
    return list(unique.values())


def make_sampler(name: str, space: SearchSpace, seed: int) -> Sampler:
    """name: random or grid. Raises SearchSpaceError."""
    if name == "random":
        return RandomSampler(space, seed)
    if name == "grid":
        return GridSampler(space)
    raise SearchSpaceError(f"--sampler {name}: use random or grid")
