"""Parameters as the writer of a trainable declares them: a default, a domain, or a full Parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core.errors import TrainableError
from orchestrator.core.text import suggestion
from orchestrator.core.trainable import Config, Parameter, with_current_names

_TYPES = {bool: ("bool",), int: ("int",), float: ("float",), str: ("str",)}


def as_parameter(name: str, value: Any) -> Parameter:
    """0.1 is a float with that default; a domain such as loguniform(1e-4, 1) says limits too.

    Raises TrainableError.
    """
    if isinstance(value, Parameter):
        return value
    if hasattr(value, "as_parameter"):  # a domain of a search space, a room that core does not know
        found: Parameter = value.as_parameter()
        return found
    if type(value) not in _TYPES:
        raise TrainableError(
            f"parameter {name}={value!r}: give a default (a number, a text, True or False), "
            "a domain such as loguniform(1e-4, 1.0), or a Parameter"
        )
    return Parameter(value, _TYPES[type(value)])


def completed(config: Config, accepted: Mapping[str, Parameter], owner: str) -> dict[str, Any]:
    """The configuration under the names of now, with defaults for what it does not name.

    Raises TrainableError for unknown names.
    """
    config = with_current_names(config, accepted)
    unknown = sorted(set(config) - set(accepted))
    if unknown:
        hint = suggestion(unknown[0], accepted) or f"; it accepts: {', '.join(sorted(accepted)) or 'none'}"
        raise TrainableError(f"parameter {unknown[0]!r} is not known to {owner}{hint}")
    return {name: config.get(name, parameter.default) for name, parameter in accepted.items()}
