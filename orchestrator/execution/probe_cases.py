"""Which configurations of a space are measured, so that what all others cost follows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from orchestrator.core.fold_run_cost import CostCase, family_text, key_of

MOST_COMBINATIONS = 4096
MOST_CASES = 8
"""That are measured. Each takes seconds, and the study waits for them."""


@dataclass(frozen=True)
class SpaceCases:
    """Of all configurations that a space can name."""

    names: tuple[str, ...]  # the parameters that a case follows from
    defaults: Mapping[str, Any]  # of them
    cases: Mapping[str, CostCase]  # `key_of` their values -> its case
    configs: Mapping[CostCase, dict[str, Any]]  # one of each case

    def text(self, case: CostCase) -> str:
        """Its parameters, without those that every configuration has as a trainable has them."""
        config = self.configs[case]
        usual = [name for name in self.names if config[name] != self.defaults.get(name)]
        told = [name for name in self.names if name in usual or self._varies(name)]
        return ", ".join(f"{name}={config[name]}" for name in told) or "all parameters at their defaults"

    def largest(self) -> list[CostCase]:
        """Of each family."""
        return [family[-1] for family in by_family(self.configs).values()]

    def _varies(self, name: str) -> bool:
        return len({repr(config[name]) for config in self.configs.values()}) > 1


def space_cases(trainable: Any, values: Mapping[str, Sequence[Any]]) -> SpaceCases:
    """trainable: a class that can say what its fold runs cost. Raises what it raises."""
    accepted = trainable.parameters()
    names = tuple(name for name in trainable.cost_parameters() if name in accepted)
    defaults = {name: accepted[name].default for name in names}
    usual = {name: items[0] for name, items in values.items()}
    cases: dict[str, CostCase] = {}
    configs: dict[CostCase, dict[str, Any]] = {}
    for chosen in product(*_thinned([values.get(name, (defaults[name],)) for name in names])):
        config = {**usual, **dict(zip(names, chosen, strict=True))}
        case = CostCase(family_text(trainable.cost_family(config)), float(trainable.cost_size(config)))
        cases[key_of(chosen)] = case
        configs.setdefault(case, config)
    return SpaceCases(names, defaults, cases, configs)


def _thinned(columns: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Numbers of long lists are left out until there are no more than MOST_COMBINATIONS; ends stay."""
    found = [list(column) for column in columns]
    while prod(map(len, found)) > MOST_COMBINATIONS:
        longest = max(range(len(found)), key=lambda index: len(found[index]))
        column = found[longest]
        found[longest] = [*column[:-1:2], column[-1]]
    return found


def chosen_cases(
    cases: Iterable[CostCase], weight: Callable[[CostCase], float]
) -> tuple[list[CostCase], list[CostCase]]:
    """The largest of each family, the heaviest families first, then the smallest of each: those that are
    measured, and those beyond MOST_CASES, which are left out."""
    heaviest = sorted(by_family(cases).values(), key=lambda family: -weight(family[-1]))
    ends = [family[-1] for family in heaviest] + [family[0] for family in heaviest if len(family) > 1]
    return ends[:MOST_CASES], ends[MOST_CASES:]


def by_family(cases: Iterable[CostCase]) -> dict[str, list[CostCase]]:
    """Of each family its cases, the smallest first."""
    families: dict[str, list[CostCase]] = {}
    for case in sorted(cases, key=lambda case: case.size):
        families.setdefault(case.family, []).append(case)
    return families
