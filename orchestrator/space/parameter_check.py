"""Whether a trainable takes what a space gives it: names, types, choices, limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.text import suggestion
from orchestrator.core.trainable import Parameter, current_name
from orchestrator.space.domains import Domain


def check_domains(domains: Mapping[str, Domain], accepted: Mapping[str, Parameter], trainable: str) -> None:
    """Raises SearchSpaceError for the first parameter or value that `trainable` does not take."""
    for name, domain in domains.items():
        now = current_name(name, accepted)
        if now not in accepted:
            raise SearchSpaceError(_unknown_parameter(name, accepted, trainable))
        if now != name and now in domains:
            raise SearchSpaceError(
                f"{name} is the former name of {now} and the space has both; leave {name} out"
            )
        for value in domain.finite() or domain.values:
            _check_value(name, value, accepted[now])


def _unknown_parameter(name: str, accepted: Mapping[str, Parameter], trainable: str) -> str:
    hint = suggestion(name, accepted) or f"; it accepts: {', '.join(sorted(accepted))}"
    return f"parameter {name!r} is not known to {trainable}{hint}"


_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "none": (type(None),),
}


def _check_value(name: str, value: Any, parameter: Parameter) -> None:
    allowed = tuple(kind for text in parameter.types for kind in _TYPES[text])
    is_bool = isinstance(value, bool)
    one_of = f"one of {', '.join(map(repr, parameter.choices or ()))}"
    if not isinstance(value, allowed) or (is_bool and "bool" not in parameter.types):
        rule = f"of type {' or '.join(parameter.types)}" if parameter.choices is None else one_of
        raise SearchSpaceError(f"{name}={value!r} must be {rule}")
    if parameter.choices is not None and value not in parameter.choices:
        raise SearchSpaceError(f"{name}={value!r} must be {one_of}")
    if isinstance(value, int | float) and not is_bool:
        _check_range(name, value, parameter)


def _check_range(name: str, value: float, parameter: Parameter) -> None:
    low, high = parameter.minimum, parameter.maximum
    if not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
        limits = [
            f"at least {low:g}" if low is not None else "",
            f"at most {high:g}" if high is not None else "",
        ]
        rule = " and ".join(text for text in limits if text) or "finite"
        raise SearchSpaceError(f"{name}={value!r} must be {rule}")
