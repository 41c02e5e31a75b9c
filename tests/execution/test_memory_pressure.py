"""Whose fault a death for memory is, how many fold runs have room: numbers in, decisions out."""

from __future__ import annotations

import pytest

from orchestrator.execution.memory_pressure import (
    AGAIN_S,
    FIRST_GUESS,
    GIB,
    LONGEST_S,
    Death,
    GpuUse,
    NodePressure,
    gpu_is_crowded,
    gpu_slots_that_fit,
    is_own_fault,
)

MIB = 2**20


@pytest.mark.parametrize(
    ("own", "room_at_best", "alone", "is_own"),
    [
        (130 * MIB, 18 * GIB, True, False),  # a neighbour took the 18 GiB
        (130 * MIB, 18 * GIB, False, False),
        (6 * GIB, 6 * GIB, True, True),  # it ate all that there was
        (4 * GIB, 6 * GIB, True, True),  # and the neighbours the smaller part
        (2 * GIB, 6 * GIB, True, False),
        (6 * GIB, 6 * GIB, False, False),  # two of ours together: alone it will show
        (None, 6 * GIB, True, True),  # nothing speaks for a neighbour
        (6 * GIB, None, True, True),
        (350 * MIB, -GIB, True, False),  # others had filled it before
        (None, 0, True, False),
        (130 * MIB, 200 * MIB, True, False),  # or nearly so: one of common size never had room
        (2 * GIB, 200 * MIB, True, True),
    ],
)
def test_the_larger_part_of_what_was_free_is_to_blame(
    own: int | None, room_at_best: int | None, alone: bool, is_own: bool
) -> None:
    limit = None if room_at_best is None else 24 * GIB
    assert is_own_fault(Death(own, room_at_best, alone, limit)) is is_own


@pytest.mark.parametrize(("own", "room", "is_own"), [(600, 700, True), (400, 500, True), (300, 500, False)])
def test_a_machine_without_room_for_one_of_common_size_blames_who_holds_more_of_all(
    own: int, room: int, is_own: bool
) -> None:
    """Of 900 MiB others held what was never room."""
    assert is_own_fault(Death(own * MIB, room * MIB, True, 900 * MIB)) is is_own


def test_slots_start_by_the_first_guess_and_then_by_what_was_measured() -> None:
    node = NodePressure()
    node.look(int(2.5 * FIRST_GUESS), [])
    assert [node.has_room(running, 0) for running in (0, 1, 2)] == [True, True, False]
    node.look(int(2.5 * FIRST_GUESS), [200 * MIB, 400 * MIB])
    assert node.need == 400 * MIB
    assert [node.has_room(running, 0) for running in (2, 5, 6)] == [True, True, False]


def test_never_fewer_than_one_at_the_start() -> None:
    node = NodePressure()
    node.look(0, [])
    assert node.has_room(0, 0) and not node.has_room(1, 0)


def test_nothing_is_held_back_where_nobody_can_look() -> None:
    assert NodePressure().has_room(7, 0)


def test_after_a_neighbour_took_the_memory_it_waits_for_room() -> None:
    node = NodePressure()
    node.look(GIB, [300 * MIB, 300 * MIB])
    node.look(100 * MIB, [])
    node.crowded(now=0)
    assert not node.has_room(0, 1)
    node.look(2 * GIB, [])
    assert node.has_room(0, 2), "there is room: it goes on at once"


def test_without_room_one_is_tried_alone_ever_more_rarely() -> None:
    node, now, waits = NodePressure(), 0.0, []
    node.look(100 * MIB, [])
    for _ in range(8):
        node.crowded(now)
        began = now
        while not node.has_room(0, now):
            now += 1
        waits.append(now - began)
        assert not node.has_room(1, now)
    assert waits[:3] == [AGAIN_S, 2 * AGAIN_S, 4 * AGAIN_S] and waits[-1] == LONGEST_S
    node.reported()
    node.crowded(now)
    assert node.has_room(0, now + AGAIN_S)


def test_room_that_deceives_is_not_believed_for_ever() -> None:
    """As where the limit is another than the one we see: no fold run is started in every turn."""
    node = NodePressure()
    node.look(10 * GIB, [])
    for _ in range(2):
        node.crowded(now=0)
        assert node.has_room(0, 0)
    node.crowded(now=0)
    assert not node.has_room(0, 1) and node.has_room(0, 4 * AGAIN_S)


def test_slots_do_not_come_and_go_with_every_reading() -> None:
    node = NodePressure()
    node.look(800 * MIB, [400 * MIB])
    assert node.has_room(1, 0)
    node.look(799 * MIB, [400 * MIB])
    assert not node.has_room(1, 0)
    node.look(801 * MIB, [400 * MIB])
    assert not node.has_room(1, 0)
    node.look(900 * MIB, [400 * MIB])
    assert node.has_room(1, 0)


def test_a_size_that_nobody_has_any_more_is_forgotten_slowly() -> None:
    node = NodePressure()
    node.look(GIB, [6 * GIB])
    for _ in range(300):
        node.look(GIB, [200 * MIB])
    assert node.need == 200 * MIB


def test_a_gpu_that_failed_for_others_is_left_alone_for_a_while_though_the_machine_has_memory() -> None:
    node = NodePressure()
    node.look(100 * GIB, [])
    node.crowded(now=0, by_gpu=True)
    assert not node.has_room(0, 1) and not node.has_room(3, 1)
    assert node.has_room(0, AGAIN_S)


@pytest.mark.parametrize(
    ("own", "total", "free", "siblings", "crowded"),
    [
        (6, 16, 0, 0, True),  # others hold 10
        (12, 16, 0, 0, False),  # others hold 4
        (5, 16, 1, 1, False),
        (2, 16, 0, 3, False),  # who of them holds the 14 is not known
        (0, 16, 0, 0, True),
    ],
)
def test_a_gpu_is_crowded_where_others_hold_more_than_a_fold_run_that_was_alone_there(
    own: int, total: int, free: int, siblings: int, crowded: bool
) -> None:
    assert gpu_is_crowded(own * GIB, total * GIB, free * GIB, siblings) is crowded


@pytest.mark.parametrize(
    ("gpus", "per_gpu", "each", "running", "fits"),
    [
        ([GpuUse(80, 0), GpuUse(80, 0)], 1, 1.0, 0, 2),
        ([GpuUse(80, 0), GpuUse(80, 79)], 1, 1.0, 0, 1),  # the second is somebody else's
        ([GpuUse(80, 79), GpuUse(80, 79)], 1, 1.0, 0, 1),  # never below one
        ([GpuUse(80, 60, (20,))], 4, 0.25, 1, 2),  # others hold 40, ours take 20 each
        ([GpuUse(80, 60, (20,))], 1, 1.0, 1, 1),
        ([GpuUse(80, 40)], 4, 0.25, 2, None),  # a container hides whose it is
        ([], 1, 1.0, 0, None),
        ([GpuUse(80, 0)] * 4, 1, 2.0, 0, 2),  # fold runs of two GPUs
        ([GpuUse(80, 64, (60, 4)), GpuUse(80, 8, (4, 4))], 4, 0.25, 4, 8),  # one of ours has several shares
    ],
)
def test_gpu_slots_are_those_that_others_leave(
    gpus: list[GpuUse], per_gpu: int, each: float, running: int, fits: int | None
) -> None:
    sized = [GpuUse(gpu.total * GIB, gpu.used * GIB, tuple(own * GIB for own in gpu.ours)) for gpu in gpus]
    assert gpu_slots_that_fit(sized, per_gpu, each, running) == fits
