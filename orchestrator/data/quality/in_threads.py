"""Work of many small parts, shared among the cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from orchestrator.core.cpu import cores

S = TypeVar("S")
T = TypeVar("T")


def in_threads(work: Callable[[S], T], items: Sequence[S]) -> Iterator[T]:
    """work(item) of each, in order. A product of matrices stays within its thread: the parts are shared."""
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(cores()) as pool:
        yield from pool.map(work, items)
