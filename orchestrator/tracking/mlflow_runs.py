"""MLflow: a run for the study, and below it a run for each trial. Imports mlflow when a study is opened."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from orchestrator.core.events import EpochEnded, FoldRunKey, State
from orchestrator.tracking.contract import Config, LeaderboardRow, Progress, StudyFacts, TrialEnd, table_of

IDENTITY, TRIAL = "fold_orchestrator.study", "fold_orchestrator.trial"  # tags by which runs are found again
TEXT_LIMIT = 500  # characters of a value; of a parameter, in servers before 2.8
BATCH, PARAMETERS = 1000, 100  # of a call, MLflow's limits
BOARD = "leaderboard.json"
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nobody asked for it
    "MLFLOW_ALLOW_FILE_STORE": "true",  # a folder is what the user named; MLflow 3.7 and later ask first
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # the mirror tries again itself
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


class MlflowRuns:
    """A `StudyTracker`. uri: of a server, a database or a folder; None leaves it to MLFLOW_TRACKING_URI."""

    title: ClassVar[str] = "MLflow"
    arrives_at_once: ClassVar[bool] = True

    def __init__(self, uri: str | None, experiment: str) -> None:
        self._uri, self._experiment_name = uri, experiment
        self._client: Any = None
        self._experiment = ""
        self._study = ""  # its run
        self._identity = ""  # what tells it from others
        self._best = "best"  # name of the metric
        self._runs: dict[int, str] = {}  # trial -> its run
        self._running: set[int] = set()

    def open_study(self, study: StudyFacts) -> None:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(self._uri)
        self._identity, self._best = study.identity, f"best_{study.metric}"
        found = self._client.get_experiment_by_name(self._experiment_name)
        self._experiment = (
            found.experiment_id if found else self._client.create_experiment(self._experiment_name)
        )
        self._find_runs()
        if self._study:
            self._client.update_run(self._study, "RUNNING")
            return
        self._study = self._create(study.name, {}, study.settings)

    def log_epochs(self, key: FoldRunKey, config: Config, epochs: Sequence[EpochEnded], best: float) -> None:
        run = self._run_of(key.trial, config)
        values = [
            (f"{name}/fold{key.fold}", value, epoch.epoch)
            for epoch in epochs
            for name, value in epoch.metrics.items()
        ]
        self._log(run, [*values, (f"{self._best}/fold{key.fold}", best, epochs[-1].epoch)])

    def end_trial(self, end: TrialEnd) -> None:
        status = end.status
        run = self._run_of(status.trial, end.config)
        values = {"score": status.score, "folds_complete": status.folds_complete}
        self._log(run, [(name, value, 0) for name, value in values.items() if value is not None])
        about = {"state": status.state.value, "reason": status.reason, "error": end.error}
        for name, text in about.items():
            if text:
                self._client.set_tag(run, name, text[:TEXT_LIMIT])
        self._client.set_terminated(run, "FAILED" if status.state is State.FAIL else "FINISHED")
        self._running.discard(status.trial)

    def log_progress(self, points: Sequence[Progress]) -> None:
        found = [(name, value, point.ended) for point in points for name, value in point.values.items()]
        self._log(self._study, found)

    def show_leaderboard(self, rows: Sequence[LeaderboardRow]) -> None:
        """As a table in the form of `mlflow.log_table`."""
        columns, data = table_of(rows)
        self._client.log_text(self._study, json.dumps({"columns": columns, "data": data}), BOARD)
        self._client.set_tag(
            self._study, "mlflow.loggedArtifacts", json.dumps([{"path": BOARD, "type": "table"}])
        )

    def show_ensemble(self, name: str, scores: Mapping[str, float]) -> None:
        self._log(self._study, [(f"{name}/{key}", score, 0) for key, score in scores.items()])

    def add_artifact(self, path: Path) -> None:
        self._client.log_artifact(self._study, str(path))

    def close(self) -> None:
        """Trials that have not ended are shown as killed until the study goes on."""
        for trial in sorted(self._running):
            self._client.set_terminated(self._runs[trial], "KILLED")
        self._running.clear()
        self._client.set_terminated(self._study, "FINISHED")

    # ---- inside ----

    def _find_runs(self) -> None:
        for run in self._pages():
            trial = run.data.tags.get(TRIAL)
            if trial is None:
                self._study = run.info.run_id
            else:
                self._runs[int(trial)] = run.info.run_id

    def _pages(self) -> Iterator[Any]:
        wanted, token = f"tags.`{IDENTITY}` = '{_quoted(self._identity)}'", None
        while True:
            page = self._client.search_runs([self._experiment], wanted, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _run_of(self, trial: int, config: Config) -> str:
        if trial not in self._runs:
            about = {TRIAL: str(trial), "mlflow.parentRunId": self._study}
            self._runs[trial] = self._create(f"t{trial:04d}", about, config)
        elif trial not in self._running:
            self._client.update_run(self._runs[trial], "RUNNING")
        self._running.add(trial)
        return self._runs[trial]

    def _create(self, name: str, about: Mapping[str, str], parameters: Config) -> str:
        from mlflow.entities import Param

        tags = {**about, IDENTITY: _quoted(self._identity)}
        run = self._client.create_run(self._experiment, run_name=name, tags=tags)
        given = [Param(_name(key), str(value)[:TEXT_LIMIT]) for key, value in parameters.items()]
        for start in range(0, len(given), PARAMETERS):
            self._client.log_batch(run.info.run_id, params=given[start : start + PARAMETERS])
        return str(run.info.run_id)

    def _log(self, run: str, values: Sequence[tuple[str, float, int]]) -> None:
        """values: name, value and step."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_name(name), value, now, step) for name, value, step in values]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(run, metrics=metrics[start : start + BATCH])


def _name(text: str) -> str:
    """What MLflow allows in a name."""
    return re.sub(r"[^\w\-./ ]", "_", text)


def _quoted(text: str) -> str:
    """As it may stand between quotes of a filter."""
    return re.sub(r"['\"\\]", "_", text)
