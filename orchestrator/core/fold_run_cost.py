"""What a fold run costs a machine, as measured, and what that says of configurations that were not measured.

A trainable tells which configurations cost alike (`cost_family`) and how large each is within its family
(`cost_size`). Within a family, costs between two measured sizes lie on the line through them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from orchestrator.core.trainable import Config


@dataclass(frozen=True)
class FoldRunCost:
    """Of one fold run, alone on what it was granted. Sizes in bytes, at their peak."""

    resident_bytes: int  # of its process, without the files it maps; see machine.memory
    device_bytes: int  # of the GPU, CUDA's own context included; 0 on a CPU
    step_s: float  # median seconds of a training step; 0 where none was timed
    images_per_second: float  # of training; 0 where none was timed
    fits: bool = True  # False: it ran out of memory; the sizes are what it held, and it needs more


class CostCase(NamedTuple):
    """Configurations that cost the same."""

    family: str  # JSON text of what `cost_family` says
    size: float  # what `cost_size` says


@dataclass(frozen=True)
class MeasuredCost:
    case: CostCase
    cost: FoldRunCost


@dataclass(frozen=True)
class CostTable:
    """The measured cases, and the case of every configuration that a space can name."""

    measured: tuple[MeasuredCost, ...]
    names: tuple[str, ...]  # the parameters that a case follows from
    cases: Mapping[str, CostCase]  # `key_of` their values -> its case
    defaults: Mapping[str, Any] = field(default_factory=dict)  # of `names`, where a configuration is silent

    def of(self, config: Config) -> FoldRunCost | None:
        """What a fold run of it costs, never less than a smaller one of its family that was measured.

        A family that was not measured counts as the dearest that was: the largest are measured first. None
        where nothing was measured.
        """
        case = self.case_of(config)
        if case is None:
            return _dearest([item.cost for item in self.measured])
        if case.family in self._families:
            return cost_at(self._families[case.family], case.size)
        return _dearest([cost_at(known, case.size) for known in self._families.values()])

    def case_of(self, config: Config) -> CostCase | None:
        """None for values that the space cannot name."""
        values = [config.get(name, self.defaults.get(name)) for name in self.names]
        found = self.cases.get(key_of(values))
        return found or self.cases.get(key_of(map(_at_or_above, values, self._listed)))

    @property
    def costs(self) -> list[FoldRunCost]:
        """Of every configuration that the space can name, as far as values are listed."""
        found = (self.of(dict(zip(self.names, json.loads(key), strict=True))) for key in self.cases)
        return [cost for cost in found if cost is not None]

    @cached_property
    def _families(self) -> dict[str, list[tuple[float, FoldRunCost]]]:
        families: dict[str, list[tuple[float, FoldRunCost]]] = {}
        for item in sorted(self.measured, key=lambda item: item.case.size):
            families.setdefault(item.case.family, []).append((item.case.size, item.cost))
        return families

    @cached_property
    def _listed(self) -> list[list[Any]]:
        """The values of each of `names` that `cases` has."""
        columns = zip(*(json.loads(key) for key in self.cases), strict=True)
        return [sorted(filter(_is_number, column)) for column in columns] or [[] for _ in self.names]

    def to_json(self) -> dict[str, Any]:
        return {
            "measured": [{**item.case._asdict(), **asdict(item.cost)} for item in self.measured],
            "names": list(self.names),
            "cases": {key: list(case) for key, case in self.cases.items()},
            "defaults": dict(self.defaults),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> CostTable:
        """Inverse of `to_json`. Raises KeyError, TypeError or ValueError for another record."""
        return cls(
            tuple(
                MeasuredCost(CostCase(str(item["family"]), float(item["size"])), cost_from_json(item))
                for item in record["measured"]
            ),
            tuple(record["names"]),
            {key: CostCase(str(family), float(size)) for key, (family, size) in record["cases"].items()},
            dict(record["defaults"]),
        )


def cost_from_json(record: Mapping[str, Any]) -> FoldRunCost:
    """Raises KeyError, TypeError, ValueError."""
    kinds = {"resident_bytes": int, "device_bytes": int, "step_s": float, "images_per_second": float}
    values = {name: kind(record[name]) for name, kind in kinds.items()}
    if any(not 0 <= value < float("inf") for value in values.values()):
        raise ValueError(f"a cost is a number of 0 or more, not one of {values}")
    return FoldRunCost(**values, fits=bool(record["fits"]))


def key_of(values: Any) -> str:
    """Of values as JSON has them: 1 and 1.0 are one."""
    plain = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    return json.dumps(plain)


def family_text(family: Mapping[str, Any]) -> str:
    return json.dumps(dict(family), sort_keys=True)


def cost_at(known: Sequence[tuple[float, FoldRunCost]], size: float) -> FoldRunCost:
    """On the line through the measured sizes on both sides. known: (size, cost), at least one, by size.

    Beyond the largest the last line goes on; from one point it goes through the origin, which is too much
    rather than too little. Below the smallest: the smallest.
    """
    below = [pair for pair in known if pair[0] <= size]
    above = [pair for pair in known if pair[0] > size]
    if not below or below[-1][0] == size:
        cost = (below or above[:1])[-1][1]
    elif above:
        cost = _between(below[-1], above[0], size)
    else:
        last = list(pairwise(known))[-1:] or [((0.0, FoldRunCost(0, 0, 0.0, 0.0)), known[0])]
        cost = _between(*last[0], size)
    return _not_below([pair[1] for pair in below], cost)


def _between(
    smaller: tuple[float, FoldRunCost], larger: tuple[float, FoldRunCost], size: float
) -> FoldRunCost:
    (low, cheap), (high, dear) = smaller, larger
    share = (size - low) / (high - low)

    def on_line(name: str) -> float:
        return float(getattr(cheap, name) + share * (getattr(dear, name) - getattr(cheap, name)))

    return FoldRunCost(
        round(on_line("resident_bytes")),
        round(on_line("device_bytes")),
        max(on_line("step_s"), 0.0),
        # Rates of different sizes are near one another: the nearer one, never a line that leads below zero.
        (cheap if share < 0.5 and cheap.images_per_second else dear).images_per_second,
        cheap.fits and dear.fits,
    )


def _not_below(smaller: Sequence[FoldRunCost], cost: FoldRunCost) -> FoldRunCost:
    """smaller: costs of measured sizes that are no larger."""
    most = {
        name: max(getattr(item, name) for item in [*smaller, cost])
        for name in ("resident_bytes", "device_bytes", "step_s")
    }
    return replace(cost, **most, fits=cost.fits and all(item.fits for item in smaller))


def _dearest(costs: Sequence[FoldRunCost]) -> FoldRunCost | None:
    if not costs:
        return None
    slowest = min(costs, key=lambda item: item.images_per_second)
    return _not_below(costs, slowest)


def _at_or_above(value: Any, listed: Sequence[Any]) -> Any:
    """The nearest listed number that is not smaller, the largest where there is none: more is dearer."""
    if not _is_number(value) or not listed:
        return value
    return next((item for item in listed if item >= value), listed[-1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
