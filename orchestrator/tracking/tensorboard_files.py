"""TensorBoard's event files: a run for each fold run, grouped by trial for HParams, and one for the study.

Records are written with TensorBoard's own classes, without its writers, which keep a thread and a file open
for each run: a study has thousands.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from orchestrator.core.events import EpochEnded, FoldRunKey, State
from orchestrator.tracking.contract import (
    ENDED,
    Config,
    LeaderboardRow,
    Progress,
    StudyFacts,
    TrialEnd,
    scalar_of,
    table_of,
)

STUDY = "study"  # the run of the study itself


class TensorBoardFiles:
    """A `StudyTracker`. `folder`: a folder of this study alone.

    A run's file is opened for each call and closed after it; a process writes files of its own, so that a
    record that another one left half written ends that one's file only.
    """

    title: ClassVar[str] = "TensorBoard"
    arrives_at_once: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = f"events.out.tfevents.{int(time.time()):010d}.{os.getpid()}"
        self._best = "best"
        self._begun: set[str] = set()  # runs that this process gave steps

    def open_study(self, study: StudyFacts) -> None:
        from tensorboard.plugins.hparams import summary_v2

        self._best = f"best_{study.metric}"
        parameters = [summary_v2.HParam(name) for name in study.parameters]
        metrics = [summary_v2.Metric(self._best, display_name=f"{self._best} (mean over folds)")]
        config = summary_v2.hparams_config_pb(parameters, metrics, time_created_secs=study.started)
        self._write(STUDY, [(0, config)])

    def log_epochs(self, key: FoldRunKey, config: Config, epochs: Sequence[EpochEnded], best: float) -> None:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        values = {name: str(value) if value is None else scalar_of(value) for name, value in config.items()}
        start = hparams_pb(values, trial_id=f"t{key.trial:04d}", start_time_secs=time.time())
        records = [(0, start)] + [(epoch.epoch, _scalars(epoch.metrics)) for epoch in epochs]
        self._write(_run_of(key), [*records, (epochs[-1].epoch, _scalars({self._best: best}))])

    def end_trial(self, end: TrialEnd) -> None:
        for key in end.folds:
            self._write(_run_of(key), [(0, _session_end(end.status.state is State.FAIL))])

    def log_progress(self, points: Sequence[Progress]) -> None:
        self._write(STUDY, [(point.ended, _scalars(point.values)) for point in points])

    def show_leaderboard(self, rows: Sequence[LeaderboardRow]) -> None:
        ended = sum(row.status.state in ENDED for row in rows)
        self._write(STUDY, [(ended, _text("leaderboard", _markdown(rows)))])

    def show_ensemble(self, name: str, scores: Mapping[str, float]) -> None:
        self._write(STUDY, [(0, _scalars({f"{name}/{key}": score for key, score in scores.items()}))])

    def add_artifact(self, path: Path) -> None:
        """TensorBoard shows no files."""

    def close(self) -> None:
        """No file is open."""

    def _write(self, run: str, records: Sequence[tuple[int, Any]]) -> None:
        """records: step and Summary. Raises OSError."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder = self._folder / run
        folder.mkdir(parents=True, exist_ok=True)
        path, now = folder / self._file, time.time()
        events = [Event(wall_time=now, step=step, summary=summary) for step, summary in records]
        if not path.exists():
            events.insert(0, Event(wall_time=now, file_version="brain.Event:2"))
        first = min((event.step for event in events if event.step), default=0)
        if first and run not in self._begun:  # steps of a process that was killed are shown once
            self._begun.add(run)
            start = SessionLog(status=SessionLog.START)
            events.insert(len(events) - len(records), Event(wall_time=now, step=first, session_log=start))
        with path.open("ab") as file:
            writer = RecordWriter(file)
            for event in events:
                writer.write(event.SerializeToString())


def _run_of(key: FoldRunKey) -> str:
    return f"t{key.trial:04d}/fold{key.fold}"


def _scalars(values: Mapping[str, float]) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])


def _text(tag: str, text: str) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.metadata import create_summary_metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    about = create_summary_metadata(tag, "")
    return Summary(value=[Summary.Value(tag=tag, metadata=about, tensor=make_tensor_proto(text.encode()))])


def _session_end(failed: bool) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
    end = SessionEndInfo(status=status, end_time_secs=time.time())
    about = metadata.create_summary_metadata(HParamsPluginData(session_end_info=end))
    return Summary(value=[Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about)])


def _markdown(rows: Sequence[LeaderboardRow]) -> str:
    columns, data = table_of(rows)
    lines = [columns, ["---"] * len(columns), *([_cell(value) for value in line] for line in data)]
    return "\n".join(f"| {' | '.join(map(_safe, line))} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
