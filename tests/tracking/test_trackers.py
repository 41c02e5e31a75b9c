"""What real TensorBoard, MLflow and W&B hold of a study, read back with their own readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.events import Decided, FoldRunKey, LegFailed, LegStarted, Proposed
from orchestrator.tracking.contract import StudyTracker
from orchestrator.tracking.mlflow_runs import MlflowRuns
from orchestrator.tracking.position import Position
from orchestrator.tracking.results import Results
from orchestrator.tracking.study_mirror import StudyMirror
from orchestrator.tracking.tensorboard_files import STUDY, TensorBoardFiles
from orchestrator.tracking.wandb_runs import WandbRuns, run_id
from orchestrator.tracking.wandb_study import WandbStudy
from tests.support.trackers import GrowingJournal, write_ensemble
from tests.tracking.test_tracking import written

SCORES = {"naive": 0.6, "naive_low": 0.5, "naive_high": 0.7, "bbc": 0.55}


def told(text: str) -> None:
    pytest.fail(text)  # only failures are said


def mirror_of(journal: GrowingJournal, study: Path, tracker: StudyTracker) -> StudyMirror:
    position = Position(study, "", tracker.title)
    return StudyMirror(journal.state, 1.5, Results(study), tracker, position, told)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Its ensemble and its report; the journal is a `GrowingJournal`."""
    folder = tmp_path / "age"
    folder.mkdir()
    write_ensemble(folder / "votes", 0.6)
    (folder / "report.html").write_text("<p>what came of it</p>")
    return folder


@pytest.fixture
def journal() -> GrowingJournal:
    """Trials 0 and 1 complete, the second is better; trial 2 failed in its second epoch; 3 goes on."""
    made = GrowingJournal()
    made.complete(0, 0.5, optimizer="sgd", mix=None)
    made.complete(1, 0.7, optimizer="a|b", mix=[1, 2])
    made.add(Proposed(2, {"lr": 0.2, "optimizer": "sgd", "mix": True}))
    made.fold_run(2, 0, 0.3)
    made.add(LegStarted(2, 0, 1, 2), LegFailed(2, 0, 1, "exception", "ValueError: x"))
    made.add(Decided("FAIL", 2, "exception", 0), Proposed(3, {"lr": 0.3}))
    made.fold_run(3, 1, 0.2)
    return made


# ---- TensorBoard ----------------------------------------------------------------------------------


def events_in(folder: Path) -> Any:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = accumulator.EventAccumulator(str(folder), {"tensors": 0, "scalars": 0})
    return found.Reload()


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(item.step, pytest.approx(item.value)) for item in events_in(folder).Scalars(tag)]


def test_tensorboard_has_a_run_for_each_fold_run_and_one_for_the_study(
    study: Path, journal: GrowingJournal
) -> None:
    folder = study / "tensorboard"
    mirror = mirror_of(journal, study, TensorBoardFiles(folder))
    mirror.catch_up()
    mirror.close()
    assert not mirror.pending()
    assert sorted(str(path.parent.relative_to(folder)) for path in folder.rglob("*tfevents*")) == [
        "study", "t0000/fold0", "t0000/fold1", "t0001/fold0", "t0001/fold1", "t0002/fold0", "t0003/fold1",
    ]  # fmt: skip
    assert scalars(folder / "t0001/fold1", "macro_f1") == [(1, 0.6), (2, 0.7)]
    assert scalars(folder / "t0001/fold1", "loss") == [(1, 1.0), (2, 0.5)]
    assert scalars(folder / "t0001/fold1", "best_macro_f1") == [(2, 0.7)]
    assert scalars(folder / STUDY, "best_score") == [(1, 0.5), (2, 0.7), (3, 0.7)]
    assert scalars(folder / STUDY, "fold_epochs") == [(1, 4), (2, 8), (3, 9)]
    assert {name: scalars(folder / STUDY, f"votes/{name}") for name in SCORES} == {
        name: [(0, value)] for name, value in SCORES.items()
    }
    (board,) = events_in(folder / STUDY).Tensors("leaderboard")
    lines = board.tensor_proto.string_val[0].decode().splitlines()
    assert lines[0].startswith("| rank | trial | state | score |")
    assert lines[2].startswith("| 1 | 1 | COMPLETE | 0.7 |")
    assert "a\\|b" in lines[2], "a bar from a value would be a column"
    assert len(lines) == 2 + 4


def test_tensorboards_hparams_reads_trials_as_groups_of_their_fold_runs(
    study: Path, journal: GrowingJournal
) -> None:
    """Through the plugin's own reader, as TensorBoard's HParams page asks it."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    mirror_of(journal, study, TensorBoardFiles(study / "tensorboard")).catch_up()
    events = plugin_event_multiplexer.EventMultiplexer()
    events.AddRunsFromDirectory(str(study / "tensorboard"))
    events.Reload()
    provider = data_provider.MultiplexerDataProvider(events, str(study))
    context = backend_context.Context(TBContext(data_provider=provider))
    asked = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=api_pb2.Status.values(),
        start_index=0,
        slice_size=10,
        aggregation_type=api_pb2.AGGREGATION_AVG,
    )
    handler = list_session_groups.Handler(RequestContext(), context, "x", asked)
    groups = {group.name: group for group in handler.run().session_groups}
    assert set(groups) == {"t0000", "t0001", "t0002", "t0003"}
    best = groups["t0001"]
    assert best.hparams["lr"].number_value == 0.1
    assert best.hparams["optimizer"].string_value == "a|b"
    assert best.hparams["mix"].string_value == "[1, 2]"
    values = {item.name.tag: item.value for item in best.metric_values}
    assert values == {"best_macro_f1": pytest.approx(0.7)}
    assert len(best.sessions) == 2
    assert [session.status for session in best.sessions] == [api_pb2.STATUS_SUCCESS] * 2
    assert groups["t0002"].sessions[0].status == api_pb2.STATUS_FAILURE
    assert groups["t0003"].sessions[0].status == api_pb2.STATUS_UNKNOWN, "it has no end"


def test_steps_that_a_killed_process_wrote_and_did_not_note_are_shown_once(
    study: Path, journal: GrowingJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = study / "tensorboard"
    with monkeypatch.context() as patch:
        patch.setattr(Position, "note_all", lambda self, new: None)
        mirror_of(journal, study, TensorBoardFiles(folder)).catch_up()
    (half,) = (folder / "t0001/fold1").iterdir()
    half.write_bytes(half.read_bytes()[:-5])  # it was killed while it wrote
    monkeypatch.setattr("os.getpid", lambda: 4_194_305)  # no process has that number
    mirror_of(journal, study, TensorBoardFiles(folder)).catch_up()
    assert scalars(folder / "t0001/fold1", "macro_f1") == [(1, 0.6), (2, 0.7)]
    assert scalars(folder / STUDY, "best_score") == [(1, 0.5), (2, 0.7), (3, 0.7)]


# ---- MLflow ---------------------------------------------------------------------------------------


def runs_in(store: Path) -> tuple[Any, dict[str, Any]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(str(store))
    (experiment,) = (item for item in client.search_experiments() if item.name == "faces")
    runs = client.search_runs([experiment.experiment_id])
    names = [run.info.run_name for run in runs]
    assert len(set(names)) == len(names), "every run is there once"
    return client, dict(zip(names, runs, strict=True))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of MLflow; the environment is the test's."""
    pytest.importorskip("mlflow")
    for name in ("MLFLOW_ALLOW_FILE_STORE", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "true")
    return tmp_path / "mlruns"


def test_mlflow_has_a_run_for_the_study_and_one_below_it_for_each_trial(
    study: Path, journal: GrowingJournal, store: Path
) -> None:
    mirror = mirror_of(journal, study, MlflowRuns(str(store), "faces"))
    mirror.catch_up()
    mirror.close()
    assert not mirror.pending()
    client, runs = runs_in(store)
    assert set(runs) == {"age", "t0000", "t0001", "t0002", "t0003"}
    whole, best, failed = runs["age"], runs["t0001"], runs["t0002"]
    assert (whole.data.metrics["best_score"], whole.data.metrics["trials_complete"]) == (0.7, 2)
    assert (whole.data.params["folds"], whole.data.params["metric"]) == ("2", "macro_f1")
    steps = client.get_metric_history(whole.info.run_id, "best_score")
    assert [(item.step, item.value) for item in steps] == [(1, 0.5), (2, 0.7), (3, 0.7)]
    assert {name: whole.data.metrics[f"votes/{name}"] for name in SCORES} == pytest.approx(SCORES)
    assert best.data.tags["mlflow.parentRunId"] == whole.info.run_id
    assert (best.data.params["lr"], best.data.params["optimizer"]) == ("0.1", "a|b")
    assert (best.data.metrics["score"], best.data.tags["state"]) == (0.7, "COMPLETE")
    history = client.get_metric_history(best.info.run_id, "macro_f1/fold1")
    assert [(item.step, item.value) for item in history] == [(1, pytest.approx(0.6)), (2, 0.7)]
    assert failed.data.tags["error"] == "ValueError: x"
    assert {name: run.info.status for name, run in runs.items()} == {
        "age": "FINISHED", "t0000": "FINISHED", "t0001": "FINISHED", "t0002": "FAILED", "t0003": "KILLED",
    }  # fmt: skip
    files = {item.path for item in client.list_artifacts(whole.info.run_id)}
    assert files == {"leaderboard.json", "report.html"}
    board = json.loads(Path(client.download_artifacts(whole.info.run_id, "leaderboard.json")).read_text())
    assert [row[board["columns"].index("trial")] for row in board["data"]] == [1, 0, 2, 3]


def test_mlflow_goes_on_with_the_runs_that_are_there(
    study: Path, journal: GrowingJournal, store: Path
) -> None:
    first = mirror_of(journal, study, MlflowRuns(str(store), "faces"))
    first.catch_up()
    first.close()
    journal.fold_run(3, 0, 0.9, 0.9)
    journal.add(Decided("PRUNE", 3, "rank 4"))
    journal.complete(4, 0.8)
    later = mirror_of(journal, study, MlflowRuns(str(store), "faces"))
    later.catch_up()
    later.close()
    client, runs = runs_in(store)
    assert set(runs) == {"age", "t0000", "t0001", "t0002", "t0003", "t0004"}
    assert (runs["t0003"].info.status, runs["t0003"].data.tags["reason"]) == ("FINISHED", "rank 4")
    steps = client.get_metric_history(runs["age"].info.run_id, "best_score")
    assert [item.step for item in steps] == [1, 2, 3, 4, 5]


# ---- W&B ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_wandb_has_one_run_for_the_study_with_leaderboard_ensemble_and_report(
    study: Path, journal: GrowingJournal, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    wandb = pytest.importorskip("wandb")
    request.addfinalizer(wandb.teardown)  # else a process that another test starts would share its service
    monkeypatch.setenv("WANDB_DATA_DIR", str(study / "wandb"))
    mirror = mirror_of(journal, study, WandbStudy(WandbRuns(study, 1.5, "faces", "offline")))
    mirror.catch_up()
    assert mirror.pending(), "W&B says only at the end what has arrived"
    mirror.close()
    assert not mirror.pending()
    assert set(written(study)) == {"age"}
    run = written(study)["age"]
    about = run["run"]
    assert (about.project, about.job_type, about.run_id) == ("faces", "study", run_id("age", 1.5))
    points = [row for row in run["history"] if "best_score" in row]
    assert [(row["trials_ended"], row["best_score"]) for row in points] == [(1, 0.5), (2, 0.7), (3, 0.7)]
    assert run["summary"]["votes/naive"] == 0.6
    (table,) = study.rglob("media/table/*.json")
    board = json.loads(table.read_text())
    assert [row[board["columns"].index("trial")] for row in board["data"]] == [1, 0, 2, 3]
    artifacts = {item.type: [entry.path for entry in item.manifest.contents] for item in run["artifacts"]}
    assert artifacts["report"] == ["report.html"]
    assert run["exit"] == 0


def test_a_study_run_has_another_id_than_its_fold_runs() -> None:
    assert run_id("age", 1.5) != run_id("age", 1.5, FoldRunKey(0, 0))
