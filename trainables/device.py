"""The device a fold run computes on: threads, loaders, mixed precision."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orchestrator.core.errors import TrainableError
from orchestrator.core.trainable import Resources


def device_of(resources: Resources) -> torch.device:
    """The GPU, when there is one and some of it is granted; else the CPU.

    `torch.cuda.is_available` is False too where the driver or a daemon of MPS fails: a fold run would train
    on the CPU in a GPU's slot and say nothing. Raises TrainableError there.
    """
    if resources.gpus <= 0 or (torch.version.cuda is None and not torch.cuda.is_available()):
        return torch.device("cpu")
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        # In the words by which a process is known that no other leg can use.
        why = str(error).partition("\n")[0]
        raise TrainableError(
            f"CUDA error: a GPU was granted, but {why}; see `python -m orchestrator doctor`, or train "
            "without GPUs (--gpus-per-fold-run 0)"
        ) from error
    return torch.device("cuda")


def use_threads(resources: Resources) -> None:
    """torch computes on as many threads as CPUs are granted; OpenCV on the caller's thread alone."""
    if torch.get_num_threads() != resources.cpus:
        torch.set_num_threads(resources.cpus)
    cv2.setNumThreads(0)  # loaders are threads already; OpenCV's own would only crowd them


def loader_pool(resources: Resources, device: torch.device) -> ThreadPoolExecutor | None:
    """Threads that prepare batches; None where they would only take turns with the training itself."""
    if device.type == "cpu" and resources.cpus <= 1:
        return None
    return ThreadPoolExecutor(max(1, resources.cpus), thread_name_prefix="batches")


def autocast(device: torch.device, amp: bool) -> Any:
    """Mixed precision on a GPU: bfloat16 where it has it, else float16. Nothing on a CPU."""
    if device.type != "cuda" or not amp:
        return nullcontext()
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.autocast("cuda", dtype=dtype)


def use_kernels(device: torch.device, amp: bool) -> None:
    """Which kernels a GPU's training uses, for this process; a CPU's stay as they are.

    cuDNN times its algorithms for each shape once and keeps the fastest: training has one shape. What mixed
    precision leaves in float32 may take TensorFloat-32 (10 bits of mantissa, bfloat16 has 7); without amp all
    is float32, convolutions as well, where torch's own default is TensorFloat-32.
    """
    if device.type != "cuda":
        return
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = amp
    torch.set_float32_matmul_precision("high" if amp else "highest")


@contextmanager
def untimed_kernels() -> Iterator[None]:
    """Within, cuDNN chooses algorithms by its rules: shapes that are met seldom are not worth trials, whose
    workspaces also would look like memory that is needed."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def to_tensor(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """(B, S, S, 3) uint8 array -> (B, 3, S, S) uint8 tensor; its memory is channels-last already."""
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2)  # a view: nothing is copied
    return tensor if device.type == "cpu" else tensor.pin_memory()  # so that the copy to a GPU runs beside
