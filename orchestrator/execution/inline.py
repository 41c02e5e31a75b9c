"""One slot in this process, no Ray: for a debugger, for tests, for a machine where Ray cannot run."""

from __future__ import annotations

from orchestrator.errors import OrchestratorError
from orchestrator.execution.driver import Driver
from orchestrator.execution.worker import FoldRunWorker


def run_inline(driver: Driver, worker: FoldRunWorker) -> None:
    """Runs the race to its end, one leg after another."""
    try:
        while not driver.done:
            order = driver.next_order()
            if order is None:
                raise OrchestratorError(
                    "the race has nothing to run and is not done; please report this journal"
                )
            worker.start(order)
            while (answer := driver.report(worker.step())).goes_on:
                if answer.order is not None:
                    worker.start(answer.order)
    finally:
        worker.release()
