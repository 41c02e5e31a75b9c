"""All that is measured about the speed of training: one command, one page of numbers.

    python -m benchmarks.train            # half an hour on two idle cores
    python -m benchmarks.train --quick    # the smallest case of each

Where a fold run's seconds go, CPU settings, writing checkpoints, the orchestrator's own time, the input
pipeline and, where there is one, the GPU. Results and how they were got: docs/benchmarks/training.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks import checkpoints, cpu_settings, gpu, overhead, slow_store, step_profile


def heading(text: str) -> None:
    print(f"\n== {text}", flush=True)


def command(module: str, *arguments: str) -> None:
    """A benchmark that has settings of its own for a process."""
    subprocess.run([sys.executable, "-m", f"benchmarks.{module}", *arguments], check=True)


def main(quick: bool = False) -> None:
    heading("where a fold run's seconds go")
    step_profile.main(("test_resnet",) if quick else tuple(step_profile.CASES), (1,) if quick else (1, 2))
    heading("CPU settings")
    cpu_settings.main(("resnet18",) if quick else cpu_settings.NETWORKS, rounds=1 if quick else 3)
    heading("writing checkpoints")
    checkpoints.main(rounds=3 if quick else 15)
    slow_store.main()
    heading("a study's wall time beside its fold runs'")
    overhead.main()
    command("legs", *(("--legs", "100", "--rounds", "1") if quick else ()))
    heading("the input pipeline")
    command("input_pipeline", *(("--images", "64", "--rounds", "1") if quick else ()))
    heading("on a GPU")
    gpu.main()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the smallest case of each")
    main(parser.parse_args().quick)
