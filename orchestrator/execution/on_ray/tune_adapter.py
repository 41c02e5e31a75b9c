"""Running a race on Ray Tune: one leg = one Tune trial, on warm actors. Only this module imports ray.tune.

The search algorithm hands out the race's next leg when a node has a free seat, pinned to that node; the
scheduler takes each epoch to the driver and stops the Tune trial where the driver says so. Nothing of Tune's
own persistence is used: what is lost with this process is only what the journal can give back.

Tune's behaviour this relies on (Ray 2.55-2.60): `suggest` returning None means "nothing now" as long as
something runs; `Searcher.FINISHED` is permanent; a reused actor gets `reset_config` instead of a new process.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ray import tune
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.utils.object_cache import _ObjectCache

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.events import from_json, to_json
from orchestrator.core.trainable import Resources
from orchestrator.execution.driver import Driver
from orchestrator.execution.on_ray.leg_scheduler import LegScheduler
from orchestrator.execution.on_ray.node_pool import Placement
from orchestrator.execution.on_ray.node_setup import NodeSetup
from orchestrator.execution.worker import FoldRunWorker, LegOrder, Outcome, StorageFailed
from orchestrator.inputs.node_images import resolve_on_node
from orchestrator.storage.contract import CheckpointStore

log = logging.getLogger(__name__)

RESTARTS = 5  # of Tune, in a row without a new epoch
NODE_ID = "ray.io/node-id"  # a label that Ray gives every node


def _treat_oom_as_actor_death() -> None:
    """Ray's memory monitor ends actors with an error that Tune's actor manager does not know for one, and
    the whole search with it: it is told that the actor died, as it is when the system ends one."""
    known = RayActorManager._actor_task_failed
    if hasattr(known, "__wrapped__"):
        return

    @functools.wraps(known)
    def told(self: Any, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception))
        known(self, tracked_actor_task, exception)

    RayActorManager._actor_task_failed = told


_treat_oom_as_actor_death()


class _LegTrainable(tune.Trainable):  # type: ignore[misc]
    """A slot: carries orders to a FoldRunWorker and outcomes back, as JSON text."""

    def setup(self, config: dict[str, Any], dataset: Dataset, name: str, store: CheckpointStore) -> None:
        self._worker = FoldRunWorker(resolve_on_node(dataset), name, store)
        self._start(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._start(new_config)
        return True

    def _start(self, config: dict[str, Any]) -> None:
        resources: Resources = config["resources"]
        self._worker.start(config["order"], resources)

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

    def __init__(self, crew: LegScheduler) -> None:
        super().__init__()
        self._crew = crew
        self.legs: dict[str, tuple[LegOrder, Placement]] = {}  # Tune trial -> what it runs, and where
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
            self._crew.look()
            if self._crew.done:
                return Searcher.FINISHED
            found = self._crew.next()
        if found is None:
            return None
        order, place = self.legs[trial_id] = found
        return {"order": order, "resources": place.resources, "node": place.node.id}

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


class _LegScheduler(FIFOScheduler):  # type: ignore[misc]
    """Takes every epoch to the driver; stops the Tune trial where the fold run gives its slot away."""

    def __init__(self, crew: LegScheduler, searcher: _LegSearcher) -> None:
        super().__init__()
        self._crew = crew
        self._legs, self._remembering = searcher.legs, searcher.remembering

    def __getstate__(self) -> dict[str, Any]:
        return {}  # as above

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        with self._remembering():
            goes_on = self._crew.report(decode(result["outcome"]))
        if goes_on:
            return str(TrialScheduler.CONTINUE)
        self._legs.pop(trial.trial_id, None)  # what happens to its actor now is no loss
        return str(TrialScheduler.STOP)

    def on_trial_error(self, tune_controller: Any, trial: TuneTrial) -> None:
        leg = self._legs.pop(trial.trial_id, None)
        if leg is not None:
            self._lose(leg, _error_text(trial))

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        """None: Tune starts what is pending by itself, without walking all past trials.

        Asked in every turn of Tune's loop, so it is here that nodes are looked after. Ray tells of the
        processes that died with a node; of one that had still to start there nobody would.
        """
        _keep_warm(tune_controller, self._crew)
        self._crew.look()
        gone = self._crew.gone
        stranded = {trial for trial, leg in self._legs.items() if leg[1].node.id in gone} if gone else ()
        if not stranded:
            return
        for trial in list(tune_controller.get_live_trials()):
            if trial.trial_id in stranded and trial.status == TuneTrial.PENDING:
                leg = self._legs.pop(trial.trial_id)
                self._lose(leg, f"node {leg[1].node} was gone before the leg began there")
                tune_controller.stop_trial(trial)

    def _lose(self, leg: tuple[LegOrder, Placement], text: str) -> None:
        with self._remembering():
            self._crew.lost(leg[0].leg.key, text)


class _SeatCache(_ObjectCache):  # type: ignore[misc]
    """Idle actors, as many of each node as it has seats.

    Tune's own keeps one in all once every node is a key of its own, and a cold start takes seconds.
    """

    def __init__(self, crew: LegScheduler) -> None:
        super().__init__()
        self._crew = crew

    def cache_object(self, key: Any, obj: Any) -> bool:
        if len(self._cached_objects[key]) >= self._room(key):
            return False
        self._cached_objects[key].append(obj)
        self._num_cached_objects += 1
        return True

    def flush_cached_objects(self, force_all: bool = False) -> Iterator[Any]:
        for key, objects in self._cached_objects.items():
            while len(objects) > (0 if force_all else self._room(key)):
                self._num_cached_objects -= 1
                yield objects.pop(0)

    def _room(self, key: Any) -> int:
        node = key._kwargs["bundle_label_selector"][0][NODE_ID]
        return self._crew.idle_seats(node, key.bundles[0].get("GPU", 0.0))


def _keep_warm(tune_controller: Any, crew: LegScheduler) -> None:
    """Gives the controller that asks a cache of ours, before it has put anything into its own."""
    controller = tune_controller._tune_controller
    if not isinstance(controller._actor_cache, _SeatCache):
        assert not controller._actor_cache.num_cached_objects
        controller._actor_cache = _SeatCache(crew)


def _error_text(trial: TuneTrial) -> str:
    """What Ray says of a process that died; the line that says why comes first."""
    try:
        lines = Path(trial.error_file).read_text().splitlines()[1:]
    except (OSError, TypeError):  # no file, or no folder to have one
        return "its process died"
    why = [line for line in lines if "because" in line or "memory" in line]
    return "\n".join([*why[-1:], *lines]) or "its process died"


def run_on_tune(driver: Driver, job: NodeSetup, crew: LegScheduler) -> None:
    """Runs the race to its end on the connected Ray. Raises OrchestratorError.

    Where Tune itself fails, what was under way counts as lost and another Tune goes on.
    """
    restarts = 0
    while True:
        before = driver.race.spent_fold_epochs
        problem = _run_tuner(crew, job)
        if driver.done:
            return
        restarts = restarts + 1 if driver.race.spent_fold_epochs == before else 1
        if restarts > RESTARTS:
            raise OrchestratorError(
                f"Ray Tune ended before the race was done: {problem}; continue with --resume"
            )
        log.warning("Ray Tune ended before the race was done (%s); it is started again", problem)
        crew.lost_all(f"Ray Tune ended: {problem}")


def _run_tuner(crew: LegScheduler, job: NodeSetup) -> str:
    """One Tuner, until it ends; what it says if that was too early. Raises what our own side raised in it."""
    searcher = _LegSearcher(crew)
    scheduler = _LegScheduler(crew, searcher)
    scratch = Path(tempfile.mkdtemp(prefix="orchestrator-tune-"))
    slot = tune.with_parameters(_LegTrainable, dataset=job.dataset, name=job.trainable, store=job.store)
    tuner = tune.Tuner(
        tune.with_resources(slot, _request),
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
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
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
