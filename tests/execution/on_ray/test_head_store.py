"""Checkpoints of a node that shares no disk with the driver's: two nodes of a real Ray on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from orchestrator.core.errors import StorageError
from orchestrator.storage import DirectoryStore, UriStore
from orchestrator.storage.contract import CheckpointStore
from tests.support.nodes import ray_folder
from tests.support.store_contract import CONTRACT

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[3]
LARGE = 1_000_000  # bytes

OnOther = Callable[..., Any]


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[str, str]]:
    """Ids of the driver's node and of another one; each has an object store of its own."""
    import ray
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 600_000_000}
    with ray_folder(), patch.dict(os.environ, {"PYTHONPATH": str(ROOT)}):
        made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            ray.init(address=made.address, log_to_driver=False)
            other = made.add_node(**node)
            yield ray.get_runtime_context().get_node_id(), other.node_id
        finally:
            ray.shutdown()
            made.shutdown()


@pytest.fixture
def on_other(cluster: tuple[str, str]) -> OnOther:
    """Calls a function in a process of the other node and gives back what it returns or raises."""
    import ray
    from ray.exceptions import RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(cluster[1], soft=False)

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        assert ray.get_runtime_context().get_node_id() == cluster[0]
        task = ray.remote(function).options(scheduling_strategy=there, num_cpus=0)
        try:
            return ray.get(task.remote(*arguments))
        except RayTaskError as error:
            raise error.cause from None

    return call


@pytest.fixture
def shared(cluster: tuple[str, str], tmp_path: Path) -> Any:
    from orchestrator.execution.on_ray.head_store import HeadStore, store_for_workers

    made = store_for_workers(DirectoryStore(tmp_path / "head"))
    assert isinstance(made, HeadStore)
    return made


@pytest.fixture(scope="module")
def carried(cluster: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A store and its folder, for all checks of the contract: its actor is a process that takes a second."""
    from orchestrator.execution.on_ray.head_store import HeadStore, store_for_workers

    folder = tmp_path_factory.mktemp("contract") / "head"
    made = store_for_workers(DirectoryStore(folder))
    assert isinstance(made, HeadStore)
    return made, folder


@pytest.fixture
def empty(carried: tuple[Any, Path]) -> Any:
    """As it was made: without its folder."""
    store, folder = carried
    shutil.rmtree(folder, ignore_errors=True)
    return store


def actor_process(store: Any) -> int:
    import ray

    return int(ray.get(store._actor.__ray_call__.remote(lambda self: os.getpid())))


def wait_until(holds: Callable[[], bool], seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_a_store_seen_from_another_node(
    check: Callable[[CheckpointStore], None], empty: Any, on_other: OnOther
) -> None:
    on_other(check, empty)


def test_what_another_node_puts_is_a_whole_file_on_the_drivers_disk(
    shared: Any, on_other: OnOther, tmp_path: Path
) -> None:
    def put(store: CheckpointStore) -> int:
        store.put("t0000-f0/resume-e0001.pt", np.random.default_rng(3).bytes(50_000_000))
        return os.getpid()

    assert on_other(put, shared) != actor_process(shared)
    written = tmp_path / "head" / "t0000-f0" / "resume-e0001.pt"
    assert written.read_bytes() == np.random.default_rng(3).bytes(50_000_000)
    assert [path.name for path in written.parent.iterdir()] == [written.name]


def test_the_drivers_own_node_goes_to_its_disk_without_asking(shared: Any, tmp_path: Path) -> None:
    import ray

    ray.kill(shared._actor)
    shared.put("t0000-f0/x.pt", b"x")
    assert (tmp_path / "head" / "t0000-f0" / "x.pt").read_bytes() == b"x" == shared.get("t0000-f0/x.pt")


def test_only_a_directory_of_the_drivers_own_is_carried(cluster: tuple[str, str], tmp_path: Path) -> None:
    from orchestrator.execution.on_ray.head_store import store_for_workers

    for store in (DirectoryStore(tmp_path, mounted=True), UriStore("s3://bucket/p")):
        assert store_for_workers(store) is store


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_on_the_driver_reaches_the_worker_as_such(
    cluster: tuple[str, str], on_other: OnOther, tmp_path: Path
) -> None:
    from orchestrator.execution.on_ray.head_store import store_for_workers

    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", small], check=False).returncode:
        pytest.skip("this system lets root mount nothing")
    try:
        store = store_for_workers(DirectoryStore(small / "head"))

        def fill(store: CheckpointStore) -> None:
            store.put("t0000-f0/a.pt", bytes(1_000_000))
            store.put("t0000-f0/a.pt", bytes(8_000_000))

        with pytest.raises(StorageError, match=r"disk full: 8000000 bytes .*--resume"):
            on_other(fill, store)
        assert [path.name for path in (small / "head" / "t0000-f0").iterdir()] == ["a.pt"]
        assert on_other(lambda store: len(store.get("t0000-f0/a.pt")), store) == 1_000_000
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


class StoreThatStops(DirectoryStore):
    """Its first process stops where a large file is written and not renamed; the next waits for a FIFO."""

    def put(self, name: str, data: bytes | memoryview) -> None:
        if len(data) < LARGE:
            super().put(name, data)
        elif self.stopped.exists():
            self.goes_on.read_bytes()
            super().put(name, data)
        else:
            with patch("os.fsync", self._stop):
                super().put(name, data)

    @property
    def stopped(self) -> Path:
        return self.root.with_name("stopped")

    @property
    def goes_on(self) -> Path:
        return self.root.with_name("goes on")

    def _stop(self, file: int) -> None:
        self.stopped.touch()
        threading.Event().wait()


def test_an_actor_killed_in_the_middle_of_a_file_leaves_the_old_one_and_its_successor_writes_the_new(
    cluster: tuple[str, str], on_other: OnOther, tmp_path: Path
) -> None:
    from orchestrator.execution.on_ray.head_store import store_for_workers

    store = StoreThatStops(tmp_path / "head")
    shared: Any = store_for_workers(store)
    os.mkfifo(store.goes_on)
    path = tmp_path / "head" / "t0000-f0" / "x.pt"
    on_other(lambda store: store.put("t0000-f0/x.pt", b"old"), shared)
    first = actor_process(shared)
    put = (lambda store: store.put("t0000-f0/x.pt", bytes(LARGE)), shared)
    putting = threading.Thread(target=on_other, args=put, daemon=True)
    putting.start()
    wait_until(store.stopped.exists)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not is_alive(first))
    assert path.read_bytes() == b"old"
    [cut] = path.parent.glob("*.part")
    assert cut.stat().st_size == LARGE
    store.goes_on.write_bytes(b"")  # returns when the successor waits for it
    putting.join()
    assert actor_process(shared) != first
    assert path.read_bytes() == bytes(LARGE)
    assert shared.names() == ["t0000-f0/x.pt"]  # what was cut is not listed, and a resume sweeps it away


def test_an_actor_that_is_gone_is_a_storage_error_that_names_the_place(
    shared: Any, on_other: OnOther, tmp_path: Path
) -> None:
    import ray

    ray.kill(shared._actor, no_restart=True)
    with pytest.raises(StorageError, match=rf"{tmp_path}/head does not take .*t0000-f0/x.*--resume"):
        on_other(lambda store: store.put("t0000-f0/x.pt", bytes(1_000_000)), shared)
    with pytest.raises(StorageError, match=r"--resume"):
        on_other(lambda store: store.get("t0000-f0/x.pt"), shared)


class StoreWithASlowFile(DirectoryStore):
    """Reads one file as a slow disk would: from a FIFO, which a store of its own refuses."""

    def get(self, name: str) -> bytes:
        return (self.folder / name).read_bytes() if name.endswith("slow.pt") else super().get(name)


def test_one_slow_file_holds_up_no_other(cluster: tuple[str, str], on_other: OnOther, tmp_path: Path) -> None:
    from orchestrator.execution.on_ray.head_store import store_for_workers

    shared: Any = store_for_workers(StoreWithASlowFile(tmp_path / "head"))
    slow = tmp_path / "head" / "t0000-f0" / "slow.pt"
    slow.parent.mkdir(parents=True)
    os.mkfifo(slow)  # whoever reads it waits until someone writes
    got: list[bytes] = []
    reading = threading.Thread(
        target=lambda: got.append(on_other(lambda store: store.get("t0000-f0/slow.pt"), shared)),
        daemon=True,
    )
    reading.start()
    writers: list[int] = []
    wait_until(lambda: is_read(slow, writers))
    on_other(lambda store: store.put("t0001-f0/x.pt", b"x"), shared)
    assert shared.names("t0001-f0/") == ["t0001-f0/x.pt"]
    assert reading.is_alive()
    os.write(writers[0], b"at last")
    os.close(writers[0])
    reading.join()
    assert got == [b"at last"]


def is_read(fifo: Path, writers: list[int]) -> bool:
    """Whether someone is reading it, who from now on waits for what `writers[0]` will write."""
    try:
        writers.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False  # nobody has it open
    return True


def test_the_actor_ends_with_the_last_who_holds_it(cluster: tuple[str, str], tmp_path: Path) -> None:
    from orchestrator.execution.on_ray.head_store import store_for_workers

    store: Any = store_for_workers(DirectoryStore(tmp_path / "head"))
    process = actor_process(store)
    assert is_alive(process)
    del store
    wait_until(lambda: not is_alive(process))


def test_a_node_that_cannot_reach_a_store_is_named(shared: Any, on_other: OnOther, tmp_path: Path) -> None:
    from orchestrator.execution.on_ray.head_store import check_reachable

    on_other(check_reachable, shared, "gpu-2")
    assert shared.names() == []
    with pytest.raises(StorageError, match=rf"server gpu-2: .*{tmp_path}/nfs/age.*mount it on every server"):
        on_other(check_reachable, DirectoryStore(tmp_path / "nfs" / "age", mounted=True), "gpu-2")
