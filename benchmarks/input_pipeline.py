"""Augmented training images per second, from the store and as torchvision's ImageFolder makes them.

    python -m benchmarks.input_pipeline
    python -m benchmarks.input_pipeline --augment-on cpu device   # a fold run's own feed

The same 512 x 384 JPEGs (drawn faces with noise, quality 90) become batches of 64 augmented 224 x 224 images:
mirrored, cropped or shifted by up to 1/16, turned by up to 15 degrees (bilinear in both), colours jittered by
0.2. The baseline decodes, resizes and augments with PIL in torchvision's own classes; the store has decoded
and resized before, which is timed apart. Then: what one store costs two processes that both read all of it.
Linux only.

--augment-on: batches of a fold run's loader, on the GPU if there is one; "device" from each place where
images may lie, as a ratio to the first one given. All take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from orchestrator.core.dataset import Dataset
from orchestrator.demo.drawing.face import paint
from orchestrator.demo.drawing.people import draw_people, draw_photo
from trainables.device import to_tensor
from trainables.feed.fold_loader import FoldLoader
from trainables.feed.placement import PLACES
from trainables.images.augment import Augmenter
from trainables.images.image_store import build_store, open_store
from trainables.network.torchvision_ops import timm
from trainables.parameters import AUGMENT_ON, completed
from trainables.prefetch import in_order, slices

SIZE, BATCH, HEIGHT, WIDTH = 224, 64, 384, 512
AUGMENT = "flip(0.5) + affine(15, 0.0625, 0) + color(0.2, 0.2, 0.2)"
READER = """
import sys
import numpy as np
images = np.load(sys.argv[1], mmap_mode="r")
print(int(images.sum(dtype=np.int64)), flush=True)
sys.stdin.read()
"""


def draw_images(root: Path, count: int, seed: int) -> None:
    """A folder per class, as ImageFolder wants it."""
    rng = np.random.default_rng(seed)
    for number, person in enumerate(draw_people(count, 8, rng)):
        face = cv2.resize(paint(person, draw_photo("none", rng), 96), (WIDTH, HEIGHT))
        noisy = np.clip(face + rng.normal(0, 6, face.shape), 0, 255).astype(np.uint8)
        folder = root / f"class{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{number:05d}.jpg"), noisy, [cv2.IMWRITE_JPEG_QUALITY, 90])


def dataset_of(root: Path) -> Dataset:
    paths = tuple(sorted(path.relative_to(root).as_posix() for path in root.glob("class*/*.jpg")))
    return Dataset(
        root=str(root),
        paths=paths,
        labels=np.array([int(path[5]) for path in paths]),
        folds=np.array([number % 4 == 0 for number in range(len(paths))], np.int16),
        classes=("0", "1", "2"),
        metric="macro_f1",
        mode="max",
        fingerprint="benchmark",
        cache_dir=str(root.parent / "cache"),
    )


def from_files(root: Path, cores: int) -> float:
    """Images per second of torchvision's ImageFolder and torch's DataLoader, its workers once started."""
    from torchvision import datasets, transforms

    steps = [
        transforms.Resize(256),
        transforms.RandomCrop(SIZE),
        transforms.RandomHorizontalFlip(),
        transforms.RandomRotation(15, transforms.InterpolationMode.BILINEAR),
        transforms.ColorJitter(0.2, 0.2, 0.2),
        transforms.PILToTensor(),
    ]
    folder = datasets.ImageFolder(str(root), transforms.Compose(steps))
    workers = cores if cores > 1 else 0
    loader = torch.utils.data.DataLoader(
        folder, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    if workers:
        count(loader)
    return per_second(lambda: count(loader))


def count(batches: Iterable[Any]) -> int:
    return sum(len(images) for images, _ in batches)


def from_store(dataset: Dataset, cores: int, passes: int) -> float:
    """Images per second of some passes over the store, made by as many threads as cores."""
    images, augment = open_store(dataset, SIZE), Augmenter(AUGMENT)
    order = np.concatenate(
        [np.random.default_rng(number).permutation(len(dataset.paths)) for number in range(passes)]
    )
    parts = slices(len(order), BATCH)

    def make(step: int) -> tuple[torch.Tensor, int]:
        batch = augment(images[order[parts[step]]], np.random.default_rng([1, step]))
        return to_tensor(batch, torch.device("cpu")), step

    with ThreadPoolExecutor(cores) as threads:
        pool = threads if cores > 1 else None
        return per_second(lambda: count(in_order(make, len(parts), pool, 2 * cores)))


def ways_to_feed(augment_on: Sequence[str]) -> list[tuple[str, str | None]]:
    """(augment_on, place) of each way; a place counts only where images cross as they are stored."""
    return [(value, place) for value in augment_on for place in (PLACES if value == "device" else (None,))]


def feed_rates(
    dataset: Dataset,
    device: torch.device,
    cores: int,
    ways: Sequence[tuple[str, str | None]],
    rounds: int,
    passes: int,
    batch: int = BATCH,
    augment: str = AUGMENT,
) -> dict[tuple[str, str | None], float]:
    """Training images per second of a fold run's loader alone; medians of rounds in which ways take turns."""
    found: dict[tuple[str, str | None], list[float]] = {way: [] for way in ways}
    with ThreadPoolExecutor(cores) as threads:
        pool = threads if cores > 1 or device.type == "cuda" else None
        loaders = {}
        for augment_on, place in ways:
            config = {"image_size": SIZE, "augment": augment, "batch_size": batch, "augment_on": augment_on}
            loaders[augment_on, place] = FoldLoader(
                dataset, 1, completed(config), 0, device, pool, 2 * cores, place=place
            )
        for number in range(rounds + 1):
            for way, loader in loaders.items():
                rate = per_second(lambda loader=loader: _consume(loader, device, passes))  # type: ignore[misc]
                if number:  # the first round warms up
                    found[way].append(rate)
        for loader in loaders.values():
            loader.close()
    return {way: median(rates) for way, rates in found.items()}


def _consume(loader: FoldLoader, device: torch.device, passes: int) -> int:
    seen = sum(count(loader.training(epoch)) for epoch in range(passes))
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return seen


def show_feed(
    dataset: Dataset, augment_on: Sequence[str], rounds: int, passes: int, console: Console
) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    cores, ways = len(os.sched_getaffinity(0)), ways_to_feed(augment_on)
    rates = feed_rates(dataset, device, cores, ways, rounds, passes)
    first = rates[ways[0]]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    console.print(f"images per second of the feed alone, {SIZE} px, batches of {BATCH}, on {name}:")
    table = Table()
    for head in ("augment_on", "images lie on", "per second", "ratio"):
        table.add_column(head, justify="right")
    for (value, place), rate in rates.items():
        table.add_row(value, place or "host", f"{rate:.0f}", f"{rate / first:.2f}")
    console.print(table)
    record = {f"{value} {place or 'host'}": round(rate / first, 3) for (value, place), rate in rates.items()}
    print(json.dumps({"device": name, "cores": cores, "first": round(first), "ratio": record}))


def per_second(make: Callable[[], int]) -> float:
    started = time.perf_counter()
    return make() / (time.perf_counter() - started)


def shared_bytes(store: Path, readers: int) -> tuple[int, int]:
    """(sum of proportional sizes, sum of resident sizes) of the store in processes that have all read it."""
    command = [sys.executable, "-c", READER, str(store)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(readers)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()  # it has read everything
        found = [_mapping(process.pid, store) for process in processes]
    finally:
        for process in processes:
            process.communicate()
    return sum(pss for pss, _ in found), sum(rss for _, rss in found)


def _mapping(process: int, store: Path) -> tuple[int, int]:
    """Proportional and resident bytes of the file's mapping; smaps_rollup would add the interpreter's."""
    sizes, inside = {"Pss:": 0, "Rss:": 0}, False
    for line in Path(f"/proc/{process}/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            inside = line.endswith(store.name)
        elif inside and words[0] in sizes:
            sizes[words[0]] += 1024 * int(words[1])
    return sizes["Pss:"], sizes["Rss:"]


def rates(root: Path, dataset: Dataset, rounds: int, passes: int) -> dict[int, tuple[float, float]]:
    """cores -> images per second (baseline, ours); medians of rounds in which the two take turns."""
    every = sorted(os.sched_getaffinity(0))
    found = {}
    for cores in (1, 2):
        if cores > len(every):
            continue
        os.sched_setaffinity(0, every[:cores])
        base, ours = [], []
        for _ in range(rounds):
            base.append(from_files(root, cores))
            ours.append(from_store(dataset, cores, passes))
        found[cores] = (median(base), median(ours))
    os.sched_setaffinity(0, every)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=4, help="over the store in each round")
    parser.add_argument("--augment-on", nargs="+", choices=AUGMENT_ON, help="the feed of a fold run alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    console = Console(highlight=False, soft_wrap=True)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    console.print(f"{machine}, torch {torch.__version__}, timm {timm.__version__}, seed 0")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "photos"
        draw_images(root, options.images, seed=0)
        dataset = dataset_of(root)
        started = time.perf_counter()
        store = build_store(dataset, SIZE)
        built_s = time.perf_counter() - started
        if options.augment_on:
            show_feed(dataset, options.augment_on, options.rounds, options.passes, console)
            return
        found = rates(root, dataset, options.rounds, options.passes)
        one, two = shared_bytes(store, 1), shared_bytes(store, 2)
        store_bytes = store.stat().st_size
    console.print(f"images per second, {options.images} JPEGs of {WIDTH} x {HEIGHT}:")
    table = Table()
    for head in ("cores", "ImageFolder", "store", "ratio"):
        table.add_column(head, justify="right")
    for cores, (base, ours) in found.items():
        table.add_row(str(cores), f"{base:.0f}", f"{ours:.0f}", f"{ours / base:.1f}")
    console.print(table)
    console.print(f"store: {store_bytes / 1e6:.1f} MB, built in {built_s:.2f} s")
    console.print(
        f"memory of the store (PSS): {one[0] / 1e6:.1f} MB in one process, {two[0] / 1e6:.1f} MB in two "
        f"together, which each see {two[1] / 2e6:.1f} MB"
    )
    record = {
        "machine": machine,
        "images": options.images,
        "images_per_second": {
            cores: {"image_folder": round(base), "store": round(ours), "ratio": round(ours / base, 2)}
            for cores, (base, ours) in found.items()
        },
        "store_bytes": store_bytes,
        "store_seconds": round(built_s, 3),
        "pss_bytes": {"one": one[0], "two": two[0]},
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
