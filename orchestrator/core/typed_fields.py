"""Whether values read from a file are of the types that a dataclass declares. Pure.

What a driver writes always is; a file that somebody edited or a disk damaged need not be, and would otherwise
fail later, somewhere else.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

Fits = Callable[[Any], bool]
_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}


def check_fields(kind: Any, values: Mapping[str, Any]) -> None:
    """Raises ValueError that names the first field of the dataclass `kind` whose value is of another type.

    Fields that are not in `values` are left to their defaults.
    """
    declared = _declared(kind)
    for name, value in values.items():
        if name in declared and not declared[name][1](value):
            raise ValueError(f"{name} is {_shown(value)}, not {_wanted(declared[name][0])}")


@functools.cache
def _declared(kind: Any) -> dict[str, tuple[Any, Fits]]:
    """Each field's type, and what tells whether a value is of it: made once for all lines of a journal."""
    hints = get_type_hints(kind).items()
    return {name: (hint, _fits(hint)) for name, hint in hints if get_origin(hint) is not ClassVar}


def _fits(hint: Any) -> Fits:
    if hint is Any:
        return lambda value: True
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        either = tuple(map(_fits, inner))
        return lambda value: any(fits(value) for fits in either)
    if origin in (dict, Mapping):
        each = _fits(inner[1])
        return lambda value: isinstance(value, Mapping) and all(map(each, value.values()))
    if origin in (list, tuple, Sequence):
        each = _fits(inner[0])
        return lambda value: isinstance(value, list | tuple) and all(map(each, value))
    if hint is float:
        return lambda value: type(value) in (int, float)
    if hint in _NAMES:
        return lambda value: type(value) is hint
    kind = origin or hint  # np.ndarray of NDArray[np.int16]
    return lambda value: isinstance(value, kind)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _wanted(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_wanted(item) for item in inner)
    if origin in (dict, Mapping):
        return "an object" if inner[1] is Any else f"an object, each value {_wanted(inner[1])}"
    if origin in (list, tuple, Sequence):
        return "a list" if inner[0] is Any else f"a list, each item {_wanted(inner[0])}"
    return _NAMES.get(hint, getattr(hint, "__name__", str(hint)))
