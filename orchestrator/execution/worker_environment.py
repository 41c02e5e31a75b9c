"""What processes that run fold runs, or measure one, are started with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

ALLOCATION = {
    # Big blocks stay with the process: otherwise page faults of freed ones eat most of a CPU epoch.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}


@contextlib.contextmanager
def in_environment(given: Mapping[str, str]) -> Iterator[None]:
    """For the programs that are started meanwhile: this process goes on to other work afterwards."""
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
