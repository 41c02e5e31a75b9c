"""What a step of the augmentation language costs on tensors, beside albumentations on one core.

    python -m benchmarks.device_augment                  # on the CPU: the same code, for which it is not made
    python -m benchmarks.device_augment --device cuda
    python -m benchmarks.device_augment --sheet sheet.png  # both paths side by side, to look at

Batches of drawn faces, named strengths and every step with p=1; medians of rounds in turn. `draw` is what the
host does before the device starts: all random numbers of a batch.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from orchestrator.demo.drawing.face import paint
from orchestrator.demo.drawing.people import draw_people, draw_photo
from orchestrator.progress import progress_bar
from trainables.images.augment import STRENGTHS, Augmenter
from trainables.images.augment_steps import KINDS
from trainables.images.device_augment import DeviceAugmenter

NEEDED = {"rotate": "15, ", "shift": "0.1, ", "zoom": "0.2, "}
SPECS = {
    **{name: spec for name, spec in STRENGTHS.items() if spec},
    **{step: f"{step}({NEEDED.get(step, '')}p=1)" for step in KINDS},
}
Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Cost:
    """Microseconds an image."""

    spec: str
    albumentations: float
    device: float
    draw: float

    @property
    def ratio(self) -> float:
        return self.device / self.albumentations


def drawn_faces(count: int, size: int) -> Images:
    """(count, size, size, 3) uint8."""
    rng = np.random.default_rng(0)
    faces = [paint(person, draw_photo("none", rng), size) for person in draw_people(count, 8, rng)]
    return np.stack([cv2.resize(face, (size, size))[..., ::-1] for face in faces]).astype(np.uint8)


def costs(images: Images, device: torch.device, rounds: int) -> Iterator[Cost]:
    """One for each of SPECS, on one core of the CPU and on the device."""
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device)
    shape = (images.shape[1], images.shape[2])
    # on the CPU the time of this thread: other programs then count in neither way
    clock = time.perf_counter if tensor.is_cuda else time.process_time
    for name, spec in SPECS.items():
        on_cpu, on_device = Augmenter(spec), DeviceAugmenter(spec)
        ways: list[Callable[[np.random.Generator], object]] = [
            lambda rng, augment=on_cpu: augment(images, rng),
            lambda rng, augment=on_device: _finished(augment(tensor, rng)),
            lambda rng, augment=on_device: augment.planned(len(images), shape, rng),
        ]
        seconds = [[_seconds(way, number, clock) for way in ways] for number in range(rounds + 1)][1:]
        yield Cost(name, *(1e6 * median(of_way) / len(images) for of_way in zip(*seconds, strict=True)))


def _finished(images: torch.Tensor) -> None:
    if images.is_cuda:
        torch.cuda.synchronize()


def _seconds(way: Callable[[np.random.Generator], object], number: int, clock: Callable[[], float]) -> float:
    started = clock()
    way(np.random.default_rng(number))
    return clock() - started


# ---- pictures ---------------------------------------------------------------------------------------


def contact_sheet(images: Images, repeats: int = 6) -> Images:
    """A line a step: the first image `repeats` times by albumentations, then as often on tensors."""
    lines = []
    for number, (name, spec) in enumerate(SPECS.items()):
        batch = np.repeat(images[number % len(images)][None], repeats, axis=0)
        tensor = torch.from_numpy(batch).permute(0, 3, 1, 2)
        on_cpu = Augmenter(spec)(batch, np.random.default_rng(number))
        on_device = DeviceAugmenter(spec)(tensor, np.random.default_rng(number)).permute(0, 2, 3, 1).numpy()
        gap = np.full((batch.shape[1], 12, 3), 255, np.uint8)
        line = np.concatenate([_named(name, batch.shape[1]), *on_cpu, gap, *on_device], axis=1)
        lines += [line, np.full((4, line.shape[1], 3), 255, np.uint8)]
    return np.concatenate(lines)


def _named(name: str, height: int) -> Images:
    label = np.full((height, 170, 3), 255, np.uint8)
    cv2.putText(label, name, (4, height // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return label


# ---- the command ------------------------------------------------------------------------------------


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    images = drawn_faces(arguments.batch, arguments.size)
    if arguments.sheet:
        cv2.imwrite(str(arguments.sheet), contact_sheet(images)[..., ::-1])
        return
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    found = []
    with progress_bar("steps") as done:
        for cost in costs(images, torch.device(arguments.device), arguments.rounds):
            found.append(cost)
            done(len(found), len(SPECS))
    machine = f"{platform.processor() or platform.machine()}, {arguments.device}, torch {torch.__version__}"
    if arguments.json:
        print(json.dumps({"machine": machine, "costs": [asdict(cost) for cost in found]}))
    else:
        _print(found, f"{arguments.batch} images of {arguments.size} px; microseconds an image; {machine}")


def _print(found: list[Cost], title: str) -> None:
    table = Table("step", title=title)
    for column in ("albumentations", "tensors", "draw", "tensors / albumentations"):
        table.add_column(column, justify="right")
    for cost in found:
        table.add_row(
            cost.spec,
            f"{cost.albumentations:.0f}",
            f"{cost.device:.0f}",
            f"{cost.draw:.1f}",
            f"{cost.ratio:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
