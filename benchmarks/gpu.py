"""Fold runs on one GPU: mixed precision, memory layout, packing, the loader beside a model fed from memory.

    python -m benchmarks.gpu

Rates are training images per second at 224 px, batch 128, random weights, after a warm-up; the GPU is waited
for before a clock is read. Prints "skipped" where there is no GPU.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import Barrier, get_context
from pathlib import Path
from typing import Any

import torch

NETWORKS = ("resnet18", "efficientnet_b0")
SIZE, BATCH, CLASSES = 224, 128, 18
STEPS, WARM_UP = 50, 10
PACKED = (1, 2, 4, 8)


def rate(name: str, amp: bool, channels_last: bool, meet: Any = None) -> float:
    """Images per second of a network fed with one batch that stays on the GPU."""
    from trainables.network.torchvision_ops import timm

    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = timm.create_model(name, num_classes=CLASSES).cuda().to(memory_format=layout)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    images = torch.randn(BATCH, 3, SIZE, SIZE, device="cuda").to(memory_format=layout)
    labels = torch.randint(0, CLASSES, (BATCH,), device="cuda")

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=amp):
                logits = network(images)
            torch.nn.functional.cross_entropy(logits.float(), labels).backward()
            optimizer.step()
        torch.cuda.synchronize()

    steps(WARM_UP)
    if meet is not None:
        meet.wait()  # packed: all begin together
    started = time.perf_counter()
    steps(STEPS)
    return STEPS * BATCH / (time.perf_counter() - started)


def end_to_end(name: str, folder: Path, cpus: int, people: int = 600) -> float:
    """Images per second of a fold run's training as it reports them: store, augmentation, loader, step."""
    from benchmarks.drawn_data import drawn_dataset
    from orchestrator.core.trainable import Resources
    from trainables.image_classifier import ImageClassifier

    dataset = drawn_dataset(folder, people, SIZE)
    config: Mapping[str, Any] = {"backbone": name, "image_size": SIZE, "batch_size": BATCH}
    run = ImageClassifier(dataset, 0, config, 3, 0, Resources(cpus, 1.0))
    try:
        return [run.run_epoch()["images_per_second"] for _ in range(3)][-1]
    finally:
        run.close()


_meeting: Any = None


def _join(meeting: Any) -> None:
    global _meeting
    _meeting = meeting


def _packed_rate(name: str) -> float:
    return rate(name, True, True, _meeting)


def packed(name: str, count: int) -> float:
    """Images per second of `count` processes together on one GPU."""
    context = get_context("spawn")
    meeting: Barrier = context.Barrier(count)  # type: ignore[valid-type]
    with ProcessPoolExecutor(count, mp_context=context, initializer=_join, initargs=(meeting,)) as pool:
        return sum(pool.map(_packed_rate, [name] * count))


def main(cpus: int = 8) -> None:
    if not torch.cuda.is_available():
        print("skipped: no GPU here")
        return
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {cpus} CPUs for the loader, seed 0")
    for name in NETWORKS:
        best = rate(name, True, True)
        print(f"{name}: bfloat16, channels-last, from memory {best:.0f} images/s")
        print(f"  float32, channels-last           {rate(name, False, True) / best:5.2f}x")
        print(f"  bfloat16, contiguous             {rate(name, True, False) / best:5.2f}x")
        with tempfile.TemporaryDirectory() as folder:
            print(f"  a whole fold run's training      {end_to_end(name, Path(folder), cpus) / best:5.2f}x")
        alone = packed(name, 1)
        for count in PACKED[1:]:
            print(f"  {count} fold runs on the GPU together {packed(name, count) / alone:5.2f}x one")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cpus", type=int, default=8)
    main(parser.parse_args().cpus)
