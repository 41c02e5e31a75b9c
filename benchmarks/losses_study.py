"""The study that `benchmarks.losses` disturbs, and what is asked of it when it has ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestrator.core.errors import OrchestratorError
from orchestrator.study.study import Study
from orchestrator.testing.toy import COLOURS, toy_dataset
from tests.support.helpers import check_consistent, curves, events

ROOT = Path(__file__).parents[1]
FOLDS, MAX_T, TRIALS = 3, 24, 12
SPACE = f'''"""Which of three colours an image has: epochs of a twentieth of a second."""
from orchestrator.space import SearchSpace, categorical, loguniform

space = SearchSpace(
    trainable="tests.pixel_trainable:PixelTrainable",
    target=categorical("colour", {list(COLOURS)}),
    params={{"lr": loguniform(1e-3, 2.0), "epoch_seconds": 0.05}},
    folds={FOLDS}, trials={TRIALS}, max_t={MAX_T}, grace_period=1, finalists=3,
)
'''


@dataclass(frozen=True)
class World:
    """Data, space and undisturbed studies in `folder`, made when they are first asked for."""

    folder: Path

    @cached_property
    def data(self) -> Path:
        path = self.folder / "images" / "rows.csv"
        if not path.exists():
            made = toy_dataset(path.parent)
            columns = zip(made.paths, made.columns["group"], made.columns["colour"], strict=True)
            path.write_text("\n".join(["path,group,colour", *map(",".join, columns)]) + "\n")
        return path

    @cached_property
    def space(self) -> Path:
        path = self.folder / "colours.py"
        path.write_text(SPACE)
        return path

    def command(self, runs: Path, name: str) -> list[str]:
        """What begins the study, or goes on with it where it has a journal."""
        study = ["--runs", str(runs), "--study", name]
        own = (
            ["--resume"]
            if whole_lines(runs / name)
            else ["--space", str(self.space), "--data", str(self.data)]
        )
        return [sys.executable, "-m", "orchestrator.tune", *own, *study]

    @cached_property
    def undisturbed(self) -> list[Any]:
        """The leaderboard of the same study on Ray when nothing is lost."""
        return leaderboard(self._made("undisturbed"))

    @cached_property
    def every_curve(self) -> Mapping[Any, Mapping[int, float]]:
        """Scores of every trial, fold and epoch."""
        words = ["--inline", "--rule", "exhaustive", "--set", "epoch_seconds=0.0"]
        return curves(self._made("exhaustive", *words))

    def _made(self, name: str, *words: str) -> Path:
        runs = self.folder / "whole"
        if not (runs / name / "trials.parquet").exists():  # written when a study has ended
            command = [*self.command(runs, name), *words]
            subprocess.run(command, cwd=ROOT, env=environment(), check=True, stdout=subprocess.DEVNULL)
        return runs / name

    def faults(self, study: Path, seen: bytes) -> list[str]:
        """What is wrong with a study that has ended. seen: whole lines of its journal at its last loss."""
        found = []
        if not (study / "journal.jsonl").read_bytes().startswith(seen):
            found.append("lines that were in the journal are gone")
        try:
            check_consistent(study, FOLDS, MAX_T)
            own = curves(study)
        except (AssertionError, KeyError, OrchestratorError) as error:
            return [*found, f"the journal is inconsistent: {error}"]
        ran = Counter(
            (event["trial"], event["fold"], event["epoch"]) for event in events(study, "epoch_ended")
        )
        found += [f"epoch {item} is in the journal {times} times" for item, times in ran.items() if times > 1]
        whole = self.every_curve
        found += [f"{key} has other scores" for key in own if not own[key].items() <= whole[key].items()]
        if leaderboard(study) != self.undisturbed:
            found.append(f"the leaderboard is {leaderboard(study)}, undisturbed {self.undisturbed}")
        return found


def leaderboard(study: Path) -> list[Any]:
    """Complete trials, best first: number, score, and of each fold the epoch that is kept and its score."""
    return [
        [trial.number, trial.score, [[best.fold, best.epoch, best.score] for best in trial.bests]]
        for trial in Study(study).complete_trials()
    ]


def whole_lines(study: Path) -> bytes:
    """Of its journal, as far as it is written; empty where there is none."""
    path = study / "journal.jsonl"
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1]


def epochs(study: Path, kind: str = "epoch_ended") -> list[Mapping[str, Any]]:
    """Events of one kind in the journal of a study that runs."""
    found = (json.loads(line) for line in whole_lines(study).splitlines())
    return [event for event in found if event["event"] == kind]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"}
