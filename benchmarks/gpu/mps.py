"""CUDA's Multi-Process Service as a search uses it, and what its clients are told when one of them fails."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from benchmarks.gpu import data
from benchmarks.gpu.members import MemberError, Members, Order
from benchmarks.gpu.records import Recorder
from benchmarks.gpu.setting import Setting
from orchestrator.machine.gpu_users import mps_daemons
from orchestrator.machine.mps import MpsError, own_daemon
from trainables.images.image_store import build_store


@contextlib.contextmanager
def own_mps(dry: bool) -> Iterator[tuple[dict[str, str] | None, str]]:
    """The environment in which processes are its clients, and ""; or None and why there is no daemon."""
    if dry:
        yield None, "a dry run has no GPU"
        return
    with contextlib.ExitStack() as stack:
        try:
            environment = stack.enter_context(own_daemon())
        except MpsError as error:
            yield None, str(error)
            return
        yield environment, ""


def run(setting: Setting, recorder: Recorder) -> None:
    with own_mps(setting.dry) as (environment, why_not):
        if environment is None:
            recorder.not_run("MPS ends", why_not)
            return
        recorder.note(f"daemons while ours runs: {len(mps_daemons())}")
        _fault_beside(environment, setting, recorder)
    left = mps_daemons()
    recorder.check("MPS ends", len(left), ", ".join(sorted(left)))


def _fault_beside(environment: Mapping[str, str], setting: Setting, recorder: Recorder) -> None:
    """What a client is told whose neighbour makes the device itself fail."""
    made, case = data.dataset(setting), setting.learns
    build_store(made, case.size)
    config = {"backbone": case.backbone, "image_size": case.size, "batch_size": case.batch}
    orders = [Order(made, fold, config, fold, setting.resources(0.5), case.batch) for fold in range(2)]
    with Members(2, setting.patience_s, environment) as members:
        members.build(orders)
        members.curve([0, 1], 1)
        recorder.note(f"a client with a fault of its own is told: {members.fault_in(0)[:300]}")
        try:
            members.curve([1], 1)
            recorder.note("its neighbour is told nothing and trains on")
        except MemberError as error:
            recorder.note(f"its neighbour is told: {str(error)[:300]}")
