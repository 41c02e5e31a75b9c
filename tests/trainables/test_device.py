from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import TrainableError
from orchestrator.core.failure_causes import is_gpu_fault
from orchestrator.core.trainable import Resources
from tests.support.drawn_images import classifier
from trainables.device import autocast, device_of, use_kernels
from trainables.optimisation.train_step import _needs_scaler
from trainables.parameters import OPTIMIZERS

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


@pytest.mark.filterwarnings("ignore:CUDA is not available")
@pytest.mark.parametrize(("has_it", "dtype"), [(True, torch.bfloat16), (False, torch.float16)])
def test_a_gpu_computes_in_bfloat16_where_it_can_and_scales_gradients_only_where_it_cannot(
    monkeypatch: pytest.MonkeyPatch, has_it: bool, dtype: torch.dtype
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(
        torch.cuda,
        "is_bf16_supported",
        lambda including_emulation=True: asked.append(including_emulation) or has_it,
    )
    gpu = torch.device("cuda")
    assert autocast(gpu, amp=True).fast_dtype == dtype
    assert _needs_scaler(gpu, amp=True) is not has_it
    assert not _needs_scaler(gpu, amp=False) and not _needs_scaler(torch.device("cpu"), amp=True)
    assert not any(asked), "emulated bfloat16 is slower than float16"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("augment_on", ["cpu", "device"])
def test_weights_move_in_one_kernel_and_batches_lie_as_convolutions_want_them(
    dataset: Dataset, optimizer: str, augment_on: str
) -> None:
    trained = classifier(dataset, optimizer=optimizer, augment_on=augment_on, mix="both")
    assert trained._optimizer.defaults["fused"] is True
    filters = [weight for weight in trained._network.parameters() if weight.ndim == 4]
    batches = [next(trained._loader.training(0))[0], next(trained._loader.validation())[0]]
    assert all(item.is_contiguous(memory_format=torch.channels_last) for item in [*filters, *batches])
    trained.close()


def test_validation_has_kernels_chosen_by_rules_and_training_goes_on_with_timed_ones(
    dataset: Dataset, as_before: tuple[bool, bool, str]
) -> None:
    """Its shapes are many, and the trial's workspaces would count as memory that validation needs."""
    trained, timed = classifier(dataset), dict[bool, set[bool]]()
    trained._network.register_forward_hook(
        lambda network, *_: timed.setdefault(network.training, set()).add(torch.backends.cudnn.benchmark)
    )
    torch.backends.cudnn.benchmark = True  # as `use_kernels` on a GPU
    trained.run_epoch()
    assert timed == {True: {True}, False: {False}} and torch.backends.cudnn.benchmark


def test_a_fold_run_that_was_granted_a_gpu_never_trains_on_a_cpu_because_cuda_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """torch says "no GPU" where the driver or MPS fails, and the study would go on many times slower."""
    monkeypatch.setattr(torch.version, "cuda", "13.0")

    def fails() -> None:
        raise RuntimeError("Unexpected error from cudaGetDeviceCount(): Error 805: MPS client failed\nmore")

    monkeypatch.setattr(torch.cuda, "init", fails)
    with pytest.raises(TrainableError, match="a GPU was granted, but Unexpected error") as raised:
        device_of(Resources(1, 0.5))
    assert "Error 805: MPS client failed;" in str(raised.value)
    assert is_gpu_fault(str(raised.value)), "its process is of no use to another leg"
    assert device_of(Resources(1, 0.0)).type == "cpu"
    monkeypatch.setattr(torch.cuda, "init", lambda: None)
    assert device_of(Resources(1, 0.5)).type == "cuda"


def test_a_torch_without_cuda_trains_on_the_cpu_whatever_is_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert device_of(Resources(1, 1.0)).type == "cpu"
