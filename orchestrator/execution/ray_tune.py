"""Running a race on Ray Tune: one leg = one Tune trial, on warm actors. The only module that imports ray.

The search algorithm hands out the race's next leg when a slot is free, the scheduler takes each epoch to the
driver and stops the Tune trial where the driver says so. Nothing of Tune's own persistence is used: what is
lost with this process is only what the journal can give back.

Tune's behaviour this relies on (Ray 2.55-2.60): `suggest` returning None means "nothing now" as long as
something runs; `Searcher.FINISHED` is permanent; a reused actor gets `reset_config` instead of a new process.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import queue
import shutil
import socket
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.errors import InputError, OrchestratorError, TrainableError
from orchestrator.execution.driver import Driver
from orchestrator.execution.sharing import share_out
from orchestrator.execution.worker import (
    FoldRunWorker,
    LegOrder,
    Outcome,
    StorageFailed,
    load_trainable,
)
from orchestrator.trial import CheckpointStore, Dataset, Parameter, Progress, Resources, from_json, to_json

WORKER_ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Big blocks stay with the process: otherwise page faults of freed ones eat most of a CPU epoch.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}
DRIVER_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class Cluster:
    """What a connected Ray offers to one study."""

    resources: Resources
    slots: int
    nodes: tuple[str, ...]


# ---- connecting -----------------------------------------------------------------------------------


@contextlib.contextmanager
def connect(address: str | None, cpus: int | None = None) -> Iterator[None]:
    """Joins the Ray at `address` ("auto": the one running here), or starts one of its own on this machine.

    Ends only what it started. Raises InputError when there is no Ray at `address`.
    """
    os.environ.update(DRIVER_ENVIRONMENT)
    here = {name: os.environ.get(name, value) for name, value in WORKER_ENVIRONMENT.items()}
    os.environ.update(here)
    os.environ["PYTHONPATH"] = _import_path()
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        options.update(num_cpus=cpus, include_dashboard=False, _node_ip_address="127.0.0.1")
    else:
        options.update(address=address, runtime_env={"env_vars": here})
    try:
        _knock(address)
        ray.init(**options)
    except (ConnectionError, ValueError, OSError) as error:
        raise InputError(
            f"--address {address}: no Ray answers there ({error}); start it with `ray up`"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str | None) -> None:
    """Raises OSError within seconds where nothing listens: Ray itself would try for minutes."""
    host, colon, port = (address or "").rpartition(":")
    if colon and "//" not in host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()


def _import_path() -> str:
    """Workers see what the driver sees: the folder it was started in, first."""
    given = os.environ.get("PYTHONPATH", "")
    here = str(Path.cwd())
    return here if not given else given if here in given.split(os.pathsep) else here + os.pathsep + given


def size_up(gpus_per_fold_run: float | None, cpus_per_fold_run: int | None) -> Cluster:
    """Slots of the connected Ray and what each may use. Raises InputError."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    has = [(int(node["Resources"].get("CPU", 0)), float(node["Resources"].get("GPU", 0))) for node in nodes]
    resources, slots = share_out(has, gpus_per_fold_run, cpus_per_fold_run)
    return Cluster(resources, slots, tuple(node["NodeID"] for node in nodes))


# ---- before the race ------------------------------------------------------------------------------


def describe(trainable: str) -> Mapping[str, Parameter]:
    """The parameters a trainable accepts, asked on a worker. Raises TrainableError."""
    found = ray.get(_describe.remote(trainable))
    if isinstance(found, str):
        raise TrainableError(found)
    parameters: Mapping[str, Parameter] = found
    return parameters


@ray.remote(num_cpus=0)  # type: ignore[untyped-decorator]
def _describe(trainable: str) -> Any:
    try:
        return dict(load_trainable(trainable).parameters())
    except InputError as error:
        return str(error)


def prepare(
    cluster: Cluster,
    trainable: str,
    dataset: Dataset,
    values: Mapping[str, Sequence[Any]],
    progress: Progress,
) -> None:
    """Runs the trainable's `prepare` once on every node. Raises the InputError a node met."""
    shared = ray.put(dataset)
    for node in cluster.nodes:
        strategy = NodeAffinitySchedulingStrategy(node, soft=False)
        stream = _prepare.options(scheduling_strategy=strategy).remote(trainable, shared, dict(values))
        for item in stream:
            message = ray.get(item)
            if isinstance(message, Exception):
                raise message
            progress(*message)


@ray.remote(num_cpus=0, num_returns="streaming")  # type: ignore[untyped-decorator]
def _prepare(trainable: str, dataset: Dataset, values: dict[str, Sequence[Any]]) -> Iterator[Any]:
    messages: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            load_trainable(trainable).prepare(
                dataset, values, lambda done, total: messages.put((done, total))
            )
            messages.put(None)
        except InputError as error:
            messages.put(error)
        except Exception as error:
            messages.put(OrchestratorError(f"{trainable}.prepare: {type(error).__name__}: {error}"))

    threading.Thread(target=work, daemon=True).start()
    while (message := messages.get()) is not None:
        yield message
        if isinstance(message, Exception):
            return


def check_store(cluster: Cluster, store: CheckpointStore, place: str) -> None:
    """What the driver writes must be seen by every node. Raises InputError naming one that doesn't."""
    if len(cluster.nodes) < 2:
        return
    name = f"probe-{uuid.uuid4().hex}"
    store.put(name, b"seen")
    try:
        for node in cluster.nodes:
            strategy = NodeAffinitySchedulingStrategy(node, soft=False)
            seen, host = ray.get(_sees.options(scheduling_strategy=strategy).remote(store, name))
            if not seen:
                raise InputError(
                    f"server {host} does not see {place}: what it writes there would be lost to the others; "
                    "give --runs a folder that every server mounts"
                )
    finally:
        store.delete(name)


@ray.remote(num_cpus=0)  # type: ignore[untyped-decorator]
def _sees(store: CheckpointStore, name: str) -> tuple[bool, str]:
    try:
        return store.get(name) == b"seen", platform.node()
    except KeyError:
        return False, platform.node()


# ---- the race -------------------------------------------------------------------------------------


class _LegTrainable(tune.Trainable):  # type: ignore[misc]
    """A slot: carries orders to a FoldRunWorker and outcomes back, as JSON text."""

    def setup(
        self,
        config: dict[str, Any],
        dataset: Dataset,
        name: str,
        store: CheckpointStore,
        resources: Resources,
    ) -> None:
        self._worker = FoldRunWorker(dataset, name, store, resources)
        self._worker.start(config["order"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._worker.start(new_config["order"])
        return True

    def step(self) -> dict[str, Any]:
        return {"outcome": encode(self._worker.step())}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the worker has stored the epoch already."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: the worker loads from the store."""

    def cleanup(self) -> None:
        self._worker.release()


def encode(outcome: Outcome) -> str:
    if isinstance(outcome, StorageFailed):
        return json.dumps({"event": "storage_failed", **vars(outcome)})
    return json.dumps(to_json(outcome))


def decode(text: str) -> Outcome:
    record = json.loads(text)
    if record["event"] == "storage_failed":
        return StorageFailed(record["trial"], record["fold"], record["error"])
    return from_json(record)  # type: ignore[return-value]  # a worker sends nothing else


class _LegSearcher(Searcher):  # type: ignore[misc]
    """The race's queue, as Tune's search algorithm."""

    def __init__(self, driver: Driver, slots: int) -> None:
        super().__init__()
        self._driver = driver
        self._slots = slots
        self.orders: dict[str, LegOrder] = {}
        self.begun: set[str] = set()  # Tune trials that have reported

    def suggest(self, trial_id: str) -> Any:
        if self._driver.done:
            return Searcher.FINISHED
        if self._driver.running >= self._slots:
            return None  # Tune would queue it; the race decides better once a slot is really free
        if any(order.whole_gpu and trial not in self.begun for trial, order in self.orders.items()):
            return None  # new shares of a GPU would keep it from ever being whole
        order = self._driver.next_order()
        if order is None:
            return None
        self.orders[trial_id] = order
        return {"order": order}

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tuner writes its arguments to a file that nobody reads

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        self.orders.pop(trial_id, None)
        self.begun.discard(trial_id)

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the journal is the state."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""


class _LegScheduler(FIFOScheduler):  # type: ignore[misc]
    """Takes every epoch to the driver; stops the Tune trial where the fold run gives its slot away."""

    def __init__(self, driver: Driver, searcher: _LegSearcher) -> None:
        super().__init__()
        self._driver = driver
        self._orders, self._begun = searcher.orders, searcher.begun
        self.failure: OrchestratorError | None = None  # Tune wraps what is raised here beyond recognition

    def __getstate__(self) -> dict[str, Any]:
        return {}  # as above

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        self._begun.add(trial.trial_id)
        try:
            answer = self._driver.report(decode(result["outcome"]))
        except OrchestratorError as error:
            self.failure = error
            raise
        if answer.goes_on:
            return str(TrialScheduler.CONTINUE)
        self._orders.pop(trial.trial_id, None)  # what happens to its actor now is no loss
        return str(TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        order = self._orders.pop(trial.trial_id, None)
        if order is not None:
            error = trial.get_error()
            text = f"{type(error).__name__}: {error}" if error else "its process died"
            self._driver.lost(order.leg.key, text.splitlines()[0], text)

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """None: Tune starts what is pending by itself, without walking all past trials."""


def run_on_tune(
    driver: Driver, cluster: Cluster, dataset: Dataset, trainable: str, store: CheckpointStore
) -> None:
    """Runs the race to its end on the connected Ray."""
    searcher = _LegSearcher(driver, cluster.slots)
    scheduler = _LegScheduler(driver, searcher)
    scratch = Path(tempfile.mkdtemp(prefix="orchestrator-tune-"))
    slot = tune.with_parameters(
        _LegTrainable, dataset=dataset, name=trainable, store=store, resources=cluster.resources
    )
    slot = tune.with_resources(slot, lambda config: _request(cluster.resources, config["order"]))
    tuner = tune.Tuner(
        slot,
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"leg-{trial.trial_id}",
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="legs",
            storage_path=str(scratch),
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
        ),
    )
    try:
        with _quiet():
            tuner.fit()
    except Exception:
        if scheduler.failure is not None:
            raise scheduler.failure from None
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if not driver.done:
        raise OrchestratorError("Ray Tune ended before the race was done; continue with --resume")


def _request(resources: Resources, order: LegOrder) -> Any:
    gpus = max(1.0, resources.gpus) if order.whole_gpu else resources.gpus
    return tune.PlacementGroupFactory([{"CPU": resources.cpus, "GPU": gpus}])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Tune's own chatter is not the user's: what happens is shown by our view and kept in the journal."""
    loggers = [logging.getLogger(name) for name in ("ray.tune", "ray.train", "ray")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
