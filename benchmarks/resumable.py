"""Long runs whose results are lines of a log: what is there is not made again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Job = tuple[str, int, int]
"""World, seed, number. A row holds the first and the last of its job under `world` and `number`."""


def read_log(log: Path) -> list[Row]:
    """Nothing where there is no log yet."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def run_missing(
    jobs: Iterable[Job],
    work: Callable[[Job], Row],
    log: Path,
    workers: int,
    begin: Callable[[Path | None], None],
    tables: Path | None,
) -> int:
    """Does the jobs that the log lacks, adds a line for each, and says how many there were.

    begin(tables): called once in each of the `workers` processes.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    there = {(row["world"], row["number"]) for row in read_log(log)}
    missing = [job for job in jobs if (job[0], job[2]) not in there]
    spawn = get_context("spawn")
    with (
        ProcessPoolExecutor(workers, spawn, initializer=begin, initargs=(tables,)) as pool,
        log.open("a") as file,
    ):
        for row in pool.map(work, missing):
            file.write(json.dumps(row) + "\n")
            file.flush()
    return len(missing)
