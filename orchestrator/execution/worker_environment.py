"""What processes that run fold runs, or measure one, are started with."""

from __future__ import annotations

ALLOCATION = {
    # Big blocks stay with the process: otherwise page faults of freed ones eat most of a CPU epoch.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}
