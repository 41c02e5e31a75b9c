"""A network alone, fed with one batch that stays on the device: what a fold run's rate is held against."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.gpu.setting import Case
from trainables.device import autocast, use_kernels
from trainables.network.torchvision_ops import timm

CLASSES = 18
STEPS_AT_ONCE = 10  # between looks at the clock, each of which waits for the device
ROOF_BATCHES = (128, 256, 512, 1024)
ROOF_GAIN = 1.03  # a larger batch that brings less than this has saturated the device


@dataclass(frozen=True)
class Bare:
    """One step: forward, loss, backward, optimizer; bfloat16 on a GPU, channels-last, fused AdamW."""

    step: Callable[[], None]
    images: int  # of a step
    holds: tuple[Any, ...] = ()  # a graph knows its tensors by address alone: they must outlive it


def eager(case: Case, device: str) -> Bare:
    network, optimizer, images, labels = _parts(case, device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        _loss(network, images, labels).backward()
        optimizer.step()

    return Bare(step, case.batch)


def graphed(case: Case) -> Bare:
    """The same step as one CUDA graph, the optimizer included.

    As "Whole-network capture" in https://docs.pytorch.org/docs/stable/notes/cuda.html shows it.
    """
    network, optimizer, images, labels = _parts(case, "cuda", capturable=True)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(11):  # cuDNN chooses its kernels, the optimizer makes its state
            optimizer.zero_grad(set_to_none=True)
            _loss(network, images, labels, cache=False).backward()
            optimizer.step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        _loss(network, images, labels, cache=False).backward()
        optimizer.step()
    return Bare(graph.replay, case.batch, (network, optimizer, images, labels))


def _parts(case: Case, device: str, capturable: bool = False) -> tuple[Any, ...]:
    use_kernels(torch.device(device), amp=True)  # those of a fold run, or a ratio to it would flatter that
    torch.manual_seed(0)
    network = timm.create_model(case.backbone, num_classes=CLASSES).to(device)
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(), fused=True, **({"capturable": True} if capturable else {})
    )
    images = torch.randn(case.batch, 3, case.size, case.size, device=device)
    labels = torch.randint(0, CLASSES, (case.batch,), device=device)
    return network, optimizer, images.to(memory_format=torch.channels_last), labels


def _loss(
    network: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor, cache: bool = True
) -> torch.Tensor:
    with autocast(images.device, True):
        # A graph must not keep casts of weights from one replay to the next.
        before = torch.is_autocast_cache_enabled()
        torch.set_autocast_cache_enabled(before and cache)
        outputs = network(images)
        torch.set_autocast_cache_enabled(before)
    return torch.nn.functional.cross_entropy(outputs.float(), labels)


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def rate(bare: Bare, device: str, seconds: float, clock: Callable[[], float] = time.perf_counter) -> float:
    """Images a second over about `seconds`, after some steps to warm up."""
    for _ in range(3):
        bare.step()
    synchronize(device)
    began, steps = clock(), 0
    while steps == 0 or clock() - began < seconds:
        for _ in range(STEPS_AT_ONCE):
            bare.step()
        synchronize(device)
        steps += STEPS_AT_ONCE
    return steps * bare.images / (clock() - began)


def roof(
    case: Case, device: str, seconds: float, batches: tuple[int, ...] = ROOF_BATCHES
) -> tuple[float, int]:
    """Images a second of the largest batch that still brings something, and that batch.

    What the device can do with this network where neither the host nor small kernels hold it back.
    """
    best, chosen = 0.0, case.batch
    for batch in (case.batch, *(item for item in batches if item > case.batch)):
        try:
            found = rate(eager(replace(case, batch=batch), device), device, seconds)
        except torch.OutOfMemoryError:
            break
        finally:
            free(device)
        saturated = found < best * ROOF_GAIN
        if found > best:
            best, chosen = found, batch
        if saturated:
            break
    return best, chosen


def free(device: str) -> None:
    """What nothing refers to any more goes back to the device, for other processes."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
