"""Wall time of a study beside the seconds its fold runs say they took, divided by the slots.

    python -m benchmarks.overhead --rounds 1          # about two minutes a round, nearly all of it waiting

A real search on Ray (manifest, folds, journal, checkpoints, exports) whose fold runs wait 30 s in three
epochs: 2 trials x 3 folds, every one to its end, on two slots. The rule: at most 1.05.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.waiting import EPOCH_S
from orchestrator.demo.faces import make_demo_faces
from orchestrator.tune import Request, run_search

SLOTS, TRIALS, FOLDS, EPOCHS = 2, 2, 3, 3
TITLES = {
    "steps": "first epoch's begin to last report",
    "race": "the same and the start of Ray's workers",
    "wall": "the whole search, Ray's start and end included",
}
SPACE = f'''"""Fold runs that only wait."""
from orchestrator.space import SearchSpace, uniform
from search_spaces.shared.faces import GENDER

space = SearchSpace(
    trainable="benchmarks.waiting:Waiting", target=GENDER, params={{"lr": uniform(0, 1)}},
    folds={FOLDS}, trials={TRIALS}, max_t={EPOCHS},
)
'''


def measure() -> dict[str, float]:
    """Seconds of all of the search (wall), from the first leg's order (race) and from its first epoch (steps)
    to the last report, and the fold runs' own by slot (ideal)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = make_demo_faces(folder / "faces", people=12, eval_people=2, size=32) / "train"
        (folder / "waiting.py").write_text(SPACE)
        request = Request(
            space=str(folder / "waiting.py"),
            data=str(data),
            study="study",
            runs=folder / "runs",
            rule="exhaustive",
            scale="full",
            cpus_per_fold_run=max(1, (os.cpu_count() or 1) // SLOTS),
            gpus_per_fold_run="0",
        )
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            run_search(request, say=lambda text: None)
        wall = time.perf_counter() - started
        return {"wall": wall, **_of_journal(folder / "runs" / "study" / "journal.jsonl")}


def _of_journal(path: Path) -> dict[str, float]:
    lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
    begun = [line["time"] for line in lines if line["event"] == "leg_started"]
    ended = [line for line in lines if line["event"] == "epoch_ended"]
    assert len(ended) == TRIALS * FOLDS * EPOCHS
    return {
        "race": ended[-1]["time"] - begun[0],
        "steps": ended[-1]["time"] - min(line["time"] - line["seconds"] for line in ended),
        "ideal": sum(line["seconds"] for line in ended) / SLOTS,
    }


def main(rounds: int = 1) -> None:
    print(f"{TRIALS * FOLDS} fold runs of {EPOCHS} x {EPOCH_S:.0f} s on {SLOTS} slots, seed 0")
    for _ in range(rounds):
        seconds = measure()
        ideal = seconds["ideal"]
        print(f"  fold runs' seconds / slots: {ideal:.1f}")
        for name, title in TITLES.items():
            print(f"  {title:48}{seconds[name]:8.1f} s  ratio {seconds[name] / ideal:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    main(options.rounds)
