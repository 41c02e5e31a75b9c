"""What a program may hand to a `Request`, turned into what a search works with, or refused in words."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.budget import Budget, parse_duration
from orchestrator.core.errors import InputError
from orchestrator.data.manifest import Manifest
from orchestrator.space import SearchSpace

Coerce = Callable[[str, Any], Any]
"""(the field's name, a value that is not None) -> the value the field holds. Raises InputError."""

_FOLD_EPOCHS = re.compile(r"(\d+) fold-epochs?")


def as_budget(given: object) -> Budget:
    """None, fold-epochs (500 or "500 fold-epochs"), a time ("2h"), or a Budget. Raises InputError."""
    if given is None:
        return Budget()
    if isinstance(given, Budget):
        limit, seconds = given.fold_epochs, given.seconds
        return Budget(
            None if limit is None else as_whole_number(1)("budget: fold_epochs", limit),
            None if seconds is None else as_seconds("budget: seconds", seconds),
        )
    if isinstance(given, str):
        epochs = _FOLD_EPOCHS.fullmatch(given.strip())
        return (
            Budget(as_whole_number(1)("budget", int(epochs[1])))
            if epochs
            else Budget(seconds=parse_duration(given, "budget"))
        )
    if _is_whole(given):
        return Budget(as_whole_number(1)("budget", given))
    raise _refusal("budget", given, "a number of fold-epochs, a time such as '2h', or a Budget of both")


def as_path(name: str, value: Any) -> Path:
    if isinstance(value, str | os.PathLike):
        return Path(value).expanduser()
    raise _refusal(name, value, "a path")


# ---- the kinds of fields --------------------------------------------------------------------------


def _refusal(name: str, value: object, rule: str) -> InputError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"a {type(value).__name__}"
    return InputError(f"{name}={shown}: give {rule}")


def _is_whole(value: object) -> bool:
    """A truth value is none, though Python calls it an int."""
    return isinstance(value, Integral) and not isinstance(value, bool | np.bool_)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def as_space(name: str, value: Any) -> SearchSpace | str:
    if isinstance(value, SearchSpace):
        return value
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    raise _refusal(name, value, "a SearchSpace, or the path of a space file")


def _data(name: str, value: Any) -> Any:
    if isinstance(value, pd.DataFrame | Manifest):
        return value
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    raise _refusal(name, value, "the path of a table or folder, a DataFrame, or a manifest")


def _absolute(name: str, value: Any) -> Path:
    """A path that means the same on workers, which stand elsewhere."""
    return as_path(name, value).absolute()


def _paths(name: str, value: Any) -> tuple[Path, ...]:
    given = [value] if isinstance(value, str | os.PathLike) else value
    if not isinstance(given, Iterable):
        raise _refusal(name, value, "paths of tables or folders")
    return tuple(as_path(name, item) for item in given)


def as_text(rule: str) -> Coerce:
    def coerce(name: str, value: Any) -> str:
        if isinstance(value, str | os.PathLike):
            return os.fspath(value)
        raise _refusal(name, value, rule)

    return coerce


def as_whole_number(least: int | None = None) -> Coerce:
    """least None: the space judges the number itself."""

    def coerce(name: str, value: Any) -> int:
        if _is_whole(value) and (least is None or value >= least):
            return int(value)
        raise _refusal(name, value, "a whole number" + ("" if least is None else f" of at least {least}"))

    return coerce


def as_seconds(name: str, value: Any) -> float:
    if isinstance(value, str):
        return parse_duration(value, name)
    if _is_number(value) and math.isfinite(value) and value > 0:
        return float(value)
    raise _refusal(name, value, "a time such as '2h' or '1h30m', or a number of seconds above 0")


def as_pause(name: str, value: Any) -> float:
    """Seconds, 0 among them."""
    if value in ("0", "0s", 0) and not isinstance(value, bool):
        return 0.0
    try:
        return as_seconds(name, value)
    except InputError as error:
        raise InputError(f"{error}; or 0 for none at all") from error


def as_gpus(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{kind}={share}" for kind, share in value.items())
    if isinstance(value, str) or _is_number(value):
        return str(value)
    raise _refusal(name, value, "'auto', a number such as 0.5, or one for each type of GPU: {'A100': 0.25}")


def as_mapping(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return dict(value)
    raise _refusal(name, value, "values by parameter name, such as {'lr': 0.01}")


def as_mappings(name: str, value: Any) -> list[dict[str, Any]]:
    given = [value] if isinstance(value, Mapping) else value
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise _refusal(name, value, "a list of configurations, such as [{'lr': 0.01}]")
    return [as_mapping(name, item) for item in given]


def as_trials(name: str, value: Any) -> tuple[int, ...] | None:
    """Of failed trials: True means all, (); False means none, None."""
    if isinstance(value, bool):
        return () if value else None
    given = [value] if _is_whole(value) else value
    if isinstance(given, Iterable) and not isinstance(given, str | Mapping):
        trials = [*given]
        if all(_is_whole(trial) and trial >= 0 for trial in trials):
            return tuple(map(int, trials))
    raise _refusal(name, value, "True for all failed trials, or their numbers, such as [3, 5]")


def as_flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise _refusal(name, value, "True or False")


def as_flag_or_text(rule: str) -> Coerce:
    def coerce(name: str, value: Any) -> bool | str:
        if isinstance(value, bool):
            return value
        if isinstance(value, str | os.PathLike) and os.fspath(value):
            return os.fspath(value)
        raise _refusal(name, value, rule)

    return coerce


OF_DATA: dict[str, Coerce] = {
    "data": _data,
    "path_column": as_text("the name of a column"),
    "images": _paths,
    "suffix": as_text("the ending of the image files, such as '.jpg'"),
    "labels": as_path,
    "class_pattern": as_text("a pattern whose first group is the class"),
    "group_pattern": as_text("a pattern whose first group is the group of rows"),
    "data_root": _absolute,
    "label_fixes": as_path,
    "drop_rare": as_whole_number(1),
    "rare_as": as_text("the name of a class"),
    "on_conflict": as_text("'error', 'drop' or 'keep'"),
    "torn_clusters": as_text("'refuse' or 'warn'"),
    "extra": _paths,
    "runs": as_path,
    "private": as_flag,
}
"""Of the fields of DataOptions, a room that knows nothing of searches; `Request` names those of its own."""
