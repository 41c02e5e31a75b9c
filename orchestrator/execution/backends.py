"""Where fold runs happen: on Ray, or in this process. Both keep one contract."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from orchestrator.checkpoints import DirectoryStore
from orchestrator.errors import InputError
from orchestrator.execution.driver import Driver
from orchestrator.execution.inline import run_inline
from orchestrator.execution.worker import FoldRunWorker, load_trainable
from orchestrator.trial import Dataset, Parameter, Progress, Resources


class Backend(Protocol):
    """Where fold runs happen. Two of them: Ray, and this process."""

    slots: int
    gpus: float

    def check_folder(self, folder: Path) -> None:
        """What is written there must be seen wherever fold runs happen. Raises InputError."""
        ...

    def describe(self, trainable: str) -> Mapping[str, Parameter]: ...

    def prepare(
        self, trainable: str, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress
    ) -> None: ...

    def run(self, driver: Driver, dataset: Dataset, trainable: str) -> None: ...


class _Inline:
    """Everything in this process, one slot."""

    slots = 1

    def __init__(self, cpus: int) -> None:
        self.gpus = 0.0
        self._resources = Resources(cpus, 0.0)

    def check_folder(self, folder: Path) -> None:
        """This process sees what it writes."""

    def describe(self, trainable: str) -> Mapping[str, Parameter]:
        return load_trainable(trainable).parameters()

    def prepare(
        self, trainable: str, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress
    ) -> None:
        load_trainable(trainable).prepare(dataset, values, progress)

    def run(self, driver: Driver, dataset: Dataset, trainable: str) -> None:
        run_inline(driver, FoldRunWorker(dataset, trainable, driver.store, self._resources))


class _Ray:
    """A Ray cluster, this machine's own or one already running."""

    def __init__(self, gpus_per_fold_run: float | None, cpus_per_fold_run: int | None) -> None:
        from orchestrator.execution import ray_tune

        self._ray = ray_tune
        self._cluster = ray_tune.size_up(gpus_per_fold_run, cpus_per_fold_run)
        self.slots = self._cluster.slots
        self.gpus = self._cluster.resources.gpus

    def check_folder(self, folder: Path) -> None:
        self._ray.check_store(self._cluster, DirectoryStore(folder.resolve()), str(folder))

    def describe(self, trainable: str) -> Mapping[str, Parameter]:
        return self._ray.describe(trainable)

    def prepare(
        self, trainable: str, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress
    ) -> None:
        self._ray.prepare(self._cluster, trainable, dataset, values, progress)

    def run(self, driver: Driver, dataset: Dataset, trainable: str) -> None:
        self._ray.run_on_tune(driver, self._cluster, dataset, trainable, driver.store)


@contextlib.contextmanager
def open_backend(
    inline: bool, address: str | None, gpus_per_fold_run: float | None, cpus_per_fold_run: int | None
) -> Iterator[Backend]:
    """A backend, ready; what it started ends with the context. Raises InputError."""
    if inline:
        if address is not None or gpus_per_fold_run:
            raise InputError(
                "--inline uses neither Ray nor a GPU; leave out --address and --gpus-per-fold-run"
            )
        yield _Inline(cpus_per_fold_run or 1)
        return
    from orchestrator.execution import ray_tune  # seconds to import: only when it is used

    with ray_tune.connect(address):
        yield _Ray(gpus_per_fold_run, cpus_per_fold_run)
