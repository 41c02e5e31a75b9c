"""Where fold runs happen: on Ray, or in this process. Both keep one contract."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import InputError
from orchestrator.core.trainable import Parameter, Resources, load_trainable
from orchestrator.execution.driver import Driver
from orchestrator.execution.inline import run_inline
from orchestrator.execution.on_ray.slots import ResourceRequest
from orchestrator.execution.worker import FoldRunWorker
from orchestrator.inputs.node_images import check_images, resolve_on_node
from orchestrator.storage.contract import CheckpointStore

Values = Mapping[str, Sequence[Any]]
"""Parameter -> the values it can take."""


class Backend(Protocol):
    """Where fold runs happen. Two of them: Ray, and this process."""

    slots: int
    gpus: float

    def describe(self, trainable: str) -> Mapping[str, Parameter]: ...

    def prepare(
        self, trainable: str, dataset: Dataset, values: Values, store: CheckpointStore, progress: Progress
    ) -> None:
        """Every node shows that it can do its part. Raises InputError naming those that cannot."""
        ...

    def run(self, driver: Driver) -> None:
        """To the race's end, with what was prepared."""
        ...


class _Inline:
    """Everything in this process, one slot."""

    slots = 1

    def __init__(self, cpus: int) -> None:
        self.gpus = 0.0
        self._resources = Resources(cpus, 0.0)
        self._worker: FoldRunWorker | None = None

    def describe(self, trainable: str) -> Mapping[str, Parameter]:
        return load_trainable(trainable).parameters()

    def prepare(
        self, trainable: str, dataset: Dataset, values: Values, store: CheckpointStore, progress: Progress
    ) -> None:
        here = resolve_on_node(dataset)
        check_images(here, progress)
        load_trainable(trainable).prepare(here, values, progress)
        self._worker = FoldRunWorker(here, trainable, store, self._resources)

    def run(self, driver: Driver) -> None:
        assert self._worker is not None  # prepare comes first
        run_inline(driver, self._worker)


class _Ray:
    """A Ray cluster, this machine's own or one already running."""

    def __init__(self, share: ResourceRequest, joined: bool) -> None:
        from orchestrator.execution.on_ray.backend import OnRay  # seconds to import: only when it is used

        self._here = OnRay(share, joined)
        self.slots = self._here.slots
        self.gpus = self._here.gpus

    def describe(self, trainable: str) -> Mapping[str, Parameter]:
        return self._here.describe(trainable)

    def prepare(
        self, trainable: str, dataset: Dataset, values: Values, store: CheckpointStore, progress: Progress
    ) -> None:
        self._here.prepare(trainable, dataset, values, store, progress)

    def run(self, driver: Driver) -> None:
        self._here.run(driver)


@contextlib.contextmanager
def open_backend(inline: bool, address: str | None, share: ResourceRequest) -> Iterator[Backend]:
    """A backend, ready; what it started ends with the context. Raises InputError."""
    if inline:
        if address is not None or share.gpus or any(share.by_type.values()):
            raise InputError(
                "--inline uses neither Ray nor a GPU; leave out --address and --gpus-per-fold-run"
            )
        yield _Inline(share.cpus or 1)
        return
    from orchestrator.execution.on_ray.cluster import connect

    with connect(address):
        yield _Ray(share, joined=address is not None)
