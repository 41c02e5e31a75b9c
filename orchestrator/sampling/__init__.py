"""Proposals: which configuration a trial number gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.text import on_one_line
from orchestrator.sampling.contract import Sampler
from orchestrator.sampling.random_and_grid import ConfigsToTryFirst, GridSampler, RandomSampler
from orchestrator.space import SearchSpace

SAMPLERS = ("random", "grid", "tpe")

__all__ = ["SAMPLERS", "ConfigsToTryFirst", "GridSampler", "RandomSampler", "Sampler", "make_sampler"]


def make_sampler(
    name: str, space: SearchSpace, seed: int, tries: Sequence[Mapping[str, Any]] = ()
) -> Sampler:
    """name: one of SAMPLERS; tries: what the first trials must have, as `checked_tries` gives it.

    Raises SearchSpaceError.
    """
    if name == "grid":
        return GridSampler(space, tries)
    if name not in SAMPLERS:
        raise SearchSpaceError(f"--sampler {on_one_line(name)}: use random, grid or tpe")
    drawn = RandomSampler(space, seed)
    if name == "random":
        return ConfigsToTryFirst(drawn, drawn, tries)
    from orchestrator.sampling.tpe import TPESampler  # Optuna takes a second to import

    return ConfigsToTryFirst(TPESampler(space, seed), drawn, tries)
