"""A search from request to result. `python -m orchestrator.tune` is its command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from orchestrator.tune.request import Interrupted, Request, Result
    from orchestrator.tune.run import run_search

__all__ = ["Interrupted", "Request", "Result", "run_search"]
__getattr__ = lazy_exports(
    __name__, {"Interrupted": "request", "Request": "request", "Result": "request", "run_search": "run"}
)
