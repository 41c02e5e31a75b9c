"""timm's own way to train: its loader of files, prefetcher and optimizer, in the loop of its train.py.

https://github.com/huggingface/pytorch-image-models/blob/main/train.py, with --amp --amp-dtype bfloat16
--channels-last --opt adamw and its default augmentation. The script itself is not in timm's package.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.gpu.bare import CLASSES, STEPS_AT_ONCE, synchronize
from benchmarks.gpu.setting import Case, Setting
from orchestrator.core.dataset import Dataset
from trainables.device import autocast, use_kernels
from trainables.images.image_store import open_store
from trainables.network.torchvision_ops import timm


def timm_rate(
    made: Dataset,
    case: Case,
    setting: Setting,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Images a second, files and augmentation included, after some steps to warm up."""
    batches = _endless(_loader(_folder(made, case, setting), case, setting))
    step = _step(case, setting.device)
    for _ in range(3):
        step(*next(batches))
    synchronize(setting.device)
    began, steps = clock(), 0
    while steps == 0 or clock() - began < seconds:
        for _ in range(STEPS_AT_ONCE):
            step(*next(batches))
        synchronize(setting.device)
        steps += STEPS_AT_ONCE
    return steps * case.batch / (clock() - began)


def _folder(made: Dataset, case: Case, setting: Setting) -> Path:
    """JPEG files of the case's size, a folder for each class, as many as an epoch trains."""
    folder = setting.folder / f"timm-{case.size}"
    if folder.exists():
        return folder
    store, written = open_store(made, case.size), dict[str, Path]()
    for row in map(int, made.training_rows(0)):
        path = folder / f"{int(made.labels[row]):02}" / f"{row}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if (same := written.setdefault(made.paths[row], path)) != path:
            path.hardlink_to(same)  # an image that stands there several times
        elif not cv2.imwrite(str(path), np.ascontiguousarray(store[row][..., ::-1])):
            raise OSError(f"{path} could not be written")
    return folder


def _loader(folder: Path, case: Case, setting: Setting) -> Any:
    from timm.data import create_dataset, create_loader

    return create_loader(
        create_dataset("", root=str(folder), is_training=True),
        input_size=(3, case.size, case.size),
        batch_size=case.batch,
        is_training=True,
        num_workers=setting.cpus,
        pin_memory=not setting.dry,
        device=torch.device(setting.device),
    )


def _endless(loader: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        yield from loader


def _step(case: Case, device: str) -> Callable[[torch.Tensor, torch.Tensor], None]:
    from timm.optim import create_optimizer_v2

    use_kernels(torch.device(device), amp=True)  # as train.py sets them too
    torch.manual_seed(0)
    network = timm.create_model(case.backbone, num_classes=CLASSES).to(device)
    network = network.to(memory_format=torch.channels_last)
    optimizer = create_optimizer_v2(network, opt="adamw", lr=1e-3, weight_decay=0.02)

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        images = images.contiguous(memory_format=torch.channels_last)
        with autocast(images.device, True):
            loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
