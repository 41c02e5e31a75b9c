"""Where a study is sent: what is asked for, kept for later commands, missing on this machine, refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.tracking import Destinations, Tracker, mirrored_as_before
from orchestrator.tracking import tracker as tracker_module
from orchestrator.tracking.__main__ import main, parser
from orchestrator.tracking.destinations import EXTRAS, Extra, destinations_of
from orchestrator.tracking.mirrors import tensorboard_folder
from orchestrator.tracking.position import FILE, remember
from orchestrator.tune.request import Request, repeated_options
from tests.support.drawn_study import draw_study

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "to",
    [
        Destinations("faces"),
        Destinations("faces", wandb_fold_runs=True),
        Destinations(tensorboard=""),
        Destinations(tensorboard="/logs", mlflow="http://mlflow.here:5000"),
        Destinations("faces", True, "/logs", "sqlite:////data/mlflow.db"),
    ],
)
def test_destinations_survive_the_command_line_and_the_file_that_keeps_them(
    to: Destinations, tmp_path: Path
) -> None:
    given = parser().parse_args(["age", *to.words()])
    assert Destinations(given.project, given.fold_runs, given.tensorboard, given.mlflow) == to
    remember(tmp_path, to.to_json())
    assert destinations_of(tmp_path) == to


def test_nothing_asked_for_is_nothing() -> None:
    assert not Destinations()
    assert Destinations(tensorboard="")
    assert not Destinations("faces", wandb_fold_runs=True).without("wandb")


def test_a_folder_means_the_same_wherever_a_later_command_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    to = Destinations(tensorboard="logs", mlflow="sqlite:///mlflow.db")
    assert (to.tensorboard, to.mlflow) == (str(tmp_path / "logs"), f"sqlite:///{tmp_path}/mlflow.db")
    assert Destinations(mlflow="mlruns").mlflow == str(tmp_path / "mlruns")
    assert Destinations(mlflow="https://a.b/c").mlflow == "https://a.b/c"
    assert Destinations(mlflow="databricks").mlflow == "databricks"


def test_studies_of_one_name_share_no_folder_of_tensorboard(tmp_path: Path) -> None:
    folders = {tensorboard_folder(tmp_path, "/logs", "age", started) for started in (1.5, 2.5)}
    assert len(folders) == 2
    assert {folder.parent for folder in folders} == {Path("/logs")}


def test_fold_runs_without_a_project_and_an_address_with_a_password_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(InputError, match="give it with --wandb PROJECT"):
        Request(space="tint", wandb_fold_runs=True)
    with pytest.raises(InputError, match="set MLFLOW_TRACKING_URI to that address") as refusal:
        Request(space="tint", mlflow="https://me:secret@mlflow.here")
    assert "secret" not in str(refusal.value)
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI, which is not set"):
        Request(space="tint", mlflow=True)


def test_an_address_of_the_environment_is_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@mlflow.here")
    to = Request(space="tint", mlflow=True).destinations
    assert to.words() == ["--mlflow"]
    assert "secret" not in to.described("online") + json.dumps(to.to_json())


def test_options_of_trackers_are_repeated_by_the_command_that_resumes() -> None:
    given = {
        "resume": False,
        "wandb": "p",
        "wandb_fold_runs": True,
        "tensorboard": True,
        "mlflow": "http://m",
    }
    words = ["--wandb", "p", "--wandb-fold-runs", "--tensorboard", "--mlflow", "http://m"]
    assert repeated_options(given, budget_spent=False) == words


def test_what_version_0_3_sent_is_sent_on_as_it_was(tmp_path: Path) -> None:
    sent = {"https://api.wandb.ai/faces": {"t0003-f1": [3, "PRUNED"]}}
    (tmp_path / FILE).write_text(json.dumps({"project": "faces", "sent": sent}))
    assert destinations_of(tmp_path) == Destinations("faces", wandb_fold_runs=True)


def test_each_extra_is_one_of_the_project_with_the_same_versions() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for name, extra in EXTRAS.items():
        assert f'{name} = ["{extra.install.strip(chr(39))}"]' in text


def test_a_tracker_that_is_not_installed_is_said_with_its_command_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Destinations] = []
    monkeypatch.setattr(Extra, "is_missing", property(lambda extra: extra.title == "mlflow"))
    monkeypatch.setattr(tracker_module, "_launch", lambda study, to, mode: launched.append(to))
    found = Tracker.start(tmp_path, Destinations(tensorboard="", mlflow="http://m"))
    assert found.notes == (
        "mlflow: it is not installed (pip install 'mlflow-skinny>=2.14,<4'); the study runs without it",
    )
    assert launched == [Destinations(tensorboard="")]


def test_the_command_refuses_what_is_not_installed_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = draw_study(tmp_path / "age", trials=2)
    monkeypatch.setattr(Extra, "is_missing", True)
    assert main([str(study), "--tensorboard"]) == 2
    said = capsys.readouterr().err
    assert "pip install 'tensorboard>=2.16,<3'" in said
    assert said.count("\n") == 1


def test_the_command_sends_a_study_once_and_all_of_it_again_where_its_files_are_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    study, logs = draw_study(tmp_path / "age", trials=4), tmp_path / "logs"
    assert main([str(study), "--tensorboard", str(logs)]) == 0
    assert "everything is sent" in capsys.readouterr().out
    (folder,) = logs.iterdir()
    before = {path: path.stat().st_size for path in folder.rglob("*tfevents*")}
    assert len({path.parent.parent.name for path in before} & {f"t{trial:04d}" for trial in range(4)}) == 4
    assert main([str(study)]) == 0, "to where it went before"
    assert {path: path.stat().st_size for path in folder.rglob("*tfevents*")} == before
    shutil.rmtree(folder)
    assert main([str(study)]) == 0
    assert {path.parent for path in folder.rglob("*tfevents*")} == {path.parent for path in before}


@pytest.mark.parametrize("text", ["{", '{"trackers": {"mlflow": 3}}'])
def test_a_damaged_file_of_trackers_keeps_no_ensemble_from_being_built(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    said: list[str] = []
    with mirrored_as_before(tmp_path, said.append):
        said.append("built")
    assert said[-1] == "built"
    assert str(tmp_path / FILE) in said[0]
    assert "delete it" in said[0]
