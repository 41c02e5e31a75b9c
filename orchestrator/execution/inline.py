"""One slot in this process, no Ray: for a debugger, for tests, for a machine where Ray cannot run."""

from __future__ import annotations

from orchestrator.execution.driver import Driver
from orchestrator.execution.worker import FoldRunWorker


def run_inline(driver: Driver, worker: FoldRunWorker) -> None:
    """Runs the race to its end, one leg after another."""
    try:
        while not driver.done:
            assignment = driver.next_assignment()
            assert assignment is not None  # one slot: nothing else is running
            worker.start(assignment)
            driver.ready(assignment.leg.key)
            while (answer := driver.report(worker.step())).goes_on:
                if answer.assignment is not None:
                    worker.start(answer.assignment)
    finally:
        worker.release()
