"""What a run of benchmarks.gpu says: limits, Markdown, JSON, figures of a race's journal."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.__main__ import parser, run
from benchmarks.gpu.journal_figures import figures_of
from benchmarks.gpu.limits import FAIL, LIMITS, NOT_RUN, PASS, shown
from benchmarks.gpu.machine import throttling
from benchmarks.gpu.records import (
    BROKEN,
    CUT,
    DONE,
    Check,
    Figure,
    Recorder,
    StageResult,
    read_records,
    result_of,
)
from benchmarks.gpu.render import markdown
from benchmarks.gpu.report import Report
from benchmarks.gpu.stages import STAGES
from orchestrator.core.errors import InputError
from tests.test_arrows import imported


def report(*stages: StageResult, dry: bool = False) -> Report:
    return Report("2026-11-29T12:00:00+00:00", dry, 12.3, {"cores": 16}, {"torch": "2.13"}, {}, {}, stages)


@pytest.mark.parametrize(
    "name, value, status",
    [
        ("8 resnet18 over one", 3.0, PASS),
        ("8 resnet18 over one", 2.99, FAIL),
        ("epochs lost", 0, PASS),
        ("epochs lost", 1, FAIL),
        ("resume", math.nan, FAIL),
        ("resume", math.inf, FAIL),
    ],
)
def test_a_check_is_judged_by_its_limit(tmp_path: Path, name: str, value: float, status: str) -> None:
    Recorder(tmp_path / "a.jsonl", dry=False).check(name, value)
    assert [row["status"] for row in read_records(tmp_path / "a.jsonl")] == [status]


def test_a_dry_run_judges_only_what_a_cpu_can_show(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.jsonl", dry=True)
    recorder.check("8 resnet18 over one", 0.9, "2 together")
    recorder.check("resume", 4.0)
    found = [(row["status"], row["value"], row["note"]) for row in read_records(tmp_path / "a.jsonl")]
    assert found == [(NOT_RUN, 0.9, "a CPU cannot show it; 2 together"), (FAIL, 4.0, "")]


def test_a_torn_last_line_is_no_finding(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    Recorder(path, dry=False).note("whole")
    path.write_text(path.read_text() + '{"kind": "note", "te')
    assert [row["text"] for row in read_records(path)] == ["whole"]


def test_markdown_shows_every_check_and_no_text_breaks_out_of_its_cell() -> None:
    checks = (
        Check("resume", PASS, 0.0, "bit | for\nbit"),
        Check("precision", NOT_RUN, None, "no time was left"),
    )
    figures = (Figure("resnet18", "8 fold runs", 3.21, "one", 41234.0, "images/s"),)
    text = markdown(report(StageResult("a", DONE, 1.0, checks, figures, ("a note",))))
    row = next(line for line in text.splitlines() if line.startswith("| resume"))
    assert row.replace(r"\|", "").count("|") == 6
    assert len(row) <= 80  # as wide as a terminal
    assert "bit \\| for" in row and "\x0a" not in row
    assert "| resnet18 | 8 fold runs | 3.21x | one | 41,234 images/s |" in text
    assert "1 checks PASS, 0 FAIL, 1 NOT RUN." in text
    assert "- a note" in text


def test_checks_that_fail_stand_first_with_what_they_are() -> None:
    slow = Check("8 resnet18 over one", FAIL, 2.5, "without MPS")
    lines = markdown(report(StageResult("packing", DONE, 1.0, (slow,)))).splitlines()
    assert lines[4] == (
        "- FAIL: 8 resnet18 over one, 2.50x (at least 3.00x): "
        "8 fold runs of resnet18 (112 px, batch 64) over one; without MPS"
    )


def test_every_limit_reads_as_a_sentence_in_the_table() -> None:
    assert LIMITS["8 resnet18 over one"].text() == "at least 3.00x"
    assert LIMITS["step efficiency"].text() == "at least 95.0%"
    assert LIMITS["epochs lost"].text() == "at most 0 epochs"
    assert shown(0.929671, "standard errors") == "0.93 standard errors"


def test_a_broken_stage_is_in_the_first_sentence_and_fails_the_run() -> None:
    broken = result_of("packing", ["8 resnet18 over one"], BROKEN, 3.0, [], "exit code 1: CUDA error")
    cut = result_of("feed", [], CUT, 0.0, [])
    whole = report(broken, cut)
    assert whole.failed
    assert "stages that broke: packing broken; not all of: feed (time)" in markdown(whole)
    assert "**exit code 1: CUDA error**" in markdown(whole)
    assert not report(cut).failed


def test_the_json_is_json_and_names_each_limit() -> None:
    checks = (Check("precision", FAIL, math.inf, ""),)
    found = json.loads(json.dumps(report(StageResult("a", DONE, 1.0, checks)).as_json(), allow_nan=False))
    assert (found["format"], found["failed"], found["counts"]) == (1, True, {PASS: 0, FAIL: 1, NOT_RUN: 0})
    check = found["stages"][0]["checks"][0]
    assert (check["value"], check["limit"]) == (None, "at most 1.50x")


@pytest.mark.parametrize(
    "mask, text",
    [
        ("0x0000000000000000", "none"),
        ("0x0000000000000001", "none"),  # idle
        ("0x0000000000000004", "power cap"),
        ("0x0000000000000060", "thermal (software), thermal (hardware)"),
        ("[N/A]", "[N/A]"),
    ],
)
def test_throttling_is_read_from_the_bits_of_nvidia_smi(mask: str, text: str) -> None:
    assert throttling(mask) == text


WORDS = (
    "OutOfMemoryError: CUDA out of memory. Tried to allocate 58.72 GiB. GPU 0 has a total capacity of "
    "139.80 GiB of which 20.11 GiB is free. Process 7 has 59.10 GiB memory in use. Including non-PyTorch "
    "memory, this process has 1.30 GiB memory in use. Of the allocated memory 1.20 GiB is allocated by torch."
)


def epoch(time: float, trial: int, fold: int, epoch: int, seconds: float = 1.0) -> dict[str, Any]:
    return {
        "time": time,
        "event": "epoch_ended",
        "trial": trial,
        "fold": fold,
        "epoch": epoch,
        "seconds": seconds,
    }


def started(trial: int, fold: int, end: int) -> dict[str, Any]:
    return {"time": 0.0, "event": "leg_started", "trial": trial, "fold": fold, "start": 0, "end": end}


def failed(trial: int, fold: int, failure: str) -> dict[str, Any]:
    return {
        "time": 0.0,
        "event": "leg_failed",
        "trial": trial,
        "fold": fold,
        "epoch": 1,
        "failure": failure,
        "error": WORDS,
    }


def test_slots_are_busy_while_epochs_are_trained() -> None:
    lines = [started(0, 0, 2), started(0, 1, 2)]
    lines += [epoch(1, 0, 0, 1), epoch(1, 0, 1, 1), epoch(2, 0, 0, 2), epoch(4, 0, 1, 2)]
    found = figures_of(lines)
    assert (found.slots, found.epochs, found.repeated) == (2, 4, 0)
    assert found.busy == pytest.approx(4 / (2 * 4))
    assert not found.finished


def test_a_leg_that_ran_out_of_memory_and_went_on_lost_nothing() -> None:
    lines = [started(0, 0, 2), epoch(1, 0, 0, 1), failed(0, 0, "memory"), started(0, 0, 2), epoch(3, 0, 0, 2)]
    lines.append({"time": 3.0, "event": "closed", "outcome": "finished"})
    found = figures_of(lines)
    assert (found.slots, found.out_of_memory, found.failed_legs, found.repeated) == (1, 1, 1, 0)
    assert found.wordless == 0
    assert figures_of([{**failed(0, 0, "memory"), "error": "out of memory"}]).wordless == 1
    assert found.finished


def test_an_epoch_that_is_trained_again_and_the_epochs_of_a_failed_trial_are_counted() -> None:
    lines = [started(0, 0, 3), epoch(1, 0, 0, 1), failed(0, 0, "lost"), started(0, 0, 3), epoch(3, 0, 0, 1)]
    lines += [
        started(1, 0, 3),
        epoch(3, 1, 0, 1),
        {"time": 4.0, "event": "decided", "action": "FAIL", "trial": 1},
    ]
    found = figures_of(lines)
    assert (found.repeated, found.of_failed, found.epochs) == (1, 1, 2)


def test_a_study_that_never_began_has_no_busy_slot() -> None:
    assert figures_of([]).busy == 0.0


def test_the_page_has_a_row_for_every_limit_and_for_every_stage() -> None:
    page = (Path(__file__).parents[2] / "docs/benchmarks/gpu.md").read_text()
    for name, limit in LIMITS.items():
        assert f"| `{name}` | {limit.text()} | {limit.what} |" in page
    for stage in STAGES:
        assert f"| `{stage.name}` | " in page


def test_it_needs_nothing_but_what_is_installed_with_it() -> None:
    root = Path(__file__).parents[2]
    found = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    assert "benchmarks.gpu*" in found["include"]
    ours = {"orchestrator", "trainables", "search_spaces", "benchmarks"}
    for path in (root / "benchmarks" / "gpu").glob("*.py"):
        names = {name for name in imported(path) if name.split(".")[0] in ours}
        assert all(name.startswith(("benchmarks.gpu", *(ours - {"benchmarks"}))) for name in names), path
        assert not any(name.split(".")[0] in {"tests", "docs", "pytest"} for name in imported(path)), path


def command(*words: str) -> int:
    return run(parser().parse_args(["--dry-run", "--stages", "card", *words]))


@pytest.mark.parametrize(
    "words", [["--logs", "taken"], ["--out", "taken/gpu.md"], ["--json", "taken/a.json"]]
)
def test_a_place_that_cannot_be_written_is_said_before_minutes_are_spent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr("benchmarks.gpu.__main__.run_all", lambda *_: pytest.fail("a stage was begun"))
    with pytest.raises(InputError, match=f"{words[0]}: taken cannot be written to"):
        command(*words)


def test_two_reports_under_one_name_and_folders_in_their_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the JSON would overwrite it"):
        command("--out", str(tmp_path / "gpu.json"))
    with pytest.raises(InputError, match="that is a folder"):
        command("--out", str(tmp_path))


def test_logs_that_cannot_be_kept_cost_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "logs")

    done = StageResult("card", DONE, 1.0, (Check("doctor reads the card", PASS, 1.0),))
    monkeypatch.setattr("benchmarks.gpu.__main__.run_all", lambda *_: iter([done]))
    monkeypatch.setattr("benchmarks.gpu.__main__._keep", full)
    with pytest.raises(OSError, match="No space left"):
        command("--out", str(tmp_path / "gpu.md"), "--logs", str(tmp_path / "logs"))
    assert "1 checks PASS" in (tmp_path / "gpu.md").read_text()


def test_what_a_stage_came_to_is_said_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = (Check("resume", PASS, 0.0), Check("precision", FAIL, 2.0))
    done = StageResult("correctness", DONE, 31.6, checks)
    monkeypatch.setattr("benchmarks.gpu.__main__.run_all", lambda *_: iter([done]))
    assert command("--out", str(tmp_path / "gpu.md")) == 1
    assert "correctness: done, 32 s, 1 PASS, 1 FAIL\n" in capsys.readouterr().err
