from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from trainables.device import use_kernels

pytestmark = pytest.mark.torch


def kernels() -> tuple[bool, bool, str]:
    """Whether cuDNN times its algorithms, and what float32 convolutions and products may be computed in."""
    cudnn = torch.backends.cudnn
    return cudnn.benchmark, cudnn.allow_tf32, torch.get_float32_matmul_precision()


@pytest.fixture
def as_before() -> Iterator[tuple[bool, bool, str]]:
    before = kernels()
    yield before
    torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = before[:2]
    torch.set_float32_matmul_precision(before[2])


def test_a_gpu_rounds_float32_where_mixed_precision_is_asked_for_alone(
    as_before: tuple[bool, bool, str],
) -> None:
    use_kernels(torch.device("cuda"), amp=True)
    assert kernels() == (True, True, "high")
    use_kernels(torch.device("cuda"), amp=False)  # the next fold run of a process that is used again
    assert kernels() == (True, False, "highest")


def test_a_cpu_keeps_its_kernels(as_before: tuple[bool, bool, str]) -> None:
    use_kernels(torch.device("cpu"), amp=True)
    assert kernels() == as_before
