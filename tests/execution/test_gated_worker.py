"""A GPU that other people's programs have taken: how that is seen, and what a worker does then."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.core.events import EpochEnded, Leg
from orchestrator.core.trainable import Resources
from orchestrator.execution.gated_worker import FRESH_S, LOOK_TURNS, GatedWorker, GpuFree, GpuTaken
from orchestrator.execution.gpu_taken import why_taken
from orchestrator.execution.worker import FoldRunWorker, LegAssignment, Outcome
from orchestrator.machine.gpu_cards import CardProcess
from orchestrator.machine.gpu_memory import MIB, Device, own_devices, parse_devices
from tests.support.drawn_nvidia_smi import LISTED_SLICES, SLICED, card, log, process, put_nvidia_smi, uuid

GIB = 2**30
OURS, SIBLING, THEIRS = 11, 12, 77


def device(used_gib: float, *held: tuple[int, float], exclusive: bool = False, total: int = 80) -> Device:
    programs = tuple(CardProcess(pid, f"program{pid}", int(size * 1024)) for pid, size in held)
    return Device("GPU 3", total * GIB, int(used_gib * GIB), exclusive, programs)


def why(found: Device, need_gib: float = 0, alone: bool = True, shown: Sequence[int] = (11, 12, 77)) -> str:
    ours = {OURS, SIBLING}.__contains__
    return why_taken([device(0), found], int(need_gib * GIB), ours, shown.__contains__, alone)


# ---- the rule ---------------------------------------------------------------------------------------


def test_a_gpu_that_others_fill_is_taken_and_the_reason_says_by_whom() -> None:
    assert why(device(79, (THEIRS, 79))) == (
        "others (program77) hold 79.0 GiB of GPU 3's 80.0 GiB, and 1.0 GiB are left of the 2.0 GiB that a "
        "fold run needs"
    )


@pytest.mark.parametrize(
    "found, need, alone",
    [
        (device(0.5), 0, True),  # nobody
        (device(70, (THEIRS, 70)), 0, True),  # there is room beside them
        (device(70, (THEIRS, 70)), 10, True),
        (device(79, (OURS, 40), (SIBLING, 39)), 2, False),  # our own: that is for the packing
        (device(79, (OURS, 39.5), (SIBLING, 39), (THEIRS, 0.5)), 2, False),  # they hold next to nothing
        (device(79), 90, True),  # too large for any: it shows when it runs
        (Device("GPU 3", 80 * GIB, None, False, ()), 0, True),  # not told
    ],
)
def test_a_gpu_with_room_or_filled_by_ourselves_is_not_taken(found: Device, need: float, alone: bool) -> None:
    assert why(found, need, alone) == ""


def test_what_a_fold_run_is_expected_to_hold_decides() -> None:
    assert why(device(70, (THEIRS, 70)), 10.5)
    assert why(device(30, (SIBLING, 20), (THEIRS, 10)), 51, alone=False)


def test_where_programs_are_hidden_only_one_that_has_the_gpu_alone_can_tell() -> None:
    """In a container nvidia-smi lists no program, or ids of the host."""
    for found, shown in ((device(79), (OURS,)), (device(79, (THEIRS, 79)), (OURS,))):
        assert why(found, 2, alone=True, shown=shown)
        assert why(found, 2, alone=False, shown=shown) == ""


def test_a_compute_mode_for_one_program_leaves_no_room_beside_another() -> None:
    assert "one program at a time" in why(device(5, (THEIRS, 5), exclusive=True))
    assert why(device(5, (OURS, 5), exclusive=True)) == ""
    through_mps = Device("GPU 3", 80 * GIB, 30 * MIB, True, (CardProcess(5, "nvidia-cuda-mps-server", 30),))
    assert why(through_mps) == ""


# ---- what is seen -----------------------------------------------------------------------------------


def test_a_process_sees_the_devices_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query = log(card(0), card(1, used="70000 MiB", processes=process(THEIRS, "julia", "69000 MiB")))
    put_nvidia_smi(tmp_path, query)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    [found] = own_devices({"CUDA_VISIBLE_DEVICES": "1"})
    assert (found.name, found.total, found.used) == ("GPU 1", 81559 * MIB, 70000 * MIB)
    assert [item.pid for item in found.processes] == [THEIRS]
    assert [item.name for item in own_devices({"CUDA_VISIBLE_DEVICES": uuid(0)})] == ["GPU 0"]
    assert len(own_devices({})) == 2
    put_nvidia_smi(tmp_path, "Failed to initialize NVML: Unknown Error", exit_code=255)
    assert own_devices({}) == []


def test_a_slice_is_a_device_of_its_own_size() -> None:
    second = LISTED_SLICES.splitlines()[2].split("UUID: ")[1].rstrip(")")
    [found] = parse_devices(log(SLICED), LISTED_SLICES, second)
    assert (found.name, found.total, found.used) == ("slice 1g.10gb of GPU 0", 9728 * MIB, 12 * MIB)


# ---- the worker -------------------------------------------------------------------------------------


class Worker:
    """Stands for the one that trains."""

    begins = True

    def __init__(self) -> None:
        self.released = 0

    def start(self, assignment: LegAssignment, resources: Resources) -> None:
        self.leg = assignment.leg

    def step(self) -> Outcome:
        self.begins = False
        return EpochEnded(self.leg.trial, self.leg.fold, self.leg.start + 1, 0.5, seconds=1.0)

    def release(self) -> None:
        self.released += 1


class Node:
    """The GPU of a worker as a test sets it, and how often it was looked at."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self.found, self.looks, self.pauses = device(0), 0, 0
        self.worker, self.now = Worker(), 0.0
        self.gated = GatedWorker(
            cast(FoldRunWorker, self.worker),
            lambda: (SIBLING,),
            self.look,
            self.pause,
            proc,
            lambda: self.now,
        )

    def look(self) -> list[Device]:
        self.looks += 1
        return [self.found]

    def pause(self, seconds: float) -> None:
        self.pauses += 1

    def start(self, gpus: float = 1.0, need: int = 0, after: float = FRESH_S, **more: Any) -> None:
        self.now += after  # seconds since the last fold run began there
        leg = Leg(2, 1, 3, 6)
        self.gated.start(LegAssignment(leg, {}, 6, 0, None, **more), Resources(1, gpus), need)


def test_a_leg_on_a_taken_gpu_is_given_back_and_its_process_waits_until_there_is_room() -> None:
    node = Node()
    node.found = device(79, (THEIRS, 79))
    node.start()
    taken = node.gated.step()
    assert isinstance(taken, GpuTaken)
    assert (taken.trial, taken.fold, taken.epoch) == (2, 1, 3)
    assert "program77" in taken.error
    assert node.worker.released == 1  # what an earlier fold run left in memory
    for _ in range(LOOK_TURNS):
        assert node.gated.step() == taken
    assert (node.looks, node.pauses) == (2, LOOK_TURNS)
    node.found = device(0)
    answers = [node.gated.step() for _ in range(LOOK_TURNS)]
    assert answers == [*[taken] * (LOOK_TURNS - 1), GpuFree(2, 1)]
    node.start()
    assert isinstance(node.gated.step(), EpochEnded)


def test_a_fold_run_that_goes_on_in_memory_and_one_without_a_gpu_look_at_nothing() -> None:
    node = Node()
    node.found = device(79, (THEIRS, 79))
    node.start(gpus=0.0)
    assert isinstance(node.gated.step(), EpochEnded)
    node.start(gpus=1.0)
    assert isinstance(node.gated.step(), EpochEnded)
    assert node.looks == 0


def test_short_legs_do_not_ask_nvidia_smi_each_time_unless_they_need_more() -> None:
    node = Node()
    looks = []
    for after, need in ((FRESH_S, 4), (1.0, 4), (1.0, 3), (1.0, 5), (FRESH_S / 2, 5), (FRESH_S / 2, 5)):
        node.worker.begins = True
        node.start(need=need * GIB, after=after)
        assert isinstance(node.gated.step(), EpochEnded)
        looks.append(node.looks)
    assert looks == [1, 1, 1, 2, 2, 3]
    node.worker.begins = True
    node.found = device(79, (THEIRS, 79))
    node.start(need=5 * GIB, after=FRESH_S)
    assert isinstance(node.gated.step(), GpuTaken)


def test_what_the_fold_run_is_expected_to_hold_is_asked_for() -> None:
    node = Node()
    node.found = device(70, (THEIRS, 70))
    node.start(need=20 * GIB)
    assert isinstance(node.gated.step(), GpuTaken)


def test_our_own_programs_beside_it_are_no_others(tmp_path: Path) -> None:
    for pid, answer in ((SIBLING, EpochEnded), (THEIRS, GpuTaken)):
        (tmp_path / str(pid)).mkdir()
        node = Node(tmp_path)
        node.found = device(79, (pid, 79))
        node.start(gpus=0.5)
        assert isinstance(node.gated.step(), answer)


def test_what_a_process_that_has_computed_left_in_memory_is_not_others_where_programs_are_hidden() -> None:
    node = Node()
    node.start()
    assert isinstance(node.gated.step(), EpochEnded)
    node.worker.begins = True  # another fold run comes
    node.found = device(79)  # nobody is listed: a container
    node.start()
    assert isinstance(node.gated.step(), EpochEnded)
    fresh = Node()
    fresh.found = device(79)
    fresh.start()
    assert isinstance(fresh.gated.step(), GpuTaken)


def test_a_compute_mode_says_nothing_of_slices() -> None:
    cut = SLICED.replace("<compute_mode>Default", "<compute_mode>Exclusive_Process")
    first = LISTED_SLICES.splitlines()[1].split("UUID: ")[1].rstrip(")")
    assert not parse_devices(log(cut), LISTED_SLICES, first)[0].is_exclusive
    whole = log(card(compute_mode="Exclusive_Process"))
    assert parse_devices(whole, "", None)[0].is_exclusive
