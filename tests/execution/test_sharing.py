from __future__ import annotations

import pytest

from orchestrator.errors import InputError
from orchestrator.execution.sharing import share_out


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
    ],
)
def test_slots_and_their_share(
    servers: list[tuple[int, float]],
    gpus_each: float | None,
    cpus_each: int | None,
    expected: tuple[int, float, int],
) -> None:
    resources, slots = share_out(servers, gpus_each, cpus_each)
    assert (resources.cpus, resources.gpus, slots) == expected


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
        share_out(servers, gpus_each, cpus_each)
