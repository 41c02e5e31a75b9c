"""What every checkpoint store must do, as functions of an empty one; any process can run them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from orchestrator.core.events import FoldRunKey
from orchestrator.storage import probe
from orchestrator.storage.checkpoint_files import (
    delete_fold_run,
    keep_only_best,
    oof_name,
    resume_name,
    weights_name,
)
from orchestrator.storage.contract import CheckpointStore

KEY = FoldRunKey(3, 1)


def _require(holds: bool) -> None:
    if not holds:
        raise AssertionError("the store does not do what this part of the contract says")


def _missing(store: CheckpointStore, name: str) -> str:
    """What the store says of a name it does not hold."""
    try:
        store.get(name)
    except KeyError as error:
        return str(error)
    raise AssertionError(f"get({name!r}) gave bytes, or another error than KeyError, where there are none")


def gives_back_what_was_put_and_keeps_the_last(store: CheckpointStore) -> None:
    store.put("t0003-f1/x.pt", b"one")
    store.put("t0003-f1/x.pt", b"two")
    _require(store.get("t0003-f1/x.pt") == b"two")
    _require(type(store.get("t0003-f1/x.pt")) is bytes)


def carries_large_and_empty_files(store: CheckpointStore) -> None:
    large = np.random.default_rng(1).bytes(12_000_001)  # more than one part of an S3 upload
    for name, data in (("t0003-f1/large.pt", large), ("t0003-f1/empty.pt", b"")):
        store.put(name, data)
        _require(hashlib.sha256(store.get(name)).digest() == hashlib.sha256(data).digest())


def knows_what_it_does_not_hold(store: CheckpointStore) -> None:
    _require("t0003-f1/x.pt" in _missing(store, "t0003-f1/x.pt"))
    _require(store.names("t0003-f1/") == [])


def lists_by_prefix_in_order(store: CheckpointStore) -> None:
    for name in ("t0003-f10/a", "t0003-f1/resume-b", "t0003-f1/resume-a", "t0003-f1/best-a", "probe"):
        store.put(name, b"x")
    _require(store.names("t0003-f1/") == ["t0003-f1/best-a", "t0003-f1/resume-a", "t0003-f1/resume-b"])
    _require(store.names("t0003-f1/resume") == ["t0003-f1/resume-a", "t0003-f1/resume-b"])
    _require({"probe", "t0003-f10/a", "t0003-f1/best-a"} <= set(store.names()))


def deletes_quietly(store: CheckpointStore) -> None:
    store.put("t0003-f1/x.pt", b"x")
    store.delete("t0003-f1/x.pt")
    store.delete("t0003-f1/x.pt")
    store.delete("t0009-f9/never.pt")
    _require(store.names("t0003-f1/") == [])
    _missing(store, "t0003-f1/x.pt")


def deletes_many_at_once(store: CheckpointStore) -> None:
    """Those it is told and no other; what is gone already, or was never there, is no error."""
    names = [f"t000{run}-f{fold}/resume-e0001.pt" for run in range(3) for fold in range(3)]
    for name in (*names, "t0000-f0/resume-e0002.pt", "t0000-f00/x.pt"):
        store.put(name, b"x")
    store.delete_many([*names[:-1], "t0009-f9/never.pt"])
    left = ["t0000-f0/resume-e0002.pt", "t0000-f00/x.pt", names[-1]]
    _require([name for name in store.names() if name.endswith(".pt")] == left)
    store.delete_many(names)
    store.delete_many([])
    _require([name for name in store.names() if name.endswith(".pt")] == left[:-1])


def takes_many_at_once(store: CheckpointStore) -> None:
    """Several names, and one name several times: whole, whoever was last."""
    files = {f"t000{run}-f0/resume-e0001.pt": bytes([run]) * 300_000 for run in range(6)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put(name, files[name]), files))
        list(pool.map(lambda value: store.put("t0009-f0/x.pt", bytes([value]) * 300_000), range(8)))
    _require({name: store.get(name) for name in files} == files)
    last = store.get("t0009-f0/x.pt")
    _require(len(last) == 300_000 and len(set(last)) == 1)


def obeys_retention(store: CheckpointStore) -> None:
    for epoch in (1, 2):
        for name in (resume_name, weights_name, oof_name):
            store.put(name(KEY, epoch), b"x")
    store.put("t0003-f10/resume-e0001.pt", b"another fold run")
    keep_only_best(store, {KEY: 2})
    _require(store.names("t0003-f1/") == [oof_name(KEY, 2), weights_name(KEY, 2)])
    delete_fold_run(store, KEY)
    _require(store.names("t0003-f1/") == [])
    _require(store.names("t0003-f10/") == ["t0003-f10/resume-e0001.pt"])


def leaves_nothing_of_a_probe(store: CheckpointStore) -> None:
    before = store.names()
    probe(store)
    _require(store.names() == before)


def takes_a_memoryview(store: CheckpointStore) -> None:
    """As the store on the driver's node is handed what a worker's shared memory holds."""
    store.put("t0003-f1/x.pt", memoryview(b"one two")[4:])
    _require(store.get("t0003-f1/x.pt") == b"two")


def gives_up_sooner_and_is_the_same(store: CheckpointStore) -> None:
    store.put("t0003-f1/x.pt", b"x")
    soon = store.with_short_timeouts()
    _require((str(soon), soon.get("t0003-f1/x.pt"), soon.names()) == (str(store), b"x", store.names()))


def can_be_tried_before_it_is_there(store: CheckpointStore) -> None:
    before = store.names()
    probe(store.at_existing_folder())
    _require(store.names() == before)


def loses_nothing_whole_when_partial_files_go(store: CheckpointStore) -> None:
    store.put("t0003-f1/x.pt", b"x")
    before = store.names()
    store.remove_partial_files()
    _require(store.names() == before and store.get("t0003-f1/x.pt") == b"x")


def stays_while_something_lies_in_it(store: CheckpointStore) -> None:
    store.put("t0003-f1/x.pt", b"x")
    store.remove_if_empty()
    _require(store.get("t0003-f1/x.pt") == b"x")
    for name in store.names():
        store.delete(name)
    store.remove_if_empty()
    store.remove_if_empty()
    _require(store.names() == [])


STORE_CONTRACT: tuple[Callable[[CheckpointStore], None], ...] = (
    gives_back_what_was_put_and_keeps_the_last,
    carries_large_and_empty_files,
    knows_what_it_does_not_hold,
    lists_by_prefix_in_order,
    deletes_quietly,
    deletes_many_at_once,
    takes_many_at_once,
    obeys_retention,
    leaves_nothing_of_a_probe,
    takes_a_memoryview,
    gives_up_sooner_and_is_the_same,
    can_be_tried_before_it_is_there,
    loses_nothing_whole_when_partial_files_go,
    stays_while_something_lies_in_it,
)


def check_store(make_store: Callable[[], CheckpointStore]) -> None:
    """Every part of the contract on a new, empty store each. Raises AssertionError naming those not kept."""
    broken = []
    for part in STORE_CONTRACT:
        try:
            part(make_store())
        except Exception as error:
            broken.append(f"{part.__name__}: {type(error).__name__}: {error}")
    if broken:
        raise AssertionError("\n".join(broken))
