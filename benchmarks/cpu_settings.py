"""Training images per second of a network on a CPU under one setting and another, in turn.

    python -m benchmarks.cpu_settings --networks resnet18 --rounds 3

From memory, without a loader: forward, loss, backward, AdamW. Settings: torch's threads, channels-last
memory and glibc's malloc thresholds (orchestrator/execution/cluster.py sets those for Ray's workers; a
process reads them once, so each setting has processes of its own). Every round runs all of them; the median
of the rounds' ratios to the product's settings on one CPU is printed. --cpu-time: images per second of the
process's processor time, for a machine that others use; it says nothing about threads.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

NETWORKS = ("resnet18", "efficientnet_b0", "tf_efficientnet_lite0")
SIZE, BATCH = 224, 16
BIG = {"MALLOC_MMAP_THRESHOLD_": "4294967296", "MALLOC_TRIM_THRESHOLD_": "4294967296"}
SETTINGS: Mapping[str, tuple[int, bool, Mapping[str, str]]] = {
    "as a Ray worker (1 thread)": (1, True, BIG),
    "malloc as it is, as with --inline": (1, True, {}),
    "contiguous memory": (1, False, BIG),
    "2 threads": (2, True, BIG),
}


def images_per_second(
    name: str, threads: int, channels_last: bool, steps: int, clock: Callable[[], float]
) -> float:
    """Of one network in this process, after one step to warm up."""
    import torch

    from trainables.network.torchvision_ops import timm

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    network = timm.create_model(name, num_classes=18).to(memory_format=layout)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    images = torch.randn(BATCH, 3, SIZE, SIZE).to(memory_format=layout)
    labels = torch.randint(0, 18, (BATCH,))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    step()
    started = clock()
    for _ in range(steps):
        step()
    return steps * BATCH / (clock() - started)


def apart(name: str, setting: str, steps: int, more: Sequence[str]) -> float:
    threads, channels_last, variables = SETTINGS[setting]
    clean = {key: value for key, value in os.environ.items() if key not in BIG}
    layout = "last" if channels_last else "first"
    command = [
        sys.executable,
        "-m",
        "benchmarks.cpu_settings",
        "--one",
        name,
        str(threads),
        layout,
        "--steps",
        str(steps),
    ]
    environment = {**clean, **variables, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    return float(done.stdout)


def main(
    networks: Sequence[str] = NETWORKS, rounds: int = 3, steps: int = 3, more: Sequence[str] = ()
) -> None:
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, seed 0")
    print(f"training from memory, {SIZE} px, batch {BATCH}, {steps} steps a round, {rounds} rounds")
    base, *others = SETTINGS
    for name in networks:
        rates = {setting: [] for setting in SETTINGS}  # type: dict[str, list[float]]
        for _ in range(rounds):
            for setting in SETTINGS:
                rates[setting].append(apart(name, setting, steps, more))
        print(f"{name}: {base} {statistics.median(rates[base]):.1f} images/s", flush=True)
        for setting in others:
            ratios = [new / old for new, old in zip(rates[setting], rates[base], strict=True)]
            low, high = min(ratios), max(ratios)
            print(f"  {setting:36}{statistics.median(ratios):6.2f}x  ({low:.2f} to {high:.2f})", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--one", nargs=3, metavar=("NETWORK", "THREADS", "LAYOUT"), help="in this process")
    parser.add_argument("--cpu-time", action="store_true", help="processor time instead of the wall's")
    options = parser.parse_args()
    if options.one:
        network, threads, layout = options.one
        clock = time.process_time if options.cpu_time else time.perf_counter
        print(images_per_second(network, int(threads), layout == "last", options.steps, clock))
    else:
        more = ("--cpu-time",) if options.cpu_time else ()
        main(options.networks, options.rounds, options.steps, more)
