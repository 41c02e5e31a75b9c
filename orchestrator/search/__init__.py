"""A search from request to result."""

from orchestrator.search.request import Interrupted, Request, Result
from orchestrator.search.run import run_search

__all__ = ["Interrupted", "Request", "Result", "run_search"]
