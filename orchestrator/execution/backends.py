"""Where fold runs happen: on Ray, or in this process. Both keep one contract."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from orchestrator.core.callbacks import Announce, Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.disk_needs import DiskNeeds
from orchestrator.core.errors import InputError
from orchestrator.core.trainable import Parameter, Resources, asked_for_disk_needs, load_trainable
from orchestrator.execution.driver import Driver
from orchestrator.execution.inline import run_inline
from orchestrator.execution.on_ray.slots import ResourceRequest
from orchestrator.execution.packing import Packing
from orchestrator.execution.worker import FoldRunWorker
from orchestrator.inputs.node_images import check_images, resolve_on_node
from orchestrator.progress import progress_bar
from orchestrator.storage.contract import CheckpointStore

Values = Mapping[str, Sequence[Any]]
"""Parameter -> the values it can take."""


class Backend(Protocol):
    """Where fold runs happen. Two of them: Ray, and this process."""

    @property
    def slots(self) -> int:
        """Fold runs that can go on at once, as of now: nodes come and go."""
        ...

    @property
    def gpus(self) -> float:
        """GPUs a fold run gets at most; 0 where none uses a GPU. Settled when the backend is opened."""
        ...

    def describe(self, trainable: str) -> Mapping[str, Parameter]: ...

    def disk_needs(self, trainable: str, dataset: Dataset, values: Values) -> DiskNeeds | None:
        """What fold runs will store, where the trainable can say."""
        ...

    def prepare(
        self, trainable: str, dataset: Dataset, values: Values, store: CheckpointStore, progress: Progress
    ) -> Sequence[str]:
        """Every node shows that it can do its part; what they have to tell the user.

        Raises InputError naming those that cannot.
        """
        ...

    @property
    def packings(self) -> Mapping[str, Packing]:
        """Type of GPU -> how many fold runs share one, where that was measured."""
        ...

    def measure(self, progress: Progress, say: Announce) -> None:
        """Finds out what fold runs need and how many fit, after `prepare`. Never fails: a line says why it
        was not measured."""
        ...

    def run(self, driver: Driver) -> None:
        """To the race's end, with what was prepared."""
        ...


class _Inline:
    """Everything in this process, one slot."""

    slots = 1
    gpus = 0.0
    packings: Mapping[str, Packing] = MappingProxyType({})

    def __init__(self, cpus: int) -> None:
        self._resources = Resources(cpus, 0.0)
        self._worker: FoldRunWorker | None = None

    def describe(self, trainable: str) -> Mapping[str, Parameter]:
        return load_trainable(trainable).parameters()

    def disk_needs(self, trainable: str, dataset: Dataset, values: Values) -> DiskNeeds | None:
        return asked_for_disk_needs(trainable, dataset, values)

    def prepare(
        self, trainable: str, dataset: Dataset, values: Values, store: CheckpointStore, progress: Progress
    ) -> Sequence[str]:
        here = resolve_on_node(dataset)
        check_images(here, progress)
        told = load_trainable(trainable).prepare(here, values, progress)
        self._worker = FoldRunWorker(here, trainable, store, self._resources)
        return told or ()

    def measure(self, progress: Progress, say: Announce) -> None:
        """One fold run at a time fits, or shows that it does not."""

    def run(self, driver: Driver) -> None:
        assert self._worker is not None  # prepare comes first
        run_inline(driver, self._worker)


@contextlib.contextmanager
def open_backend(
    inline: bool,
    address: str | None,
    request: ResourceRequest,
    modules: Sequence[str] = (),
    trainable: str = "",
) -> Iterator[Backend]:
    """A backend, ready; what it started ends with the context. modules: as of `cluster.connect`; trainable:
    may be imported already; "": none may.

    Raises InputError.
    """
    if inline:
        if address is not None or request.gpus or any(request.by_type.values()):
            raise InputError(
                "--inline uses neither Ray nor a GPU; leave out --address and --gpus-per-fold-run"
            )
        yield _Inline(request.cpus or 1)
        return
    with contextlib.ExitStack() as stack:
        with progress_bar("starting Ray" if address is None else f"joining the Ray at {address}"):
            # Ray takes seconds to import: only when it is used.
            from orchestrator.execution.on_ray import cluster
            from orchestrator.execution.on_ray.early_import import importing_early

            early = functools.partial(importing_early, trainable, request) if trainable else None
            stack.enter_context(cluster.connect(address, modules=modules, early=early))
            # Tune, after `connect` has set its environment.
            from orchestrator.execution.on_ray.backend import OnRay

            backend = OnRay(request, shares_disk=address is None)
            stack.callback(backend.close)
        yield backend
