"""Every command understands a study by its name below --runs and by its path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.core.errors import StudyError
from orchestrator.core.events import Opened, to_json
from orchestrator.pseudo_labels.__main__ import main as pseudo_labels
from orchestrator.study.finding import find_study
from orchestrator.study.header import StudyHeader
from orchestrator.tracking.__main__ import main as tracking


def study(folder: Path, when: float = 1.0) -> Path:
    """A study that has begun and done nothing."""
    folder.mkdir(parents=True)
    header = StudyHeader(folder.name, {"metric": "accuracy", "mode": "max"})
    line = json.dumps({"time": when, **to_json(Opened(header.to_json()))})
    (folder / "journal.jsonl").write_text(f"{line}\n")
    return folder


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    study(Path("runs/race"), when=2.0)
    study(Path("runs/mask"), when=1.0)
    return Path("runs")


@pytest.mark.parametrize("named", ["race", "runs/race", "./runs/race/", Path("race")])
def test_a_study_is_found_by_its_name_and_by_its_path(runs: Path, named: str | Path) -> None:
    assert find_study(named, runs) == runs / "race"


def test_a_folder_of_that_name_which_is_no_study_stands_in_nobodys_way(runs: Path) -> None:
    Path("race").mkdir()
    assert find_study("race", runs) == runs / "race"
    assert find_study(study(Path("elsewhere/mask")), runs) == Path("elsewhere/mask")


def test_a_name_that_stands_for_two_studies_is_refused_until_it_says_which(runs: Path) -> None:
    here = study(Path("race")).absolute()
    with pytest.raises(StudyError) as refusal:
        find_study("race", runs)
    assert str(refusal.value) == f"race is a study in runs and one in this folder; name runs/race or {here}"
    assert find_study("runs/race", runs) == runs / "race"
    assert find_study(here, runs) == here
    assert find_study("race", Path()) == Path("race"), "the same folder, found twice"


def test_without_a_name_it_is_the_study_that_started_last(runs: Path) -> None:
    assert find_study(None, runs) == runs / "race"
    (runs / "torn").mkdir()
    (runs / "torn" / "journal.jsonl").write_text('{"time": 9')
    assert find_study(None, runs) == runs / "race"


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("rac", "rac is no study, nor is there one of that name in runs; did you mean race?"),
        ("zebra", "zebra is no study, nor is there one of that name in runs; it has mask, race"),
    ],
)
def test_a_study_that_is_not_there_is_refused_with_a_way_out(runs: Path, named: str, message: str) -> None:
    with pytest.raises(StudyError) as refusal:
        find_study(named, runs)
    assert str(refusal.value) == message


def test_where_no_study_is_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    for named in (None, "race"):
        with pytest.raises(StudyError, match=r"run `python -m orchestrator\.tune --space SPACE` first"):
            find_study(named, tmp_path)


def test_tracking_finds_a_study_by_its_name(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert tracking(["race"]) == 2
    assert "WANDB_MODE=disabled" in capsys.readouterr().err, "all that is wrong with it"


def test_pseudo_labels_finds_a_study_by_its_name_and_advises_only_what_helps(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--predict", "more", "--out", "labels.parquet"]
    assert pseudo_labels(["--study", "race", *words]) == 2
    message = capsys.readouterr().err
    assert "runs/race holds no ensemble; make one with" in message
    assert pseudo_labels(["--study", "rac", *words]) == 2
    assert "did you mean race?" in capsys.readouterr().err
