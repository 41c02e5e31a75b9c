"""Reports a second before a part of the driver is the limit, part by part.

    python -m benchmarks.driver_rate                  # everything, some minutes
    python -m benchmarks.driver_rate --parts race journal driver sampler

A report is an epoch that ended. What a cluster needs: fold runs at once / seconds an epoch takes; 1,000 GPUs
at 30 s an epoch make 33 reports a second. Everything runs in one process; only `tune` starts a Ray.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.driver_parts import drive
from benchmarks.synthetic_study import Size, make_study
from orchestrator.core.events import Action, Decided, EpochEnded, LegStarted, Proposed, RaceEvent
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate import simulate
from orchestrator.race.simulate.simulator import Simulation
from orchestrator.sampling import make_sampler

PARTS = ("race", "journal", "driver", "sampler", "tune")
MEMORY = Path("/dev/shm")
JOURNAL_REPORTS = 2000


# ---- the race alone ----


def simulated(size: Size) -> Simulation:
    race = make_race("fold_asha", RaceConfig(trials=size.trials, folds=size.folds, max_t=size.epochs))
    return simulate(race, size.scores(), size.slots)


def reports_of(events: Sequence[RaceEvent]) -> int:
    return sum(isinstance(event, EpochEnded) for event in events)


def race_rate(size: Size, log: Simulation) -> float:
    """Reports a second through `apply`, leg starts included."""
    race = make_race("fold_asha", RaceConfig(trials=size.trials, folds=size.folds, max_t=size.epochs))
    started = time.perf_counter()
    for event in log.events:
        race.apply(event)
    return reports_of(log.events) / (time.perf_counter() - started)


# ---- race and journal ----


def journal_rate(folder: Path, size: Size, log: Simulation, sync: bool) -> tuple[float, float]:
    """Reports a second and bytes a report, what goes with it (legs, decisions, proposals) included."""
    study, _ = make_study(folder, size)
    begun = study.files.journal.stat().st_size
    race = make_race("fold_asha", RaceConfig(trials=size.trials, folds=size.folds, max_t=size.epochs))
    sampler = make_sampler("random", study.space, 0)
    proposed: set[int] = set()
    reports, started = 0, time.perf_counter()
    with contextlib.nullcontext() if sync else patch("os.fsync"):
        for event in log.events:
            if isinstance(event, LegStarted) and event.trial not in proposed:
                proposed.add(event.trial)
                study.append(Proposed(event.trial, sampler.propose(event.trial)))
            decisions = [item for item in race.apply(event) if item.action is not Action.CONTINUE or item.leg]
            decided = [Decided(item.action.value, item.trial, item.reason, item.fold) for item in decisions]
            study.append(event, *decided)
            reports += isinstance(event, EpochEnded)
            if reports == JOURNAL_REPORTS:
                break
    seconds = time.perf_counter() - started
    size_bytes = study.files.journal.stat().st_size - begun
    study.close()
    return reports / seconds, size_bytes / reports


# ---- proposals ----


def proposal_ms(observed: int) -> float:
    """Milliseconds of a TPE proposal that knows so many trials."""
    with tempfile.TemporaryDirectory() as name:
        study, _ = make_study(Path(name), Size(64, 5, 18, 8))
        study.close()
        sampler, drawn = make_sampler("tpe", study.space, 0), make_sampler("random", study.space, 0)
        scores = np.random.default_rng(0).random(observed)
        for trial in range(observed):
            leg = LegStarted(trial, 0, 0, 1)
            for event in (Proposed(trial, drawn.propose(trial)), leg):
                sampler.observe(event)
            sampler.observe(EpochEnded(trial, 0, 1, float(scores[trial])))
        started = time.perf_counter()
        for number in range(3):
            sampler.propose(observed + number)
        return 1e3 * (time.perf_counter() - started) / 3


# ---- printed ----


@contextlib.contextmanager
def scratch(where: Path | None = None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=where) as name:
        yield Path(name)


def print_race(sizes: Sequence[Size]) -> None:
    print("race alone")
    for size in sizes:
        rate = race_rate(size, simulated(size))
        print(f"  {size}: {rate:7.0f} reports/s", flush=True)


def print_journal(size: Size) -> None:
    print(f"race and journal, {size}")
    log = simulated(size)
    disks = [("this disk", None, True), ("no fsync", None, False)]
    disks += [("tmpfs", MEMORY, True)] if MEMORY.is_dir() else []
    for title, where, sync in disks:
        with scratch(where) as folder:
            rate, size_bytes = journal_rate(folder, size, log, sync)
        print(f"  {title:10} {rate:7.0f} reports/s, {size_bytes:5.0f} bytes a report", flush=True)


def print_driver(sizes: Sequence[Size]) -> None:
    print("the whole driver, microseconds a report")
    for size in sizes:
        for terminal in (False, True):
            with scratch() as folder:
                found = drive(folder, size, sync=True, terminal=terminal)
            ends = {name: found.pop(name) for name in ("rate", "first", "last", "close", "events", "open")}
            parts = ", ".join(
                f"{name} {value:.0f}" for name, value in sorted(found.items(), key=lambda x: -x[1])
            )
            print(f"  {size}, {'terminal' if terminal else 'lines'}")
            print(
                f"   {ends['rate']:.0f} reports/s (quarters: {ends['first']:.0f} to {ends['last']:.0f})"
                f", exports {ends['close']:.1f} s; reading {ends['events']:.0f} events {ends['open']:.1f} s"
            )
            print(f"    {parts}", flush=True)


def print_sampler() -> None:
    print("TPE, milliseconds a proposal")
    for observed in (100, 300, 1000, 3000):
        print(f"  {observed:5} trials observed: {proposal_ms(observed):6.1f}", flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args(argv)
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}")
    sizes = [Size(200, 5, 18, 64), Size(2000, 5, 18, 1000), Size(10_000, 5, 18, 1000)]
    if "race" in options.parts:
        print_race(sizes)
    if "journal" in options.parts:
        print_journal(sizes[1])
    if "driver" in options.parts:
        print_driver(sizes)
    if "sampler" in options.parts:
        print_sampler()
    if "tune" in options.parts:
        from benchmarks import tune_rate  # ray takes a second to import

        tune_rate.report(tune_rate.SLOTS, actors=8, nodes=4)


if __name__ == "__main__":
    main()
