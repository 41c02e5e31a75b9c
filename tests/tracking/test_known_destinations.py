"""A study may come from somebody else: where it says that it is sent is believed of the user's own places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.signals import restored_signals
from orchestrator.core.errors import InputError
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.tracking import Destinations, mirrored_as_before
from orchestrator.tracking import command as command_module
from orchestrator.tracking import tracker as tracker_module
from orchestrator.tracking.__main__ import main
from orchestrator.tracking.known_destinations import known_destinations_file, remember_destinations
from orchestrator.tracking.mirrors import tensorboard_folder
from orchestrator.tracking.position import FILE
from orchestrator.tracking.tracker import LOG
from tests.support.drawn_study import draw_study

THEIRS = "http://mlflow.elsewhere:5000"


@pytest.fixture(autouse=True)
def nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with restored_signals():
        yield


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[Destinations]:
    """Where a tracking process would have been started for; none is."""
    found: list[Destinations] = []

    def launch(study: Path, to: Destinations, mode: str) -> Any:
        found.append(to)
        raise OSError("not in a test")

    monkeypatch.setattr(tracker_module, "_launch", launch)
    monkeypatch.setattr("orchestrator.tracking.destinations.Extra.is_missing", False)
    return found


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Destinations]:
    """Where the command would have sent a study; nothing is sent."""
    found: list[Destinations] = []

    def mirrors_for(study: Path, state: object, started: float, to: Destinations, *_: object) -> list[Any]:
        found.append(to)
        return []

    monkeypatch.setattr(command_module, "mirrors_for", mirrors_for)
    monkeypatch.setattr("orchestrator.tracking.destinations.Extra.is_missing", False)
    return found


def received(study: Path, **trackers: str | bool) -> Path:
    """A study whose record says that it is sent there."""
    study.mkdir(parents=True, exist_ok=True)
    (study / FILE).write_text(json.dumps({"trackers": trackers}))
    return study


def as_before(study: Path, trust: bool = False) -> list[str]:
    said: list[str] = []
    with mirrored_as_before(study, said.append, trust=trust):
        pass
    return said


def test_an_ensemble_sends_a_received_study_nowhere_and_says_where_it_would_have_gone(
    tmp_path: Path, launched: list[Destinations]
) -> None:
    (said,) = as_before(received(tmp_path / "age", mlflow=THEIRS, tensorboard=str(tmp_path / "planted")))
    assert launched == []
    assert THEIRS in said and str(tmp_path / "planted") in said and "no command of yours" in said
    assert f"python -m orchestrator.tracking {tmp_path / 'age'} --tensorboard" in said, "the way out"


def test_the_place_of_the_users_own_commands_is_believed_and_no_other(
    tmp_path: Path, launched: list[Destinations]
) -> None:
    remember_destinations(Destinations(wandb="faces", mlflow="http://mine:5000"))
    study = received(tmp_path / "age", wandb="faces", mlflow=THEIRS)
    said = as_before(study)
    assert launched == [Destinations(wandb="faces")]
    assert THEIRS in said[0] and "faces" not in said[0]
    as_before(received(study, mlflow="http://mine:5000"))
    assert launched[1:] == [Destinations(mlflow="http://mine:5000")]
    as_before(received(study, wandb="http://mine:5000"))
    assert len(launched) == 2, "of another tracker"


def test_trusted_it_is_sent_where_it_says(tmp_path: Path, launched: list[Destinations]) -> None:
    as_before(received(tmp_path / "age", mlflow=THEIRS), trust=True)
    assert launched == [Destinations(mlflow=THEIRS)]


def test_the_command_refuses_a_place_that_the_study_alone_names_and_knows_it_once_named(
    tmp_path: Path, sent: list[Destinations], capsys: pytest.CaptureFixture[str]
) -> None:
    study = draw_study(tmp_path / "age", trials=2)
    received(study, mlflow=THEIRS)
    assert main([str(study)]) == 2
    error = capsys.readouterr().err
    assert sent == [] and THEIRS in error and f"--mlflow {THEIRS}" in error and "--trust" in error
    assert len(error.strip().splitlines()) <= 2
    assert main([str(study), "--mlflow", THEIRS]) == 0
    assert main([str(study)]) == 0, "it is known from then on"
    assert main([str(received(draw_study(tmp_path / "b", trials=2), mlflow=THEIRS))]) == 0
    assert sent == [Destinations(mlflow=THEIRS)] * 3
    received(study, tensorboard=str(tmp_path / "planted"))
    assert main([str(study)]) == 2
    assert main([str(study), "--trust"]) == 0
    assert main([str(study)]) == 0, "so is what was trusted"


def test_nor_is_a_project_taken_from_it_for_a_mode_that_was_given(
    tmp_path: Path, sent: list[Destinations], capsys: pytest.CaptureFixture[str]
) -> None:
    study = draw_study(tmp_path / "age", trials=2)
    for record in ({"project": "theirs"}, {"project": "theirs", "trackers": {}}):
        (study / FILE).write_text(json.dumps(record))
        for words in ([], ["--mode", "offline"]):
            assert main([str(study), *words]) == 2
            assert "W&B project theirs" in capsys.readouterr().err
    assert main([str(study), "--mode", "offline", "--project", "mine"]) == 0
    assert sent == [Destinations(wandb="mine")]


def test_a_list_that_others_can_write_to_is_not_believed(
    tmp_path: Path, launched: list[Destinations]
) -> None:
    remember_destinations(Destinations(mlflow=THEIRS))
    assert known_destinations_file().stat().st_mode & 0o777 == 0o600
    known_destinations_file().chmod(0o622)
    as_before(received(tmp_path / "age", mlflow=THEIRS))
    assert launched == []


def test_an_ensemble_follows_no_link_of_a_received_study_to_its_log(
    tmp_path: Path, launched: list[Destinations], capsys: pytest.CaptureFixture[str]
) -> None:
    study = received(draw_study(tmp_path / "age", trials=2), tensorboard="")
    remember_destinations(Destinations(tensorboard=""))
    (tmp_path / "mine.txt").write_text("mine")
    (study / LOG).symlink_to(tmp_path / "mine.txt")
    assert ensemble(["--study", str(study)]) == 2
    assert "is a link that leads out of the study" in capsys.readouterr().err
    assert launched == []


def test_the_command_ensemble_believes_no_place_of_a_received_study(
    tmp_path: Path,
    launched: list[Destinations],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def build(*_: object) -> Path:
        raise InputError("built elsewhere")

    monkeypatch.setattr("orchestrator.ensemble.command._build", build)
    study = received(draw_study(tmp_path / "age", trials=2), mlflow=THEIRS)
    assert ensemble(["--study", str(study)]) == 2
    said = capsys.readouterr()
    assert launched == [] and THEIRS in said.out and "built elsewhere" in said.err
    assert ensemble(["--study", str(study), "--trust"]) == 2
    assert launched == [Destinations(mlflow=THEIRS)]


def test_a_studys_name_leads_to_no_other_folder_than_the_one_named(tmp_path: Path) -> None:
    folder = tensorboard_folder(tmp_path, "/logs", "../../etc/a", 1.0)
    assert folder.parent == Path("/logs")


def test_what_the_system_refuses_keeps_no_ensemble_from_being_built(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    said: list[str] = []
    with mirrored_as_before(tmp_path, said.append):
        said.append("built")
    assert said[-1] == "built" and str(tmp_path / FILE) in said[0]
