"""This tool against what people would use instead, end to end: held-out score against minutes, two cores.

    python -m benchmarks.peers --data fashion --minutes 5 --seeds 5   # 5 x 5 x 5 minutes, then scoring
    python -m benchmarks.peers --data faces --minutes 10 --seeds 5
    python -m benchmarks.peers --page                                 # docs/benchmarks/peers.md from results

Same trainable, rows, folds, search space, epochs and minutes for a hand-written loop over a grid, stock Ray
Tune ASHA over fold x configuration, Optuna on the fold mean with its pruner, and this tool, told the loop's
grid or not. Methods run in turn, each as a process of its own on both cores; after each mark's minute, what
it could hand in were it stopped then is scored on rows that nothing trained on, off the clock. A run that has
its result is not run again. What each method does and hands in: docs/benchmarks/peers.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers_data import KINDS, PeerData, decode_images, open_data
from benchmarks.peers_page import draw_figure, load_results, page_with
from benchmarks.peers_run import METHODS, OWN, run_method
from benchmarks.peers_score import HeldOut, of_ours, of_peer, spent
from benchmarks.peers_setting import CORES, Setting

PAGE = Path("docs/benchmarks/peers.md")
RAN = "ran.json"


def marks_of(minutes: float, every: float) -> list[float]:
    """every, 2 * every, ... and the end."""
    return sorted({*(round(mark, 6) for mark in np.arange(every, minutes + 1e-9, every)), minutes})


def in_turn(methods: Sequence[str], seed: int) -> list[str]:
    """Each seed begins with another method: what the first one finds cold, it does not always find cold."""
    start = seed % len(methods)
    return [*methods[start:], *methods[:start]]


def run_one(setting: Setting, marks: Sequence[float]) -> None:
    """Runs one method and notes how; what it stored is scored later. One that was run is not run again."""
    if (setting.path / RAN).exists():
        return
    load = os.getloadavg()[0]
    started, ended = run_method(setting, marks)
    ran = {
        "setting": asdict(started), "seconds": ended.seconds, "ended_by_itself": ended.by_itself,
        "load_before": load, "machine": machine(),
    }  # fmt: skip
    (setting.path / RAN).write_text(json.dumps(ran))


def result_of(folder: Path, marks: Sequence[float], data: PeerData, held_out: HeldOut) -> dict[str, Any]:
    """What a run had at each mark, scored, and where its time went."""
    ran = json.loads((folder / RAN).read_text())
    setting = Setting(**ran.pop("setting"))
    scored: dict[str, Any] = {}
    for rule in (setting.method, *(["asha_trial"] if setting.method == "asha" else [])):
        own = rule in OWN
        found = of_ours(setting, marks, held_out) if own else of_peer(setting, rule, marks, held_out)
        scored[rule] = [asdict(item) for item in found]
    about = {name: getattr(setting, name) for name in ("method", "data", "seed", "minutes")}
    return {**about, "handed_in": scored, "spent": asdict(spent(setting, data.space.folds)), **ran}


def machine() -> dict[str, Any]:
    from importlib.metadata import version

    packages = {name: version(name) for name in ("ray", "torch", "optuna", "numpy")}
    return {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(), **packages}


def run_all(options: argparse.Namespace) -> None:
    data = open_data(options.data, options.runs, options.source)
    marks = marks_of(options.minutes, options.every)
    settings = []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        decode_images(data, seed, options.runs)
        for method in in_turn(options.methods, seed):
            name = f"{options.data}-{options.minutes:g}m-s{seed}-{method}"
            folder = str((options.runs / "records" / name).resolve())
            settings.append(
                Setting(method, options.data, seed, options.minutes, str(options.runs.resolve()), folder)
            )
    settings = [setting for setting in settings if not result_file(options.results, setting).exists()]
    for setting in settings:
        run_one(setting, marks)
        print(f"{setting.path.name} ran", flush=True)
    if not options.run_only:
        score_all(settings, options, marks, data)


def score_all(
    settings: Sequence[Setting], options: argparse.Namespace, marks: Sequence[float], data: PeerData
) -> None:
    """Off everybody's clock: nothing that was measured waits for it."""
    held_out = HeldOut(data)
    options.results.mkdir(parents=True, exist_ok=True)
    for setting in settings:
        result = result_of(setting.path, marks, data, held_out)
        result_file(options.results, setting).write_text(json.dumps(result, indent=1) + "\n")
        print(line_of(result), flush=True)
        if not options.keep:
            shutil.rmtree(setting.path)


def result_file(results: Path, setting: Setting) -> Path:
    return results / f"{setting.path.name}.json"


def line_of(result: dict[str, Any]) -> str:
    own = result["spent"]
    scores = " ".join(
        f"{item['minute']:g}m {'-' if item['score'] is None else format(item['score'], '.4f')}"
        for item in result["handed_in"][result["method"]]
    )
    vote = "none" if own["first_vote"] is None else f"{own['first_vote']:.0f} s"
    return (
        f"{result['data']} seed {result['seed']} {METHODS[result['method']]:24} {scores}; start-up "
        f"{own['start_up']:.1f} s, all folds {vote}, idle {100 * own['idle']:.0f}%, {own['epochs']} epochs "
        f"of {own['epoch_seconds']:.2f} s, load before {result['load_before']:.1f}"
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data", choices=list(KINDS), default="fashion")
    add("--source", type=Path, help="the folder of Fashion-MNIST's four .gz files, or of the faces")
    add("--minutes", type=float, default=5)
    add("--every", type=float, default=1, help="minutes between two marks")
    add("--seeds", type=int, default=5)
    add("--first-seed", type=int, default=0)
    add("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    add("--runs", type=Path, default=Path("runs/peers"), help="where data, studies and records lie")
    add("--results", type=Path, default=Path("runs/peers/results"))
    add("--keep", action="store_true", help="keep weights and snapshots of each run")
    add("--run-only", action="store_true", help="run now, score with the same command later")
    add("--page", action="store_true", help="run nothing; write the page and its figure from the results")
    options = parser.parse_args(argv)
    if not options.page:
        print(
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {CORES} slots", flush=True
        )
        run_all(options)
        return
    results = load_results(options.results)
    PAGE.write_text(page_with(PAGE.read_text(), results))
    draw_figure(results, PAGE.with_suffix(".svg"))


if __name__ == "__main__":
    main()
