from __future__ import annotations

import pytest

from orchestrator.core.errors import InputError
from orchestrator.execution.on_ray.slots import Node, ResourceRequest, allocate_slots, parse_resource_request


def nodes_of(servers: list[tuple[int, float]]) -> list[Node]:
    return [Node(str(number), f"s{number}", cpus, gpus) for number, (cpus, gpus) in enumerate(servers)]


@pytest.mark.parametrize(
    ("servers", "gpus_each", "cpus_each", "expected"),
    [
        ([(2, 0)], None, None, (1, 0.0, 2)),
        ([(8, 0)], None, 4, (4, 0.0, 2)),
        ([(32, 4)], None, None, (8, 1.0, 4)),
        ([(32, 4)], 0.5, None, (4, 0.5, 8)),
        ([(32, 1)], 0.33, None, (10, 0.33, 3)),
        ([(32, 4)], 2.0, None, (16, 2.0, 2)),
        ([(32, 4)], 0.0, None, (1, 0.0, 32)),
        ([(4, 8)], None, None, (1, 1.0, 4)),
        ([(32, 4)], 0.25, 4, (4, 0.25, 8)),
        ([(3, 0), (3, 0), (3, 0)], None, 2, (2, 0.0, 3)),  # nobody lies across servers
        ([(16, 2), (8, 1), (4, 0)], None, None, (8, 1.0, 3)),
        ([(8, 1), (8, 2)], 2.0, None, (8, 2.0, 1)),  # a node with too few GPUs is left alone
    ],
)
def test_slots_and_their_share(
    servers: list[tuple[int, float]],
    gpus_each: float | None,
    cpus_each: int | None,
    expected: tuple[int, float, int],
) -> None:
    nodes = allocate_slots(nodes_of(servers), ResourceRequest(gpus_each, cpus_each)).values()
    slots = sum(found.number for found in nodes)
    assert [(found.resources.cpus, found.resources.gpus, slots) for found in nodes] == [expected] * len(nodes)


@pytest.mark.parametrize(
    ("servers", "gpus_each", "cpus_each", "words"),
    [
        ([(8, 0)], 1.0, None, "0 GPUs"),
        ([(8, 0)], None, 9, "8 CPUs"),
        ([(2, 0), (2, 0)], None, 3, "2 CPUs"),
        ([(8, 1), (8, 1)], 2.0, None, "1 GPUs"),
    ],
)
def test_more_than_a_server_has_is_refused(
    servers: list[tuple[int, float]], gpus_each: float | None, cpus_each: int | None, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        allocate_slots(nodes_of(servers), ResourceRequest(gpus_each, cpus_each))


def test_what_a_user_may_write() -> None:
    assert parse_resource_request("auto") == ResourceRequest()
    assert parse_resource_request("0.25", 4) == ResourceRequest(0.25, 4)
    assert parse_resource_request("A100=0.25, T4=1") == ResourceRequest(by_type={"A100": 0.25, "T4": 1.0})


@pytest.mark.parametrize("text", ["-1", "1.5", "nan", "much", "A100=", "=1", "A100=1,A100=2", "A100=1.5"])
def test_what_a_user_may_not_write(text: str) -> None:
    with pytest.raises(InputError, match="--gpus-per-fold-run"):
        parse_resource_request(text)


def test_a_type_of_gpu_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match="types here: T4"):
        allocate_slots([Node("a", "a", 8, 1.0, "T4")], ResourceRequest(by_type={"A1OO": 0.5}))
