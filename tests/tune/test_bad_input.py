"""What a user can get wrong: one or two lines, exit code 2, and nothing of a study changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from tests.support.helpers import journal


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The message of a command that must exit with 2."""
    assert main([*arguments, "--inline", "--no-report"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and "Traceback" not in message
    assert len(message.strip().splitlines()) <= 2
    return message


@pytest.fixture
def finished(space_file: Path, faces: Path, tmp_path: Path) -> Path:
    """A folder of runs with the small finished study `a`."""
    runs = tmp_path / "runs"
    arguments = ["--space", str(space_file), "--data", str(faces), "--runs", str(runs), "--study", "a"]
    assert main([*arguments, "--inline", "--no-report", "--smoke"]) == 0
    return runs


def test_a_study_that_exists_is_not_overwritten(
    finished: Path, space_file: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished / "a" / "journal.jsonl").read_bytes()
    message = refused(
        capsys, "--space", str(space_file), "--data", str(faces), "--runs", str(finished), "--study", "a"
    )
    assert "--resume" in message and "--study" in message
    assert (finished / "a" / "journal.jsonl").read_bytes() == before


def test_data_that_do_not_exist_are_refused_before_a_backend_is_opened(
    space_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object) -> None:
        raise AssertionError("starting Ray takes long")

    monkeypatch.setattr("orchestrator.tune.new_study.open_backend", opened)
    nowhere = tmp_path / "nope"
    message = refused(
        capsys, "--space", str(space_file), "--data", str(nowhere), "--runs", str(tmp_path / "runs")
    )
    assert f"{nowhere} does not exist; name a table" in message


def test_a_second_driver_is_refused(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = Study.open(finished / "a")
    try:
        assert "driven by another process" in refused(capsys, "--resume", "--runs", str(finished))
    finally:
        first.close()


def test_a_torn_last_line_is_cut_off_and_the_study_goes_on(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = finished / "a" / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"event": "epoch_en')
    assert main(["--resume", "--runs", str(finished), "--inline", "--no-report"]) == 0
    assert "torn last line (19 bytes)" in capsys.readouterr().out
    assert path.read_bytes().startswith(whole)
    assert journal(finished / "a")


def test_a_corrupt_line_in_the_middle_is_named_and_nothing_is_touched(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = finished / "a" / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = b'{"event": "nonsense"}\n'
    path.write_bytes(b"".join(lines))
    assert "journal.jsonl:5" in refused(capsys, "--resume", "--runs", str(finished))
    assert path.read_bytes() == b"".join(lines)


def test_a_journal_without_a_whole_first_line_is_no_study(
    finished: Path, space_file: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a driver killed while it made the folder leaves behind stands in nobody's way."""
    (finished / "z").mkdir()
    (finished / "z" / "journal.jsonl").write_text('{"event": "ope')
    assert main(["--resume", "--runs", str(finished), "--inline", "--no-report"]) == 0
    begin = ["--space", str(space_file), "--data", str(faces), "--runs", str(finished), "--study", "z"]
    assert main([*begin, "--inline", "--no-report", "--smoke"]) == 0
    assert journal(finished / "z")[0]["event"] == "opened"


def test_a_journal_line_that_is_no_object_is_named(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = finished / "a" / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"[]\n", *lines[3:]]))
    assert "journal.jsonl:3" in refused(capsys, "--resume", "--runs", str(finished))


@pytest.mark.parametrize("name", [".", "..", "z/../../w", "nested/name", ".hidden", "x" * 300])
def test_a_name_that_is_no_single_folder_is_refused(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    runs = ["--runs", str(tmp_path / "runs")]
    message = refused(capsys, "--space", str(space_file), "--data", str(faces), *runs, "--study", name)
    assert "--study" in message
    assert not (tmp_path / "runs").exists()


def test_a_name_may_be_given_with_the_folder_of_runs(space_file: Path, faces: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    name = ["--runs", str(runs), "--study", str(runs / "a")]
    assert (
        main(["--space", str(space_file), "--data", str(faces), "--inline", "--no-report", "--smoke", *name])
        == 0
    )
    assert (runs / "a" / "journal.jsonl").exists()


@pytest.mark.parametrize(
    "option",
    [["--gpus-per-fold-run", "nan"], ["--gpus-per-fold-run", "1.5"], ["--address", "127.0.0.1:1"]],
)
def test_a_resource_that_makes_no_sense_is_refused(
    space_file: Path, faces: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    assert option[0] in refused(capsys, "--space", str(space_file), "--data", str(faces), *option)


def test_an_address_where_nothing_listens_is_refused_within_seconds(
    space_file: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--space", str(space_file), "--data", str(faces), "--address", "127.0.0.1:1"]
    assert main(options) == 2
    assert "no Ray answers there" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--seed", "-1"], ["--cpus-per-fold-run", "0"]])
def test_a_negative_number_is_refused_with_the_rule(
    space_file: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--space", str(space_file), *option])
    assert stop.value.code == 2
    assert "whole number of at least" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        ["--set", "lr=0.1"],
        ["--max-epochs", "9"],
        ["--scale", "full"],
        ["--data", "x.csv"],
        ["--seed", "0"],
        ["--rule", "exhaustive"],
    ],
)
def test_a_resume_cannot_change_what_the_study_is(
    finished: Path, capsys: pytest.CaptureFixture[str], change: list[str]
) -> None:
    assert change[0] in refused(capsys, "--resume", "--runs", str(finished), *change)


def test_a_resume_cannot_shrink_a_study(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "has 3 already" in refused(capsys, "--resume", "--runs", str(finished), "--trials", "2")


def test_a_resume_without_a_study_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no study in" in refused(capsys, "--resume", "--runs", str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"lr":', '"lrr":', "did you mean lr"),
        ("PixelTrainable", "Missing", "cannot be imported"),
        ("tests.pixel_trainable", "no.such.module", "cannot be imported"),
        ("loguniform(1e-3, 2.0)", "choice([])", "empty"),
        ('"tint"', '"hue"', "hue"),
        ('["red", "blue"]', '["red", "green"]', "blue"),
        ("folds=3", "folds=11", "11"),
        ("space =", "other =", "no variable `space`"),
        ("folds=3,", "folds=3", "not valid Python"),
    ],
)
def test_a_mistake_in_a_space_is_named(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    old: str, new: str, words: str,
) -> None:  # fmt: skip
    text = space_file.read_text()
    assert old in text
    space_file.write_text(text.replace(old, new))
    runs = tmp_path / "runs"
    message = refused(
        capsys, "--space", str(space_file), "--data", str(faces), "--runs", str(runs), "--scale", "full"
    )
    assert words in message
    assert not list(runs.glob("*/journal.jsonl"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (None, "faces.csv"),
        ("", "empty"),
        ("path,group,tint\n", "no row"),
        ("path,tint\nmissing.png,red\n", "missing.png"),
        ("group,tint\np1,red\n", "path"),
    ],
)
def test_a_mistake_in_a_manifest_is_named(
    space_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], rows: str | None, words: str
) -> None:
    data = tmp_path / "faces.csv"
    if rows is not None:
        data.write_text(rows)
    message = refused(
        capsys, "--space", str(space_file), "--data", str(data), "--runs", str(tmp_path / "runs")
    )
    assert words in message


def test_an_unreadable_image_is_named_before_anything_runs(
    space_file: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for path in faces.parent.iterdir():
        (data / path.name).write_bytes(path.read_bytes())
    (data / "p07-1.png").write_bytes(b"not an image")
    runs = tmp_path / "runs"
    message = refused(
        capsys, "--space", str(space_file), "--data", str(data / "faces.csv"), "--runs", str(runs)
    )
    assert "p07-1.png" in message
    assert not list(runs.glob("*/journal.jsonl"))
