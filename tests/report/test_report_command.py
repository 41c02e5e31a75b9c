"""The command `report`, and the last step of `tune` and `ensemble`: in one process, on drawn studies."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock

import orchestrator
from orchestrator.cli.signals import restored_signals
from orchestrator.core.errors import InputError
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.report import ending
from orchestrator.report.__main__ import main
from orchestrator.report.writing import MARK, images_of, write_report
from orchestrator.snapshot import take_snapshot
from orchestrator.study import Study
from orchestrator.study.files import StudyFiles
from orchestrator.tune.__main__ import main as tune
from tests.support.drawn_study import draw_study
from tests.support.small_study import MADE

TITLES = ("Answer", "Checks", "Race", "Trials", "Curves", "Errors", "Data", "Reproduce")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with one study; not to be changed."""
    runs = tmp_path_factory.mktemp("runs")
    draw_study(runs / "age", images=True)
    return runs


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "runs")
    return tmp_path / "runs"


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    said = capsys.readouterr()
    return said.out, said.err


def test_the_newest_study_is_reported_into_its_folder(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = runs / "age"
    before = {path: path.read_bytes() for path in study.rglob("*") if path.is_file()}
    assert main(["--runs", str(runs)]) == 0
    out, _ = told(capsys)
    report = runs / "age" / "report.html"
    html = report.read_text(encoding="utf-8")
    assert f"report: {report} (" in out and report.resolve().as_uri() in out
    assert all(f'id="{title.lower()}"' in html for title in TITLES)
    after = {path: path.read_bytes() for path in study.rglob("*") if path.is_file() and path != report}
    assert after == before  # a study is looked at and not touched


def test_it_is_the_same_for_a_seed(runs: Path, tmp_path: Path) -> None:
    files = [tmp_path / "one.html", tmp_path / "two.html"]
    for file in files:
        assert main(["--study", "age", "--runs", str(runs), "--out", str(file)]) == 0
    one, two = (re.sub(r"as of [-0-9: ]+UTC", "", file.read_text()) for file in files)
    assert one == two


def test_a_report_is_replaced_and_anything_else_is_not(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, other = tmp_path / "own.html", tmp_path / "mine.html"
    other.write_text("<p>a page of somebody's own</p>")
    for _ in range(2):
        assert main(["--study", "age", "--runs", str(runs), "--out", str(own)]) == 0
    assert own.read_bytes().split(b"\n")[0].endswith(MARK)
    for out in (other, tmp_path):
        assert main(["--study", "age", "--runs", str(runs), "--out", str(out)]) == 2
        assert "is no report of this program, so it is not replaced" in told(capsys)[1]
    assert other.read_text() == "<p>a page of somebody's own</p>"


def test_a_link_in_the_place_of_the_report_is_not_followed(runs: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("somebody's")
    link = runs / "age" / "report.html"
    link.symlink_to(target)
    assert main(["--study", "age", "--runs", str(runs)]) == 2
    assert target.read_text() == "somebody's" and link.is_symlink()


def test_private_reports_are_for_their_owner(runs: Path) -> None:
    assert main(["--study", "age", "--runs", str(runs), "--private"]) == 0
    assert stat.S_IMODE((runs / "age" / "report.html").stat().st_mode) == 0o600


def test_a_place_that_cannot_be_written_is_told(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["--study", "age", "--runs", str(runs), "--out", str(tmp_path / "file" / "r.html")]) == 2
    assert "name another file with --out" in told(capsys)[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--study", "aeg"], "did you mean age?"),
        (["--study", "age", "--data-root", "/nowhere"], "--data-root /nowhere is no folder"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    runs: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert main([*words, "--runs", str(runs)]) == 2
    error = told(capsys)[1]
    assert said in error and error.count("\n") <= 2 and "Traceback" not in error


def test_a_damaged_journal_is_a_line_and_no_report(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = StudyFiles(runs / "age").journal
    lines = journal.read_bytes().split(b"\n")
    lines[5] = lines[5][:-20]
    journal.write_bytes(b"\n".join(lines))
    assert main(["--study", "age", "--runs", str(runs)]) == 2
    assert "journal.jsonl:6" in told(capsys)[1] and not (runs / "age" / "report.html").exists()


def test_a_study_that_runs_is_reported_while_its_driver_holds_it(tmp_path: Path) -> None:
    path = draw_study(tmp_path / "age", state="running", most=15)
    with FileLock(path / "lock"):
        assert main(["--study", str(path)]) == 0
    assert "still runs, or was killed" in (path / "report.html").read_text()


def test_a_study_without_a_complete_trial_has_a_report(tmp_path: Path) -> None:
    path = draw_study(tmp_path / "age", state="failed")
    assert main(["--study", str(path)]) == 0
    html = (path / "report.html").read_text()
    assert "There is nothing to use yet" in html and "illegal memory access" in html


def test_images_elsewhere_are_found_where_data_root_says(tmp_path: Path) -> None:
    path = draw_study(tmp_path / "age", images=True)
    snapshot = take_snapshot(path)
    here = images_of(snapshot, None)
    assert here is not None and here([0], 8)[0] is not None
    shutil.move(tmp_path / "age-data", tmp_path / "moved")
    assert images_of(snapshot, None) is None
    moved = images_of(snapshot, tmp_path / "moved")
    assert moved is not None and moved([0], 8)[0] is not None
    assert main(["--study", str(path)]) == 0
    assert main(["--study", str(path), "--data-root", str(tmp_path / "moved")]) == 0


def test_text_from_data_is_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Class names, paths, notes and failures come from data: no tag, no escape sequence of them survives."""
    names = ("<script>alert(1)</script>", "=cmd()", "\x1b[31mred")
    path = draw_study(
        tmp_path / "a", classes=names, paths=('<img src=x onerror="alert(2)">.png',), notes=("</style><b>",)
    )
    assert main(["--study", str(path)]) == 0
    html = (path / "report.html").read_text(encoding="utf-8")
    for raw in ("<script>alert", "<img src=x", "</style><b>", "\x1b"):
        assert raw not in html
    assert "\x1b" not in "".join(told(capsys))


def test_several_studies_stand_side_by_side(made: Path, tmp_path: Path) -> None:
    other = draw_study(tmp_path / "other", seed=1)
    out = tmp_path / "both.html"
    assert main(["--study", str(made / "age"), str(other), "--out", str(out)]) == 0
    html = out.read_text()
    assert "Studies side by side" in html and "Report of age, other" in html


# ---- from a program ----


def test_a_program_gives_folders_or_studies(runs: Path, tmp_path: Path) -> None:
    path = runs / "age"
    assert orchestrator.write_report(path) == path / "report.html"
    out = orchestrator.write_report([Study(path), str(path)], tmp_path / "r.html")
    assert out == tmp_path / "r.html" and "Report of age, age" in out.read_text()
    with pytest.raises(InputError):
        write_report(tmp_path)


# ---- the last step of tune and ensemble ----


def search(folder: Path, *more: str) -> int:
    shutil.copytree(MADE / "data", folder / "data", dirs_exist_ok=True)
    words = ["--space", str(MADE / "tint.py"), "--data", str(folder / "data" / "rows.csv"), "--inline"]
    return tune([*words, "--study", "a", "--runs", str(folder), "--trials", "2", "--max-epochs", "1", *more])


def test_a_search_ends_with_its_report_and_an_ensemble_refreshes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(tmp_path) == 0
    report = tmp_path / "a" / "report.html"
    lines = told(capsys)[0].splitlines()
    assert f"report: {report}" in lines and lines[-1].startswith("next: ")
    before = report.read_text()
    assert (
        ensemble(["--study", str(tmp_path / "a"), "--runs", str(tmp_path), "--out", str(tmp_path / "e")]) == 0
    )
    assert f"report: {report}" in told(capsys)[0]
    assert "Use the ensemble e:" not in before and "Use the ensemble e:" in report.read_text()


def test_no_report_is_written_where_none_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(tmp_path, "--no-report") == 0
    assert not (tmp_path / "a" / "report.html").exists() and "report:" not in told(capsys)[0]


def test_the_next_step_waits_for_what_a_check_forbids(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leaking = draw_study(tmp_path / "leaking", trials=4, max_t=2, fault="leak", seed=3)
    assert ensemble(["--study", str(leaking), "--no-report", "--out", str(tmp_path / "e")]) == 0
    *lines, last = told(capsys)[0].splitlines()
    named = re.match(r"not before (FO\d{3}) above: next: python -m ", last)
    assert named is not None and any(f" {named[1]} " in line for line in lines), last


def test_a_report_that_fails_never_fails_the_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a bug in a section\nof two lines")

    monkeypatch.setattr(ending, "write_report", fails)
    assert search(tmp_path) == 0
    out, err = told(capsys)
    assert "note: no report was written (a bug in a section\\nof two lines); try again: " in out
    assert "Traceback" not in out + err and "next: " in out


@pytest.fixture
def interrupting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[signal.Signals], None]]:
    """Has the report interrupt its own command."""

    def interrupt(number: signal.Signals) -> None:
        monkeypatch.setattr(ending, "write_report", lambda *_, **__: signal.raise_signal(number))

    with restored_signals():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as where a command begins
        yield interrupt


def test_ctrl_c_in_the_report_ends_the_report_alone(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    interrupting: Callable[[signal.Signals], None],
) -> None:
    interrupting(signal.SIGINT)
    assert search(tmp_path) == 0
    again = f"python -m orchestrator.report --study {tmp_path / 'a'}"
    out, err = told(capsys)
    assert f"note: no report was written (interrupted); try again: {again}" in out
    assert out.splitlines()[-1].startswith("next: ") and not err
    predict = ["--predict", str(tmp_path / "data" / "rows.csv"), "--data-root", str(tmp_path / "data")]
    assert ensemble(["--study", str(tmp_path / "a"), "--out", str(tmp_path / "e"), *predict]) == 0
    assert list((tmp_path / "e").glob("predictions*")), "what comes after the report was done"


def test_a_termination_in_the_report_ends_the_command(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    interrupting: Callable[[signal.Signals], None],
) -> None:
    interrupting(signal.SIGTERM)
    assert search(tmp_path) == 130
    assert "next: " not in told(capsys)[0]


def test_somebodys_own_file_in_the_reports_place_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert search(tmp_path, "--no-report") == 0
    own = tmp_path / "a" / "report.html"
    own.write_text("mine")
    assert ensemble(["--study", str(tmp_path / "a"), "--runs", str(tmp_path)]) == 0
    assert own.read_text() == "mine" and "no report was written" in told(capsys)[0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "age").chmod(0o500)
    assert main(["--study", "age", "--runs", str(runs)]) == 2
    (runs / "age").chmod(0o700)
    assert "name another file with --out" in told(capsys)[1]
