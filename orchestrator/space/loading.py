"""From what a user typed to a SearchSpace: `--space`, `--scale`, `--set`."""

from __future__ import annotations

import json
import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.core.errors import InputError, SearchSpaceError
from orchestrator.core.trainable import NO_MODULE
from orchestrator.space.own_code import activate, beside, importable_beside
from orchestrator.space.search_space import SearchSpace

SHIPPED = Path(__file__).resolve().parents[2] / "search_spaces"


def resolve_space(given: str, shipped: Path = SHIPPED) -> Path:
    """The path as given; if there is none, the file of that name in `search_spaces/`."""
    path = Path(given)
    if path.is_file():
        return path
    name = path.name if path.suffix == ".py" else f"{path.name}.py"
    fallback = shipped / name
    if fallback.is_file():
        return fallback
    there = ", ".join(sorted(item.name for item in shipped.glob("*.py") if item.stem != "__init__"))
    raise SearchSpaceError(
        f"--space {given}: no such file, nor {fallback}; in {shipped} there is: {there or 'none'}"
    )


def load_space(path: Path) -> SearchSpace:
    """Runs the file and takes its variable `space`; what it names beside it can be imported from then on.

    Raises SearchSpaceError naming file and line.
    """
    try:
        with importable_beside(path):  # not for good: only a space whose trainable lies there needs that
            found = runpy.run_path(str(path), run_name=_run_name(path)).get("space")
    except SyntaxError as error:
        raise SearchSpaceError(
            f"{path}:{error.lineno}: {error.msg}; the space file is not valid Python"
        ) from error
    except InputError as error:
        raise SearchSpaceError(f"{path}:{_line_of(error, path)}: {error}") from error
    except Exception as error:
        kind = type(error).__name__
        raise SearchSpaceError(f"{path}:{_line_of(error, path)}: {kind}: {error}") from error
    if not isinstance(found, SearchSpace):
        raise SearchSpaceError(
            f"{path}: has no variable `space` holding a SearchSpace; add `space = SearchSpace(...)`"
        )
    if (own := beside(path, found.trainable, found.metric)) is not None:
        activate(own)
    return found


def _run_name(path: Path) -> str:
    """The file's own name, so that a trainable it defines has one that workers can import; where that name is
    another module's, one that nothing imports."""
    loaded = sys.modules.get(path.stem)
    is_free = loaded is None or str(getattr(loaded, "__file__", "")) == str(path.resolve())
    return path.stem if path.stem.isidentifier() and is_free else NO_MODULE


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """`key=value` texts; a value is JSON where it parses as such (3, 0.1, true, null), else text."""
    parsed: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise SearchSpaceError(f"--set {text}: must read key=value")
        parsed[name.strip()] = _value(value.strip())
    return parsed


def _value(text: str) -> Any:
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _line_of(error: BaseException, path: Path) -> int:
    lines = [
        frame.lineno or 0
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == path.resolve()
    ]
    return lines[-1] if lines else 1
