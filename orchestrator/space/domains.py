"""What one parameter may be: the domains of a search space, as data that JSON can hold.

    choice([...])  uniform(a, b)  loguniform(a, b)  quniform(a, b, q)  randint(a, b)

`domain.when(optimizer="sgd")` makes a parameter conditional: it exists only where the others have those
values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.trainable import Parameter

_TYPE_NAMES = {bool: "bool", int: "int", float: "float", str: "str", type(None): "none"}
Conditions = Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Domain:
    """kind: choice, uniform, loguniform, quniform, randint or constant; values: its arguments."""

    kind: str
    values: tuple[Any, ...]
    conditions: Conditions = field(default_factory=dict)

    def when(self, **conditions: Any) -> Domain:
        """The same domain, for configurations in which every named parameter has (one of) these values."""
        allowed = {
            name: tuple(value) if isinstance(value, list | tuple) else (value,)
            for name, value in conditions.items()
        }
        return replace(self, conditions={**self.conditions, **allowed})

    def is_active(self, config: Mapping[str, Any]) -> bool:
        return all(name in config and config[name] in allowed for name, allowed in self.conditions.items())

    @property
    def is_constant(self) -> bool:
        return self.kind == "constant"

    def sample(self, rng: np.random.Generator) -> Any:
        """One value; numbers come as Python's own int and float."""
        return _SAMPLERS[self.kind](self.values, rng)

    def finite(self) -> tuple[Any, ...] | None:
        """Every value, in order; None where there are infinitely many."""
        if self.kind in ("choice", "constant"):
            return self.values
        if self.kind == "randint":
            return tuple(range(*self.values))
        if self.kind == "quniform":
            low, high, step = self.values
            return tuple(_on_step(low, high, step, index) for index in range(_steps(low, high, step) + 1))
        return None

    def contains(self, value: Any) -> bool:
        finite = self.finite()
        if finite is not None:
            return value in finite
        return isinstance(value, int | float) and self.values[0] <= value <= self.values[1]

    def as_parameter(self) -> Parameter:
        """A parameter that accepts what the domain holds; its default is the middle, of choices the first."""
        if self.kind in ("choice", "constant"):
            types = tuple(dict.fromkeys(_TYPE_NAMES.get(type(value), "str") for value in self.values))
            return Parameter(self.values[0], types, choices=self.values)
        low, high = self.values[0], self.values[1]
        if self.kind == "randint":
            return Parameter(low, ("int",), minimum=low, maximum=high - 1)
        if (values := self.finite()) is not None:  # quniform
            middle = values[(len(values) - 1) // 2]
            return Parameter(middle, (_TYPE_NAMES[type(middle)],), minimum=low, maximum=high)
        middle = math.sqrt(low * high) if self.kind == "loguniform" else (low + high) / 2
        return Parameter(middle, ("float",), minimum=low, maximum=high)

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {"kind": self.kind, "values": list(self.values)}
        if self.conditions:
            record["when"] = {name: list(allowed) for name, allowed in self.conditions.items()}
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Domain:
        """Inverse of `to_json`. Raises SearchSpaceError, KeyError, TypeError or ValueError for another."""
        conditions = {name: tuple(allowed) for name, allowed in record.get("when", {}).items()}
        kind, values = record["kind"], list(record["values"])
        made = choice(values) if kind == "choice" else _MAKERS[kind](*values)
        return replace(made, conditions=conditions)

    def __str__(self) -> str:
        if self.is_constant:
            return repr(self.values[0])
        inside = list(self.values) if self.kind == "choice" else ", ".join(map(repr, self.values))
        return f"{self.kind}({inside})"


def choice(values: Sequence[Any]) -> Domain:
    """One of `values`, each as likely as the others."""
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise SearchSpaceError(f"choice({values!r}) needs a list; write choice([{values!r}])")
    if not values:
        raise SearchSpaceError("choice([]) is empty; name at least one value")
    return Domain("choice", tuple(values))


def uniform(low: float, high: float) -> Domain:
    """A float in [low, high)."""
    _check_bounds("uniform", low, high)
    return Domain("uniform", (float(low), float(high)))


def loguniform(low: float, high: float) -> Domain:
    """A float in [low, high), its logarithm uniform."""
    _check_bounds("loguniform", low, high)
    if low <= 0:
        raise SearchSpaceError(f"loguniform({low}, {high}) has no logarithm at {low}; both must be above 0")
    return Domain("loguniform", (float(low), float(high)))


def quniform(low: float, high: float, step: float) -> Domain:
    """One of low, low + step, ... up to high, each as likely as the others."""
    _check_bounds("quniform", low, high)
    if not step > 0 or step > high - low:
        raise SearchSpaceError(
            f"quniform({low}, {high}, {step}): the step must be above 0 and at most high - low"
        )
    return Domain("quniform", (low, high, step))


def randint(low: int, high: int) -> Domain:
    """A whole number in [low, high)."""
    if not (isinstance(low, int) and isinstance(high, int)):
        raise SearchSpaceError(f"randint({low!r}, {high!r}) needs whole numbers; use uniform for floats")
    _check_bounds("randint", low, high)
    return Domain("randint", (low, high))


def constant(value: Any) -> Domain:
    return Domain("constant", (value,))


def as_domain(value: Any) -> Domain:
    """A Domain as it is; any other value as a constant."""
    return value if isinstance(value, Domain) else constant(value)


def _check_bounds(kind: str, low: float, high: float) -> None:
    numbers = all(isinstance(x, int | float) and math.isfinite(x) for x in (low, high))
    if not numbers:
        raise SearchSpaceError(f"{kind}({low!r}, {high!r}) needs two finite numbers")
    if not low < high:
        raise SearchSpaceError(f"{kind}({low}, {high}) is empty; the first number must be below the second")


def _steps(low: float, high: float, step: float) -> int:
    return math.floor((high - low) / step + 1e-9)


def _on_step(low: float, high: float, step: float, index: int) -> Any:
    value = low + index * step
    are_ints = all(isinstance(x, int) for x in (low, high, step))
    return int(value) if are_ints else round(float(value), 12)


def _sample_quniform(values: tuple[Any, ...], rng: np.random.Generator) -> Any:
    low, high, step = values
    return _on_step(low, high, step, int(rng.integers(_steps(low, high, step) + 1)))


_SAMPLERS: dict[str, Any] = {
    "constant": lambda values, rng: values[0],
    "choice": lambda values, rng: values[int(rng.integers(len(values)))],
    "uniform": lambda values, rng: float(rng.uniform(*values)),
    "loguniform": lambda values, rng: float(math.exp(rng.uniform(math.log(values[0]), math.log(values[1])))),
    "quniform": _sample_quniform,
    "randint": lambda values, rng: int(rng.integers(*values)),
}
_MAKERS: dict[str, Any] = {
    "constant": constant,
    "uniform": uniform,
    "loguniform": loguniform,
    "quniform": quniform,
    "randint": randint,
}
