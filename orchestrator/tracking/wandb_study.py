"""The W&B run of a study: best score over time, leaderboard, ensembles and report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from orchestrator.core.events import EpochEnded, FoldRunKey
from orchestrator.tracking.contract import Config, LeaderboardRow, Progress, StudyFacts, TrialEnd, table_of
from orchestrator.tracking.wandb_runs import WandbRuns

STEP = "trials_ended"


class WandbStudy:
    """A `StudyTracker`. Its steps are trials that ended: W&B's own count what was logged."""

    title: ClassVar[str] = "W&B"
    arrives_at_once: ClassVar[bool] = False

    def __init__(self, runs: WandbRuns) -> None:
        self._runs = runs
        self._run: Any = None
        self._known = 0  # trials that had ended when the server heard of it last

    def open_study(self, study: StudyFacts) -> None:
        self._run = self._runs.open_study(study.name, study.settings)
        self._run.define_metric(STEP)
        self._run.define_metric("*", step_metric=STEP)
        self._known = int(self._run.summary.get(STEP) or 0)

    def log_epochs(self, key: FoldRunKey, config: Config, epochs: Sequence[EpochEnded], best: float) -> None:
        """Epochs are those of fold runs, which W&B shows where they have runs of their own."""

    def end_trial(self, end: TrialEnd) -> None:
        """It stands in the leaderboard."""

    def log_progress(self, points: Sequence[Progress]) -> None:
        """Points that the server has are not sent again, though a mirror that was killed noted none."""
        for point in points:
            if point.ended > self._known:
                self._run.log({STEP: point.ended, **point.values})
                self._known = point.ended

    def show_leaderboard(self, rows: Sequence[LeaderboardRow]) -> None:
        import wandb

        columns, data = table_of(rows)
        self._run.log({"leaderboard": wandb.Table(columns=columns, data=data, allow_mixed_types=True)})

    def show_ensemble(self, name: str, scores: Mapping[str, float]) -> None:
        self._run.summary.update({f"{name}/{key}": score for key, score in scores.items()})

    def add_artifact(self, path: Path) -> None:
        import wandb

        artifact = wandb.Artifact(f"{path.stem}-{self._run.id}", type=path.stem)
        artifact.add_file(str(path), name=path.name, skip_cache=True)
        self._run.log_artifact(artifact)

    def close(self) -> None:
        self._run.finish(exit_code=0)
