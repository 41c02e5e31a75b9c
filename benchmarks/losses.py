"""Takes processes and the disk from studies on Ray, at random moments, and says what came of them.

    python -m benchmarks.losses --out losses            # 100 drivers, 20 workers, 10 raylets, 5 GCS, 10 disks
    python -m benchmarks.losses --out losses --driver 3 --workers 0 --raylets 0 --gcs 0 --disk 0

    driver   SIGKILL to the command on a Ray that lasts, each time followed by --resume
    workers  SIGKILL to a process that trains; the command goes on
    raylets  SIGKILL to a server's raylet and all it started, and another server joins; the command goes on
    gcs      SIGKILL to the GCS of the command's own Ray, followed by --resume
    disk     a neighbour fills the disk of the study (a tmpfs of its own), which is freed before --resume

A study that ends is compared with one that nothing disturbed, and another begins. Whatever was counted is in
OUT/losses.json: the same command goes on where one was interrupted, or where --seconds were over.
Needs root for the disk; without it that part is left out and said so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.losses_page import page
from benchmarks.losses_record import Part, Record
from benchmarks.losses_study import World, epochs, whole_lines
from benchmarks.losses_ways import (
    TMPFS,
    Moments,
    Running,
    Servers,
    fill_disk,
    kill_driver,
    kill_gcs,
    running,
    two_servers,
)

KINDS = {"driver": 100, "workers": 20, "raylets": 10, "gcs": 5, "disk": 10}
"""Part -> losses by default, in the order in which they run."""
QUICK_GCS = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
"""How long Ray's processes look for a GCS that is gone; 60 s by default."""

Strike = Callable[[Running, np.random.Generator], str]


class Benchmark:
    """One run of the command. seconds: after so many no loss follows and what runs is ended in peace."""

    def __init__(self, out: Path, record: Record, seconds: float, seed: int) -> None:
        self._world, self._record, self._seed = World(out), record, seed
        self._ends = time.monotonic() + seconds

    def _goes_on(self, part: Part) -> bool:
        return part.missing > 0 and time.monotonic() < self._ends

    def _rng(self, part: Part) -> np.random.Generator:
        # Studies count too: one that ends before its moment must not get the same moment for ever.
        at = [len(part.losses), len(part.studies)]
        return np.random.default_rng([self._seed, list(KINDS).index(part.kind), *at])

    def _ended(self, part: Part, study: Path, seen: bytes) -> None:
        faults = self._world.faults(study, seen)
        part.studies.append({"study": study.name, "faults": faults})
        self._record.write()
        if part.kind == "disk" and not faults:
            shutil.rmtree(study)  # the small disk has room for one
        print(
            f"{part.kind}: {study.name} ended after {len(part.losses)} losses: {faults or 'as undisturbed'}"
        )

    def losses_that_end_it(self, part: Part, runs: Path, strike: Strike, *words: str) -> None:
        """Each is followed by --resume. words: more of the command."""
        moments = Moments(once_begun=part.kind == "disk")
        while self._goes_on(part):
            name, seen = part.next_study(), b""
            while not self._run_once(part, runs, name, moments, strike, words):
                lines = whole_lines(runs / name)
                if not lines.startswith(seen):
                    part.studies.append({"study": name, "faults": ["lines of its journal are gone"]})
                seen = lines
            self._ended(part, runs / name, seen)

    def _run_once(
        self, part: Part, runs: Path, name: str, moments: Moments, strike: Strike, words: Sequence[str]
    ) -> bool:
        """Whether the study came to its end."""
        with running(self._world, runs, name, *words) as command:
            rng = self._rng(part)
            if not self._goes_on(part) or not moments.wait(command, rng):
                return self._end_of(command)
            told = strike(command, rng)
            if told:
                part.losses.append({"study": name, "epochs": len(epochs(command.study)), "told": told})
                self._record.write()
            return command.process.returncode == 0

    def _end_of(self, command: Running) -> bool:
        code = command.ended()
        if code:
            raise SystemExit(f"{command.study} ended with exit code {code}: {command.last_words()}")
        return True

    def losses_it_outlives(self, part: Part, runs: Path, strike: str) -> None:
        """Between two of them at least four epochs end, so that no fold run is hit twice in a row by one."""
        while self._goes_on(part):
            name = part.next_study()
            with two_servers() as servers:
                address = ["--address", servers.ray.address]
                with running(self._world, runs, name, *address) as command:
                    self._strike_while_it_runs(part, command, servers, strike)
                    self._end_of(command)
            self._ended(part, runs / name, b"")

    def _strike_while_it_runs(self, part: Part, command: Running, servers: Servers, strike: str) -> None:
        while self._goes_on(part):
            rng = self._rng(part)
            if not self._reaches(command, "epoch_ended", int(rng.integers(6, 30))):
                return
            at, failed = len(epochs(command.study)), len(epochs(command.study, "leg_failed"))
            if not getattr(servers, strike)(rng):
                continue
            if not self._reaches(command, "leg_failed", 1, failed):
                return
            told = epochs(command.study, "leg_failed")[-1]["failure"]
            part.losses.append({"study": command.study.name, "epochs": at, "told": told})
            self._record.write()

    @staticmethod
    def _reaches(command: Running, kind: str, more: int, before: int | None = None) -> bool:
        """Whether so many events of a kind came after those of now, or after `before`, until it ended."""
        least = more + (len(epochs(command.study, kind)) if before is None else before)
        return command.wait_for(lambda: len(epochs(command.study, kind)) >= least)


def run_parts(options: argparse.Namespace, record: Record) -> None:
    benchmark = Benchmark(options.out, record, options.seconds, options.seed)
    for kind in KINDS:
        part = record.part(kind, getattr(options, kind))
        runs = options.out / "disk" if kind == "disk" else options.out / "runs"
        if kind == "driver" and part.missing > 0:
            with two_servers() as servers:  # a Ray that lasts: most of a start is that of Ray
                address = servers.ray.address
                benchmark.losses_that_end_it(part, runs, kill_driver, "--address", address)
        elif kind == "gcs":
            with patch.dict(os.environ, QUICK_GCS):
                benchmark.losses_that_end_it(part, runs, kill_gcs)
        elif kind == "disk" and part.missing:
            run_on_small_disk(options, benchmark, part, runs)
        elif kind in ("workers", "raylets"):
            benchmark.losses_it_outlives(part, runs, f"kill_{kind.removesuffix('s')}")


def run_on_small_disk(options: argparse.Namespace, benchmark: Benchmark, part: Part, runs: Path) -> None:
    """In a mount namespace of its own, where nobody else sees the small disk; it goes with the process."""
    if os.geteuid() != 0:
        print("disk: left out, because a small disk of one's own needs root")
    elif not options.in_namespace:
        words = [sys.executable, "-m", "benchmarks.losses", *sys.argv[1:], "--in-namespace"]
        subprocess.run(["unshare", "--mount", "--propagation", "private", *words], check=True)
    else:
        runs.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={TMPFS}", "tmpfs", str(runs)], check=True)
        benchmark.losses_that_end_it(part, runs, fill_disk)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--out", type=Path, required=True, help="a folder; the figures are in its losses.json"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="begin no further loss after them"
    )
    for kind, number in KINDS.items():
        parser.add_argument(f"--{kind}", type=int, default=number)
    parser.add_argument("--in-namespace", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.out = options.out.resolve()
    options.out.mkdir(parents=True, exist_ok=True)
    record = Record.load(options.out / "losses.json", options.seed)
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as scratch:
        own = {"RAY_TMPDIR": scratch, "XDG_STATE_HOME": str(options.out / "state")}
        with patch.dict(os.environ, own):
            run_parts(options, record)
    record = Record.load(options.out / "losses.json", options.seed)
    if not options.in_namespace:
        print(page(record.to_json()))
    return 1 if record.faults else 0


if __name__ == "__main__":
    sys.exit(main())
