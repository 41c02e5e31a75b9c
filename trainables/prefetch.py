"""Batches made ahead of time by threads, in order.

Threads and not processes: decoding, resizing and most of augmentation release the interpreter lock, the
images are one shared memory map, and nothing has to be pickled or torn down.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_order(
    make: Callable[[int], T], count: int, pool: ThreadPoolExecutor | None, ahead: int
) -> Iterator[T]:
    """make(0), make(1), ... make(count - 1), at most `ahead` of them made before they are asked for.

    Without a pool each is made when asked for. An exception in `make` comes out at its place.
    """
    if pool is None:
        yield from map(make, range(count))
        return
    waiting: deque[Future[T]] = deque()
    try:
        for step in range(count):
            waiting.append(pool.submit(make, step))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def slices(total: int, size: int) -> list[slice]:
    """Consecutive slices of at most `size` that cover range(total)."""
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]
