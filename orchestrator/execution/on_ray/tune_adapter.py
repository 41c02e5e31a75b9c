"""Running a race on Ray Tune: one leg = one Tune trial, on warm actors. Only this module imports ray.tune.

The search algorithm hands out the race's next leg when a node has a free slot, pinned to that node; the
scheduler takes each epoch to the driver and stops the Tune trial where the driver says so. Nothing of Tune's
own persistence is used: what is lost with this process is only what the journal can give back.

Tune's behaviour this relies on (Ray 2.55-2.60): `suggest` returning None means "nothing now" as long as
something runs; `Searcher.FINISHED` is permanent; a reused actor gets `reset_config` instead of a new process.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.events import LegFailed, from_json, to_json
from orchestrator.core.failure_causes import is_gpu_fault
from orchestrator.core.trainable import Resources
from orchestrator.execution.driver import Driver
from orchestrator.execution.gated_worker import GatedWorker, GpuFree, GpuTaken
from orchestrator.execution.on_ray.compat import (
    NODE_ID,
    keep_warm,
    start_in_idle_processes,
    treat_oom_as_actor_death,
)
from orchestrator.execution.on_ray.leg_scheduler import LegScheduler
from orchestrator.execution.on_ray.node_memory import MARKER, workers_here
from orchestrator.execution.on_ray.node_pool import Placement
from orchestrator.execution.on_ray.node_setup import NodeSetup
from orchestrator.execution.worker import FoldRunWorker, LegAssignment, Outcome, StorageFailed
from orchestrator.inputs.node_images import resolve_on_node
from orchestrator.machine.private_folder import private_folder
from orchestrator.storage.contract import CheckpointStore

log = logging.getLogger(__name__)

RESTARTS = 5  # of Tune, in a row without a new epoch


treat_oom_as_actor_death()


class _LegTrainable(tune.Trainable):  # type: ignore[misc]
    """A slot: carries assignments to a FoldRunWorker, and outcomes back as JSON text."""

    def setup(self, config: dict[str, Any], dataset: Dataset, name: str, store: CheckpointStore) -> None:
        os.environ.update(config["environment"])  # before anything asks for the GPU
        self._worker = GatedWorker(FoldRunWorker(resolve_on_node(dataset), name, store), workers_here)
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._start(new_config)
        return True

    def _start(self, config: dict[str, Any]) -> None:
        resources: Resources = config["resources"]
        self._worker.start(config["assignment"], resources, config["gpu_bytes"])

    def step(self) -> dict[str, Any]:
        """Raises _GpuFaultError where this process is of no use to another leg: Tune ends it then."""
        outcome = self._worker.step()
        if isinstance(outcome, LegFailed) and is_gpu_fault(outcome.error):
            raise _GpuFaultError(encode(outcome))
        return {"outcome": encode(outcome)}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the worker has stored the epoch already."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: the worker loads from the store."""

    def cleanup(self) -> None:
        self._worker.release()


OWN: dict[str, type[StorageFailed | GpuTaken | GpuFree]] = {
    "storage_failed": StorageFailed,
    "gpu_taken": GpuTaken,
    "gpu_free": GpuFree,
}
"""What a worker sends beside events of the journal."""


def encode(outcome: Outcome | GpuTaken | GpuFree) -> str:
    if isinstance(outcome, StorageFailed | GpuTaken | GpuFree):
        name = next(name for name, kind in OWN.items() if kind is type(outcome))
        return json.dumps({"event": name, **vars(outcome)})
    return json.dumps(to_json(outcome))


def decode(text: str) -> Outcome | GpuTaken | GpuFree:
    record = json.loads(text)
    if record["event"] in OWN:
        return OWN[record.pop("event")](**record)
    return from_json(record)  # type: ignore[return-value]  # a worker sends nothing else


class _GpuFaultError(Exception):
    """A leg ended by a fault of its GPU; says the outcome as `encode` does."""


def _fault_in(text: str) -> LegFailed | None:
    """What a `_GpuFaultError` says, in what Ray writes around it."""
    found = re.findall(rf"{_GpuFaultError.__name__}: (\{{.*\}})", text)
    outcome = decode(found[-1]) if found else None
    return outcome if isinstance(outcome, LegFailed) else None


class _TuneSearcher(Searcher):  # type: ignore[misc]
    """The race's queue, as Tune's search algorithm."""

    def __init__(self, scheduler: LegScheduler) -> None:
        super().__init__()
        self._scheduler = scheduler
        self.legs: dict[str, tuple[LegAssignment, Placement]] = {}  # Tune trial -> what it runs, and where
        self.failure: OrchestratorError | None = None  # Tune wraps what is raised to it beyond recognition

    @contextlib.contextmanager
    def remembering(self) -> Iterator[None]:
        """What our own side raises ends the study; it is no fault of Tune's."""
        try:
            yield
        except OrchestratorError as error:
            self.failure = error
            raise

    def suggest(self, trial_id: str) -> Any:
        with self.remembering():
            self._scheduler.poll_nodes()
            if self._scheduler.done:
                return Searcher.FINISHED
            found = self._scheduler.next()
        if found is None:
            return None
        assignment, placement = self.legs[trial_id] = found
        return {
            "assignment": assignment,
            "resources": placement.resources,
            "node": placement.node.id,
            "gpu_bytes": self._scheduler.gpu_bytes(assignment.leg.trial),
            "environment": dict(self._scheduler.environment_on(placement.node)),
        }

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tuner writes its arguments to a file that nobody reads

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        self.legs.pop(trial_id, None)

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: the journal is the state."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is the state."""


class _TuneScheduler(FIFOScheduler):  # type: ignore[misc]
    """Takes every epoch to the driver; stops the Tune trial where the fold run gives its slot away."""

    def __init__(self, scheduler: LegScheduler, searcher: _TuneSearcher, own_ray: bool) -> None:
        super().__init__()
        self._scheduler, self._own_ray = scheduler, own_ray
        self._legs, self._remembering = searcher.legs, searcher.remembering
        self._holds: dict[str, int] = {}  # Tune trials whose process waits at a GPU that others have taken

    def __getstate__(self) -> dict[str, Any]:
        return {}  # as above

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        outcome = decode(result["outcome"])
        with self._remembering():
            if isinstance(outcome, GpuTaken | GpuFree):
                goes_on = self._waits(trial.trial_id, outcome)
            else:
                goes_on = self._scheduler.report(outcome)
        if goes_on:
            return str(TrialScheduler.CONTINUE)
        self._legs.pop(trial.trial_id, None)  # what happens to its actor now is no loss
        return str(TrialScheduler.STOP)

    def _waits(self, trial: str, outcome: GpuTaken | GpuFree) -> bool:
        """Whether a process stays at a GPU that is taken."""
        if trial not in self._holds:
            assert isinstance(outcome, GpuTaken)  # it is free only after it was taken
            self._holds[trial] = self._scheduler.leave_gpu(outcome)
            del self._legs[trial]  # another Tune trial runs that leg
        if isinstance(outcome, GpuFree) or self._scheduler.done:
            self._scheduler.let_go(self._holds.pop(trial))
            return False
        return True

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        hold = self._holds.pop(trial.trial_id, None)
        if hold is not None:
            self._scheduler.let_go(hold)
        leg = self._legs.pop(trial.trial_id, None)
        if leg is None:
            return
        text = _error_text(trial)
        fault = _fault_in(text)
        if fault is None:
            self._lose(leg, text)
            return
        with self._remembering():
            self._scheduler.report(fault)

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """Chooses nothing: Tune then starts what is pending by itself, without walking all past trials.

        Tune asks in every turn of its loop, so it is here that nodes are polled. Ray reports the processes
        that died with a node; one that had still to start there nobody would report.
        """
        keep_warm(tune_controller, self._scheduler.idle_slots)
        if self._own_ray:
            start_in_idle_processes(tune_controller)
        self._scheduler.poll_nodes()
        gone = self._scheduler.gone
        stranded = {trial for trial, leg in self._legs.items() if leg[1].node.id in gone} if gone else ()
        if not stranded:
            return
        for trial in list(tune_controller.get_live_trials()):
            if trial.trial_id in stranded and trial.status == TuneTrial.PENDING:
                leg = self._legs.pop(trial.trial_id)
                self._lose(leg, f"node {leg[1].node} was gone before the leg began there")
                tune_controller.stop_trial(trial)

    def _lose(self, leg: tuple[LegAssignment, Placement], text: str) -> None:
        with self._remembering():
            self._scheduler.lost(leg[0].leg.key, text)


class _Started(tune.Callback):  # type: ignore[misc]
    """Notes when the process of a leg has started: until then it imports its libraries."""

    def __init__(self, scheduler: LegScheduler, searcher: _TuneSearcher) -> None:
        self._scheduler, self._searcher = scheduler, searcher

    def __getstate__(self) -> dict[str, Any]:
        return {}  # as above

    def on_trial_start(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **info: Any) -> None:
        leg = self._searcher.legs.get(trial.trial_id)
        if leg is not None:
            self._scheduler.ready(leg[0].leg.key)


def _error_text(trial: TuneTrial) -> str:
    """What Ray says of a process that died."""
    try:
        lines = Path(trial.error_file).read_text().splitlines()[1:]
    except (OSError, TypeError):  # no file, or no folder to have one
        return "its process died"
    return "\n".join(lines) or "its process died"


def run_on_tune(driver: Driver, setup: NodeSetup, scheduler: LegScheduler, own_ray: bool = False) -> None:
    """Runs the race to its end on the connected Ray. Raises OrchestratorError.

    own_ray: it was started with this process's environment.

    Where Tune itself fails, what was under way counts as lost and another Tune goes on.
    """
    restarts = 0
    while True:
        before = driver.race.spent_fold_epochs
        problem = _run_tuner(scheduler, setup, own_ray)
        if driver.done:
            return
        restarts = restarts + 1 if driver.race.spent_fold_epochs == before else 1
        if restarts > RESTARTS:
            raise OrchestratorError(
                f"Ray Tune ended before the race was done: {problem}; continue with --resume"
            )
        log.warning("Ray Tune ended before the race was done (%s); it is started again", problem)
        scheduler.lost_all(f"Ray Tune ended: {problem}")


def _run_tuner(scheduler: LegScheduler, setup: NodeSetup, own_ray: bool) -> str:
    """Runs one Tuner to its end. Returns what it said if that was too early. Raises what our side raised."""
    with private_folder() as scratch:
        return _fit(scheduler, setup, scratch.path, own_ray)


def _slot(setup: NodeSetup) -> type[tune.Trainable]:
    """The class whose actors are slots, under the name by which `NodeMemory` knows their processes.

    Ray writes it into their command line, and Tune's own wrapper has another.
    """
    slot = tune.with_parameters(_LegTrainable, dataset=setup.dataset, name=setup.trainable, store=setup.store)
    given: type[tune.Trainable] = tune.with_resources(slot, _request)
    given.__name__ = given.__qualname__ = MARKER.decode()
    return given


def _fit(scheduler: LegScheduler, setup: NodeSetup, scratch: Path, own_ray: bool) -> str:
    """scratch: where Tune may write what nobody reads."""
    searcher = _TuneSearcher(scheduler)
    tuner = tune.Tuner(
        _slot(setup),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=_TuneScheduler(scheduler, searcher, own_ray),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"leg-{trial.trial_id}",
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="legs",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[_Started(scheduler, searcher)],
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # a round trip for nothing
        ),
    )
    try:
        with _quiet():
            tuner.fit()
    except Exception as error:
        if searcher.failure is not None:
            raise searcher.failure from None
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[-1] if lines else ''}"
    return "it said nothing"


def _request(config: Mapping[str, Any]) -> Any:
    resources: Resources = config["resources"]
    bundle = {"CPU": resources.cpus, "GPU": resources.gpus}
    return tune.PlacementGroupFactory([bundle], bundle_label_selector=[{NODE_ID: config["node"]}])


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
