"""The connected Ray: joining it or starting one, its nodes, and what a trainable accepts."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, WorkerCrashedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from orchestrator.cli.signals import restored_signals
from orchestrator.core.dataset import Dataset
from orchestrator.core.disk_needs import DiskNeeds
from orchestrator.core.errors import InputError, TrainableError
from orchestrator.core.trainable import Parameter, asked_for_disk_needs, load_trainable
from orchestrator.execution.on_ray.auth_token import TOKEN, prepare_own_token, use_ray_token
from orchestrator.execution.on_ray.compat import (
    INSTALL,
    address_of_running_ray,
    check_ray,
    cluster_mode,
    keep_signals,
    outer_address,
    program_fault,
    set_cluster_mode,
    started_lean,
)
from orchestrator.execution.on_ray.slots import Node
from orchestrator.execution.worker_environment import ALLOCATION, in_environment
from orchestrator.machine.private_folder import private_folder

EarlyImport = Callable[[Path], contextlib.AbstractContextManager[None]]

WORKER_ENVIRONMENT = {
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    **ALLOCATION,
}
STARTED_WITH = {"PL_DISABLE_FORK": "1"}
"""What Tune gives its actors (Ray's issue 28197), for a Ray of our own: this program may fork afterwards."""
DRIVER_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # Cold actors take seconds to start: many at a time. No more than there are slots are asked for.
    "TUNE_MAX_PENDING_TRIALS_PG": "64",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_INSTALL_ANEW = f"install it anew: {INSTALL} --force-reinstall"
_GO_ON = (
    "nothing of a study was changed: give the same command again (--resume, where the study had begun), or "
    "with --inline, which needs no Ray"
)
_SAID = 300  # characters of what Ray says


# ---- connecting -----------------------------------------------------------------------------------


@contextlib.contextmanager
def connect(
    address: str | None,
    cpus: int | None = None,
    modules: Sequence[str] = (),
    early: EarlyImport | None = None,
) -> Iterator[None]:
    """Joins the Ray at `address` ("auto": the one running here), or starts one of its own on this machine.

    modules: .py files and package folders that other servers are sent; a Ray of our own has our PYTHONPATH.
    early: entered with the folder of a Ray of our own while that starts, for what its processes import then.

    Ends only what it started. Raises InputError when there is no Ray at `address`, and for a version of Ray
    without the private parts this project uses.
    """
    if ray.is_initialized():
        raise InputError(
            "this process is connected to a Ray already, which a search would share; end that first with "
            "ray.shutdown(), and name a cluster to join it"
        )
    os.environ.update(DRIVER_ENVIRONMENT)
    here = {name: os.environ.get(name, value) for name, value in WORKER_ENVIRONMENT.items()}
    os.environ.update(here)
    os.environ["PYTHONPATH"] = _import_path()
    check_ray()
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is not None:
        sent = {"py_modules": list(modules)} if modules else {}
        options.update(address=address, runtime_env={"env_vars": here, **sent})
        with _connected(address, options, contextlib.nullcontext()):
            yield
        return
    if fault := program_fault():
        raise InputError(f"Ray cannot be started on this machine: {fault}; {_INSTALL_ANEW}\n{_GO_ON}")
    options.update(address="local", num_cpus=cpus, include_dashboard=False, _node_ip_address="127.0.0.1")
    options.update(num_gpus=slices_named(os.environ.get("CUDA_VISIBLE_DEVICES", "")))
    with private_folder() as folder:
        try:
            with _connected(None, {**options, "_temp_dir": str(folder.path)}, _starting(early, folder.path)):
                yield
        except InputError:
            folder.kept = True  # with Ray's logs, if it could not be started
            raise


def slices_named(visible: str) -> int | None:
    """So many slices of cards (MIG) as CUDA_VISIBLE_DEVICES names; None where it names whole cards or none.

    Each is a GPU of its own for CUDA. Ray counts whole cards unless it is told, and hands out what is named.
    """
    words = [word.strip() for word in visible.split(",")]
    return len(words) if all(word.startswith("MIG-") for word in words) else None


@contextlib.contextmanager
def _starting(early: EarlyImport | None, folder: Path) -> Iterator[None]:
    importing = contextlib.nullcontext() if early is None else early(folder)
    with started_lean(), in_environment(STARTED_WITH), importing:
        yield


@contextlib.contextmanager
def _connected(
    address: str | None, options: Mapping[str, Any], starting: contextlib.AbstractContextManager[None]
) -> Iterator[None]:
    """starting: entered while Ray starts or is joined."""
    # Off, this machine is 127.0.0.1 for Ray. A Ray of our own would otherwise listen on all interfaces, and
    # one that listens on loopback alone would be sought at the machine's outer address.
    listens, before = False, cluster_mode()
    try:
        set_cluster_mode(address is not None and not _is_loopback_only(address))
        listens = True
        if address is None:
            prepare_own_token()
        else:
            use_ray_token()
        # Ray takes SIGTERM over: nobody would learn how to go on.
        with restored_signals(), starting:
            ray.init(**options)
    except (ConnectionError, ValueError, OSError, RuntimeError, RayError) as error:
        set_cluster_mode(before)
        raise InputError(_no_ray(address, listens, error, options)) from error
    try:
        yield
    finally:
        try:
            keep_signals()
            ray.shutdown()
        finally:  # also where it was interrupted
            # The next Ray of this program numbers its actors as this one did: a handle that is forgotten only
            # then, in some cycle of references, would end the actor that has its number.
            gc.collect()
            set_cluster_mode(before)


def _no_ray(address: str | None, listens: bool, error: Exception, options: Mapping[str, Any]) -> str:
    if address is None:
        logs = f"{options['_temp_dir']}, which stay there until the next search begins"
        said = " ".join(str(error).split())[:_SAID]
        return f"Ray cannot be started on this machine: {said}; see its logs in {logs}\n{_GO_ON}"
    if listens:
        return (
            f"--address {address}: what listens there is no Ray that lets us in ({error}); "
            f"it may ask for another token than ours ({TOKEN}): `ray up` gives it to every server"
        )
    return f"--address {address}: no Ray answers there ({error}); start it with `ray up`"


def _is_loopback_only(address: str) -> bool:
    """Whether the Ray there can be reached from this machine alone.

    Raises OSError within seconds where nothing listens: Ray itself would try for minutes.
    """
    found = address_of_running_ray() if address == "auto" else address
    host, colon, port = found.rpartition(":")
    if not colon or "//" in host or not port.isdigit():
        return False  # a form of address that Ray will judge
    _knock(host, int(port))
    if host != "localhost" and not host.startswith("127."):
        return False
    try:
        _knock(outer_address(), int(port))
    except OSError:
        return True
    return False


def _knock(host: str, port: int, seconds: float = 5) -> None:
    socket.create_connection((host, port), timeout=seconds).close()


def _import_path() -> str:
    """Workers see what the driver sees: the folder it was started in, first."""
    given = os.environ.get("PYTHONPATH", "")
    here = str(Path.cwd())
    return here if not given else given if here in given.split(os.pathsep) else here + os.pathsep + given


# ---- nodes ----------------------------------------------------------------------------------------


def alive_nodes() -> list[Node]:
    """The nodes of the connected Ray, in the order of their ids, the driver's own first."""
    own = ray.get_runtime_context().get_node_id()
    nodes = [_node(record) for record in ray.nodes() if record["Alive"]]
    return sorted(nodes, key=lambda node: (node.id != own, node.id))


def _node(record: Mapping[str, Any]) -> Node:
    has = record["Resources"]
    types = [name.partition(":")[2] for name in has if name.startswith("accelerator_type:")]
    host = record["NodeManagerHostname"]
    address = record["NodeManagerAddress"]
    name = host if host == address else f"{host} ({address})"
    return Node(
        record["NodeID"],
        name,
        int(has.get("CPU", 0)),
        float(has.get("GPU", 0)),
        types[0] if types else "",
        (address, int(record["NodeManagerPort"])),
    )


def answers(node: Node) -> bool:
    """Whether its Ray listens. The head takes many seconds to notice that one doesn't any more."""
    try:
        _knock(*node.raylet, seconds=2)
    except OSError:
        return False
    return True


def head_answers() -> bool:
    """Whether Ray's control service listens. Without it Ray ends this process within a minute, by itself."""
    host, _, port = str(ray.get_runtime_context().gcs_address).rpartition(":")
    try:
        _knock(host, int(port), seconds=2)
    except OSError:
        return False
    return True


def describe(trainable: str) -> Mapping[str, Parameter]:
    """The parameters a trainable accepts, asked on the driver's node. Raises TrainableError."""
    parameters: Mapping[str, Parameter] = _on_own_node(_describe, trainable)
    return parameters


def disk_needs(trainable: str, dataset: Dataset, values: Mapping[str, Sequence[Any]]) -> DiskNeeds | None:
    """What fold runs will store, asked on the driver's node. Raises TrainableError."""
    found = _on_own_node(_disk_needs, trainable, dataset, dict(values))
    needs: DiskNeeds | None = found
    return needs


def _on_own_node(task: Any, trainable: str, *more: Any) -> Any:
    own = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    try:
        found = ray.get(task.options(scheduling_strategy=own).remote(trainable, *more))
    except WorkerCrashedError as error:
        module = trainable.partition(":")[0]
        raise TrainableError(
            f"trainable={trainable!r}: each process that was asked about it died; "
            f'see what `python -c "import {module}"` says in its folder'
        ) from error
    if isinstance(found, str):
        raise TrainableError(found)
    return found


@ray.remote(num_cpus=0)  # type: ignore[untyped-decorator]
def _describe(trainable: str) -> Any:
    try:
        return dict(load_trainable(trainable).parameters())
    except InputError as error:
        return str(error)


@ray.remote(num_cpus=0)  # type: ignore[untyped-decorator]
def _disk_needs(trainable: str, dataset: Dataset, values: Mapping[str, Sequence[Any]]) -> Any:
    try:
        return asked_for_disk_needs(trainable, dataset, values)
    except InputError as error:
        return str(error)
