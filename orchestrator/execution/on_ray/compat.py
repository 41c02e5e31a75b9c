"""Ray's private parts: all that this project uses of them, and no other module touches any.

Private names may change with any release of Ray. They are asked for here before anything starts, so that one
that is gone is a line for the user and no AttributeError in the middle of a study.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import ray

from orchestrator.core.errors import InputError

KNOWN = "2.55 to 2.60"
"""Versions of Ray this was tried with."""
INSTALL = "python -m pip install 'ray[tune]>=2.55,<2.61'"
NODE_ID = "ray.io/node-id"  # a label that Ray gives every node


@dataclass(frozen=True)
class Private:
    """A name of Ray's that it does not promise to keep."""

    module: str
    name: str  # dotted below the module
    sets: tuple[str, ...] = ()  # attributes of `self` in this function; only instances have them

    def load(self) -> Any:
        """What bears the name. Raises InputError, for a user, where this Ray has no such thing."""
        try:
            found = importlib.import_module(self.module)
            for part in self.name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            raise InputError(_unknown_ray(f"{self.module}.{self.name}")) from None
        missing = [name for name in self.sets if name not in found.__code__.co_names]
        if missing:
            raise InputError(_unknown_ray(f"{self.module}.{self.name} with {', '.join(missing)}"))
        return found


def _unknown_ray(name: str) -> str:
    return (
        f"Ray {ray.__version__} has no {name}, which this version of the project uses; known to work is Ray "
        f"{KNOWN}: `{INSTALL}` on every server, then start its Ray again"
    )


PROGRAMS = (
    Private("ray._private.services", "GCS_SERVER_EXECUTABLE"),
    Private("ray._private.services", "RAYLET_EXECUTABLE"),
)
AUTH_SETTINGS = Private("ray._raylet", "Config.initialize")
CLUSTER_MODE = Private("ray._private.ray_constants", "ENABLE_RAY_CLUSTER")
FIND_RAY = Private("ray._private.services", "get_ray_address_from_environment")
OUTER_ADDRESS = Private("ray._private.services", "node_ip_address_from_perspective")
START = Private("ray._private.parameter", "RayParams.__init__", ("include_log_monitor", "no_monitor"))
COMPLETE_CONFIG = Private("ray.autoscaler._private.util", "prepare_config")
VALIDATE_CONFIG = Private("ray.autoscaler._private.util", "validate_config")
GCS_CLIENT = Private("ray._raylet", "GcsClient")
ALIVE = Private("ray.core.generated.gcs_pb2", "GcsNodeInfo.GcsNodeState.ALIVE")
TASK_FAILED = Private("ray.air.execution._internal.actor_manager", "RayActorManager._actor_task_failed")
ACTOR_CACHE = Private(
    "ray.tune.utils.object_cache", "_ObjectCache.__init__", ("_cached_objects", "_num_cached_objects")
)
CONTROLLER = Private(
    "ray.tune.execution.tune_controller", "TuneController.__init__", ("_actor_cache", "_class_cache")
)
CLASS_CACHE = Private("ray.tune.execution.class_cache", "_ActorClassCache.get")
CONTROLLER_VIEW = Private(
    "ray.tune.execution.tune_controller", "TrialRunnerWrapper.__init__", ("_tune_controller",)
)
SIGNALS_TAKEN = "_ZN3ray6RayLog36is_failure_signal_handler_installed_E"
"""What the compiled part calls `RayLog::is_failure_signal_handler_installed_`."""
REQUEST = Private("ray.air.execution.resources.request", "ResourceRequest.__init__", ("_kwargs",))

STUDY = (
    *(*PROGRAMS, AUTH_SETTINGS, CLUSTER_MODE, FIND_RAY, OUTER_ADDRESS, START),
    *(TASK_FAILED, ACTOR_CACHE, CLASS_CACHE, CONTROLLER, CONTROLLER_VIEW, REQUEST),
)
"""What a study on Ray needs."""
CLUSTER = (COMPLETE_CONFIG, VALIDATE_CONFIG, GCS_CLIENT, ALIVE)
"""What the doctor and the commands of cluster.yaml need, who load it as they use it."""


def check_ray(needed: Iterable[Private] = STUDY) -> None:
    """Raises InputError that names the first private part this Ray lacks, and the versions that have it."""
    for part in needed:
        part.load()


# ---- connecting ------------------------------------------------------------------------------------


def program_fault() -> str:
    """Why the programs of which a Ray is made cannot run on this machine; "" where they can.

    Ray itself would wait a minute for one that is missing or ends at once.
    """
    for path in (str(program.load()) for program in PROGRAMS):
        try:
            done = subprocess.run(
                [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False
            )
        except subprocess.TimeoutExpired:
            continue  # it runs, on a machine that is busy
        except OSError as error:
            return f"its program {path} cannot be run ({error.strerror})"
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip().splitlines()
            said = words[-1] if words else f"it ends with {done.returncode}"
            return f"its program {path} cannot be run ({said})"
    return ""


def read_auth_settings_again() -> None:
    """Ray reads RAY_AUTH_MODE once, when it is imported; what was set since counts after this."""
    AUTH_SETTINGS.load()("")


def cluster_mode() -> bool:
    """Whether Ray uses this machine's outer address; off, the machine is 127.0.0.1 for it."""
    return bool(CLUSTER_MODE.load())


def set_cluster_mode(on: bool) -> None:
    setattr(importlib.import_module(CLUSTER_MODE.module), CLUSTER_MODE.name, on)


def address_of_running_ray() -> str:
    """host:port of what `address="auto"` means."""
    return str(FIND_RAY.load()("auto", None))


def outer_address() -> str:
    """IP address by which other machines reach this one."""
    return str(OUTER_ADDRESS.load()())


@contextlib.contextmanager
def started_lean() -> Iterator[None]:
    """A Ray that this process starts meanwhile comes without the autoscaler and the reader of its logs.

    Each is a process of its own that costs most of a second to start, and a Ray of one machine whose
    workers' output nobody follows needs neither.
    """
    START.load()
    parameters: Any = importlib.import_module(START.module)
    known = parameters.RayParams
    parameters.RayParams = functools.partial(known, include_log_monitor=False, no_monitor=True)
    try:
        yield
    finally:
        parameters.RayParams = known


def keep_signals() -> None:
    """Ray's end leaves signals to whoever has them now.

    As it ends it gives those back to the system that it took as it started, and another SIGTERM would end
    this process without a word. It leaves them where it knows of none that it took. A Ray without that name
    (all known ones for Linux have it) gives them back.
    """
    compiled = ctypes.CDLL(importlib.import_module("ray._raylet").__file__)
    with contextlib.suppress(ValueError):
        ctypes.c_bool.in_dll(compiled, SIGNALS_TAKEN).value = False


def node_records(address: str) -> list[tuple[Any, bool]]:
    """(record of a node, whether it is alive) of every node that ever joined the Ray at host:port."""
    alive = ALIVE.load()
    nodes = GCS_CLIENT.load()(address=address).get_all_node_info().values()
    return [(node, node.state == alive) for node in nodes]


def completed_cluster_config(given: dict[str, Any]) -> dict[str, Any]:
    """A cluster.yaml with Ray's defaults, checked by its schema. Raises whatever `ray up` would meet."""
    prepare, validate = COMPLETE_CONFIG.load(), VALIDATE_CONFIG.load()
    prepared: dict[str, Any] = prepare(given)
    validate(prepared)
    return prepared


# ---- Tune ------------------------------------------------------------------------------------------


def treat_oom_as_actor_death() -> None:
    """Ray's memory monitor ends actors with an error that Tune's actor manager does not know for one, and
    the whole search ends with it: it is shown an actor's death, as when the system ends one. Once a process.
    """
    from ray.exceptions import OutOfMemoryError, RayActorError

    known = TASK_FAILED.load()
    if hasattr(known, "__wrapped__"):
        return

    @functools.wraps(known)
    def failed(self: Any, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=str(exception))
        known(self, tracked_actor_task, exception)

    manager = importlib.import_module(TASK_FAILED.module).RayActorManager
    manager._actor_task_failed = failed


def keep_warm(tune_controller: Any, room: Callable[[str, float], int]) -> None:
    """Gives the controller a cache of idle actors for each node, before it has put anything into its own.

    room: node id, GPUs an actor holds -> how many idle actors may stay there. Tune's own cache keeps one in
    all once every node is a key of its own, and a cold start takes seconds.
    """
    controller = tune_controller._tune_controller
    if not isinstance(controller._actor_cache, _warm_cache()):
        assert not controller._actor_cache.num_cached_objects
        controller._actor_cache = _warm_cache()(room)


def start_in_idle_processes(tune_controller: Any) -> None:
    """Tune gives its actors an environment of their own, for which Ray starts a process each time, whatever
    idle one there is. What it holds, the processes of a Ray of our own have already.
    """
    controller = tune_controller._tune_controller
    if not isinstance(controller._class_cache, _ActorClasses):
        controller._class_cache = _ActorClasses()


class _ActorClasses:
    """A trainable's class -> the actor's, as Tune's own cache has it but for the environment."""

    def __init__(self) -> None:
        self._known: dict[type, Any] = {}

    def get(self, trainable_cls: type) -> Any:
        if trainable_cls not in self._known:
            self._known[trainable_cls] = ray.remote(trainable_cls)
        return self._known[trainable_cls]


@functools.cache
def _warm_cache() -> Any:
    """The class, made when it is first used: its base costs the import of Tune."""
    base: Any = importlib.import_module(ACTOR_CACHE.module)._ObjectCache

    class WarmActorCache(base):  # type: ignore[misc]
        """Idle actors, as many of each node as it has slots."""

        def __init__(self, room: Callable[[str, float], int]) -> None:
            super().__init__()
            self._room_of = room

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
            labels: Mapping[str, str] = key._kwargs["bundle_label_selector"][0]
            return self._room_of(labels[NODE_ID], key.bundles[0].get("GPU", 0.0))

    return WarmActorCache
