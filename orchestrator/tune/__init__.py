"""A search from request to result."""

from orchestrator.tune.request import Interrupted, Request, Result
from orchestrator.tune.run import run_search

__all__ = ["Interrupted", "Request", "Result", "run_search"]
