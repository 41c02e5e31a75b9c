"""Whether values read from a file are of the types that a dataclass declares. Pure.

What a driver writes always is; a file that somebody edited or a disk damaged need not be, and would otherwise
fail later, somewhere else.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}


def check_fields(kind: Any, values: Mapping[str, Any]) -> None:
    """Raises ValueError that names the first field of the dataclass `kind` whose value is of another type.

    Fields that are not in `values` are left to their defaults.
    """
    declared = _declared(kind)
    for name, value in values.items():
        if name in declared and not _is(declared[name], value):
            raise ValueError(f"{name} is {_shown(value)}, not {_wanted(declared[name])}")


@functools.cache
def _declared(kind: Any) -> dict[str, Any]:
    return {name: hint for name, hint in get_type_hints(kind).items() if get_origin(hint) is not ClassVar}


def _is(hint: Any, value: Any) -> bool:
    if hint is Any:
        return True
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_is(item, value) for item in inner)
    if origin in (dict, Mapping):
        return isinstance(value, Mapping) and _all(inner[1], value.values())
    if origin in (list, Sequence):
        return isinstance(value, list | tuple) and _all(inner[0], value)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint if hint in _NAMES else isinstance(value, hint)


def _all(hint: Any, values: Any) -> bool:
    return hint is Any or all(_is(hint, value) for value in values)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _wanted(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_wanted(item) for item in inner)
    if origin in (dict, Mapping):
        return "an object" if inner[1] is Any else f"an object, each value {_wanted(inner[1])}"
    if origin in (list, Sequence):
        return "a list" if inner[0] is Any else f"a list, each item {_wanted(inner[0])}"
    return _NAMES.get(hint, getattr(hint, "__name__", str(hint)))
