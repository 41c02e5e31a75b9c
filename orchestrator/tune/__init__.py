"""A search from request to result. `python -m orchestrator.tune` is its command."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.tune.request import Interrupted, Request, Result
    from orchestrator.tune.run import run_search

__all__ = ["Interrupted", "Request", "Result", "run_search"]


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: the command's `--help` needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "run" if name == "run_search" else "request"
    return getattr(importlib.import_module(f"orchestrator.tune.{module}"), name)
