"""The command on drawn studies, in this process: what it says, what it changes, what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest

from orchestrator import studies
from orchestrator.storage import DirectoryStore, take_ownership
from orchestrator.studies import command
from orchestrator.studies.__main__ import SORTS, STATES, main
from orchestrator.studies.listing import DAMAGED, ORDERS, RUNNING, list_studies
from orchestrator.studies.scoring import agreement_lines
from orchestrator.study import Study
from orchestrator.study.remarks import SCORES, LeaderboardScore, read_remarks
from tests.support.drawn_study import draw_study
from tests.support.journals import unsealed

HOSTILE = "x\x1b[2J\n\u202e=1"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command")
    draw_study(folder / "a", trials=4, folds=3, max_t=2, rows=96)
    draw_study(folder / "b", trials=4, folds=3, max_t=2, rows=96, fault="weak")
    draw_study(folder / "other", trials=2, folds=2, max_t=1, rows=48, metric="accuracy", seed=5)
    draw_study(folder / "half", trials=4, folds=3, max_t=2, rows=96, state="interrupted", most=3)
    draw_study(folder / "failed", trials=2, folds=2, max_t=1, rows=48, state="failed")
    return folder


@pytest.fixture
def runs(drawn: Path, tmp_path: Path) -> Path:
    return shutil.copytree(drawn, tmp_path / "runs")


def said(capsys: pytest.CaptureFixture[str], code: int, runs: Path, *words: str) -> str:
    capsys.readouterr()
    assert main([*words, "--runs", str(runs)]) == code
    written = capsys.readouterr()
    assert (code == 2) == bool(written.err), written.err
    return written.err if code == 2 else written.out


# ---- list -----------------------------------------------------------------------------------------


def test_every_study_is_a_line_and_a_damaged_one_no_end(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "half" / "journal.jsonl").write_text("{\n")
    (runs / "b" / "journal.jsonl").unlink()
    (runs / "b" / "journal.jsonl").mkdir()
    text = said(capsys, 0, runs, "list")
    for name in ("a", "half", "failed", "other", "b"):
        assert any(line.split()[:1] == [name] for line in text.splitlines()), name
    assert text.count(DAMAGED) >= 2 and "b: " in text and "half: " in text
    best = Study(runs / "a").complete_trials()[0]
    assert f"{best.score:.4f} macro_f1" in text and "accuracy" in text


def test_a_list_is_chosen_and_sorted(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def names(*words: str) -> list[str]:
        return [item["name"] for item in json.loads(said(capsys, 0, runs, "list", "--json", *words))]

    assert names("a", "h*", "--sort", "name") == ["a", "half"]
    assert names("--state", "interrupted") == ["half"]
    assert names("--with-metric", "acc*") == ["other"]
    assert set(names("--with-space", "drawn")) == {"a", "b", "failed", "half", "other"}
    best = [name for name in names("--sort", "best", "--with-metric", "macro_f1") if name in "ab"]
    scores = {name: Study(runs / name).complete_trials()[0].score for name in "ab"}
    assert best == sorted(scores, key=lambda name: -scores[name])
    assert "none of the 5 studies" in said(capsys, 0, runs, "list", "zzz")
    assert "no study in" in said(capsys, 0, runs / "none", "list")


def test_what_help_offers_is_what_there_is(runs: Path) -> None:
    assert set(SORTS) == set(ORDERS) and {RUNNING, DAMAGED} < set(STATES)
    assert {item.state for item in list_studies(runs)} <= set(STATES)


def test_one_that_is_driven_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_study(runs / "now", trials=2, folds=2, max_t=2, rows=24, state="running", most=1)
    study = Study.open(runs / "now")
    assert '"state": "running"' in said(capsys, 0, runs, "list", "now", "--json")
    study.close()
    assert '"state": "open"' in said(capsys, 0, runs, "list", "now", "--json")


def test_a_list_of_a_folder_is_a_table_in_python_too(runs: Path) -> None:
    (runs / "half" / "journal.jsonl").write_text("{\n")
    frame = studies.studies(runs)
    assert len(frame) == 5 and frame.set_index("name").loc["half", "state"] == DAMAGED
    assert isinstance(frame["begun"].dtype, pd.DatetimeTZDtype)
    assert len(studies.studies(runs / "none")) == 0


@pytest.mark.parametrize("columns", [60, 80, 100, 140])
def test_a_list_fits_the_terminal(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    (runs / "a").rename(runs / "a-study-with-a-long-name-that-says-everything")
    real = command.Terminal
    monkeypatch.setattr(command, "Terminal", lambda **more: real(**{**more, "width": columns}))
    table = [line for line in said(capsys, 0, runs, "list").splitlines() if line.startswith(" ")]
    assert table and all(len(line) <= columns for line in table)
    numbers = {f"{Study(path).complete_trials()[0].score:.4f}" for path in (runs / "b", runs / "other")}
    assert all(any(number in line for line in table) for number in numbers), "a number is never cut"


def test_hostile_names_notes_and_labels_steer_nothing(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "a").rename(runs / HOSTILE)
    assert main(["note", HOSTILE, HOSTILE, "--runs", str(runs)]) == 0
    assert main(["score", HOSTILE, "--public", "1", "--note", HOSTILE, "--runs", str(runs)]) == 0
    out = capsys.readouterr().out
    for words in (["list"], ["show", HOSTILE], ["compare", HOSTILE, "b"], ["rm", HOSTILE, "--yes"]):
        out += said(capsys, 0, runs, *words)
    assert "\x1b" not in out and "\u202e" not in out
    assert not [line for line in out.splitlines() if line.strip().startswith("=1")]
    assert not (runs / HOSTILE).exists()


# ---- show, compare --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "half", "failed", "other"])
def test_show_ends_with_the_next_command(runs: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    text = said(capsys, 0, runs, "show", name)
    last = text.splitlines()[-1]
    assert last.startswith("next: python -m orchestrator.") and name in last
    assert ("--resume" in last) == (name in ("half", "failed"))
    assert "loguniform(0.0001, 0.1)" in text


def test_show_is_json_too_and_a_damaged_study_a_refusal(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert json.loads(said(capsys, 0, runs, "show", "a", "--json"))["name"] == "a"
    text = (runs / "a" / "journal.jsonl").read_text().splitlines()
    (runs / "a" / "journal.jsonl").write_text("\n".join([text[0], "damaged", *text[1:]]) + "\n")
    assert "journal.jsonl:2" in said(capsys, 2, runs, "show", "a")
    assert "did you mean half?" in said(capsys, 2, runs, "show", "hal")


def test_two_studies_on_the_same_rows_are_paired_by_fold_and_by_row(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, 0, runs, "compare", "a", "b")
    assert "by fold: " in text and "by row: " in text and "3 folds" in text
    found = Study(runs / "a").compare(runs / "b")
    assert f"{found.difference.difference:+.4f} macro_f1" in text


def test_of_studies_on_other_rows_the_settings_are_compared(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, 0, runs, "compare", "a", "other", "half")
    assert "scores do not compare" in text and "not compared: " in text and "max_t" in text
    assert "half has no complete trial" in text
    assert "named twice" in said(capsys, 2, runs, "compare", "a", str(runs / "a"))


# ---- rm, clean ------------------------------------------------------------------------------------


class Terminal:
    """A standard input that somebody sits before."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "answer, gone", [("y", True), ("yes", True), ("", False), ("n", False), ("yy", False)]
)
def test_rm_asks(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: str, gone: bool
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    text = said(capsys, 0 if gone else 1, runs, "rm", "a")
    assert (runs / "a").exists() != gone and ("nothing was removed" in text) != gone
    assert (runs / "b").exists()


def test_nobody_who_can_be_asked_is_no_yes(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "say --yes" in said(capsys, 2, runs, "rm", "a", "b")
    assert (runs / "a").exists() and (runs / "b").exists()


def test_rm_says_what_uses_it_and_what_goes_with_it(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "a" / "ensemble-1").mkdir()
    (runs / "a" / "ensemble-1" / "ensemble.json").write_text("{}")
    (runs / "a" / "tracking.json").write_text("{}")
    text = said(capsys, 0, runs, "rm", "a", "--yes")
    assert "1 ensemble in its folder: ensemble-1; copy what is to stay" in text and "in a tracker" in text
    assert not (runs / "a").exists() and "removed a: " in text


def test_a_refused_study_among_several_keeps_all(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no study" in said(capsys, 2, runs, "rm", "a", "nothing", "--yes")
    assert (runs / "a").exists()


def test_clean_only_says_without_a_terminal_and_does_it_with_yes(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = runs / ".cache" / "images" / "images-1-64px.npy"
    store.parent.mkdir(parents=True)
    store.write_bytes(b"x" * 1000)
    old = time.time() - 40 * 86400
    os.utime(store, (old, old))
    assert "say --yes" in said(capsys, 0, runs, "clean") and store.exists()
    assert "0 B would go" in said(capsys, 0, runs, "clean", "--older", "60d", "--yes") and store.exists()
    assert "removed 1.0 kB" in said(capsys, 0, runs, "clean", "--max-size", "0.5kB", "--yes")
    assert not store.exists()
    for words in (["--older", "soon"], ["--max-size", "much"]):
        assert words[0] in said(capsys, 2, runs, "clean", *words)


def test_clean_ends_a_removal_that_was_interrupted_and_list_tells_of_it(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "a").rename(runs / ".removed-0a1b2c3d")
    text = said(capsys, 0, runs, "list")
    assert "1 removal in" in text and "clean" in text
    said(capsys, 0, runs, "clean", "--yes")
    assert not (runs / ".removed-0a1b2c3d").exists() and (runs / "b").exists()


def test_clean_names_what_goes_in_a_store_before_it_asks(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = runs / "a" / "journal.jsonl"
    first, rest = unsealed(journal.read_text()).split("\n", 1)
    store = tmp_path / "store"
    header = {**json.loads(first)["header"], "storage": str(store)}
    journal.write_text(json.dumps({**json.loads(first), "header": header}) + "\n" + rest)
    location = store / header["name"]
    take_ownership(DirectoryStore(location), runs / "a")
    DirectoryStore(location).put("t0000-f0/best-e0001.safetensors", b"w")
    left = (runs / "a").rename(runs / ".removed-0a1b2c3d")
    (left / "removal.json").write_text(json.dumps({"location": str(location), "folder": "a"}))
    text = said(capsys, 0, runs, "clean")
    assert f"2 files in {location}" in text and "say --yes" in text and (location / "study.txt").exists()
    assert f"2 files in {location}" in said(capsys, 0, runs, "clean", "--yes")
    assert not location.exists() and not left.exists()


def test_clean_leaves_a_rest_that_holds_studies(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = (runs / "a").rename(runs / ".removed-0a1b2c3d")
    shutil.copytree(runs / "b", left / "x" / "y")
    text = said(capsys, 1, runs, "clean", "--yes")
    assert "holds other studies" in text and (left / "x" / "y" / "journal.jsonl").exists()


# ---- export, note, score --------------------------------------------------------------------------


def test_export_writes_all_or_those_named(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, 0, runs, "export", "--out", str(tmp_path / "all.parquet"))
    assert set(pd.read_parquet(tmp_path / "all.parquet")["study"]) == {"a", "b", "half", "failed", "other"}
    said(capsys, 0, runs, "export", "a", "--out", str(tmp_path / "a.csv"))
    assert set(pd.read_csv(tmp_path / "a.csv")["study"]) == {"a"}
    assert "does not exist" in said(capsys, 2, runs, "export", "--out", str(tmp_path / "a.csv"))


def test_notes_are_kept_and_shown_everywhere(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = (runs / "a" / "journal.jsonl").read_bytes()
    assert "no note yet" in said(capsys, 0, runs, "note", "a")
    said(capsys, 0, runs, "note", "a", "flip hurts")
    assert "second" in said(capsys, 0, runs, "note", "a", "second")
    for words in (["note", "a"], ["show", "a"]):
        text = said(capsys, 0, runs, *words)
        assert text.index("flip hurts") < text.index("second")
    assert "a: second (and 1 earlier note)" in said(capsys, 0, runs, "list")
    assert (runs / "a" / "journal.jsonl").read_bytes() == journal


def test_scores_are_kept_beside_what_was_known_and_from_four_on_their_order_is_compared(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = Study(runs / "a").complete_trials()[0]
    text = said(capsys, 0, runs, "score", "a", "--public", "0.713", "--note", "first")
    assert f"out of fold {best.score:.4f} macro_f1 (fold_mean" in text and "from 4 on" in text
    [kept] = read_remarks(runs / "a").scores
    assert (kept.public, kept.oof, kept.trial) == (0.713, best.score, best.number)
    assert kept.low is not None and kept.low < best.score
    said(capsys, 0, runs, "score", "b", "--public", "0.5", "--private", "0.4")
    said(capsys, 0, runs, "score", "b", "--public", "0.52")
    said(capsys, 0, runs, "score", "other", "--public", "0.1")  # of other rows: it does not count
    assert "3 pairs" in said(capsys, 0, runs, "score", "a")
    text = said(capsys, 0, runs, "score", "a", "--public", "0.72")
    assert "rank correlation" in text and "4 pairs" in text and "with 2 scores of other studies" in text


def test_an_order_is_compared_of_one_metric_and_one_kind_of_estimate_at_a_time() -> None:
    def a_score(metric: str, estimate: str, number: int, slope: int) -> LeaderboardScore:
        public = 0.5 + slope * number / 100
        return LeaderboardScore(0.0, public, None, metric, number / 10, None, None, estimate)

    scores = [a_score("accuracy", "bbc", number, 1) for number in range(4)]
    scores += [a_score("accuracy", "fold_mean", number, -1) for number in range(5)]
    scores += [a_score("log_loss", "bbc", number, -1) for number in range(6)]
    lines = list(agreement_lines(scores, smaller_is_better={"log_loss"}))
    found = {tuple(re.findall(r"correlation (\S+) .* (\d+) pairs", line)[0]): line for line in lines}
    assert set(found) == {("+1.00", "4"), ("-1.00", "5"), ("-1.00", "6")}
    assert "accuracy, bbc" in found["+1.00", "4"] and "accuracy, fold_mean" in found["-1.00", "5"]
    assert "smaller" not in found["-1.00", "5"]
    assert "smaller log_loss is better: where a larger score wins on the leaderboard" in found["-1.00", "6"]


@pytest.mark.parametrize(
    "words", [["--note", "x"], ["--public", "1", "--ensemble", "nowhere"]], ids=["no score", "no ensemble"]
)
def test_a_score_that_cannot_be_is_refused(
    runs: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    said(capsys, 2, runs, "score", "a", *words)
    assert not read_remarks(runs / "a").scores


def test_a_score_that_the_metric_cannot_be_is_kept_with_a_warning_and_can_be_taken_back(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(read_remarks(runs / "a").scores)
    assert "warning" not in said(capsys, 0, runs, "score", "a", "--public", "1")
    text = said(capsys, 0, runs, "score", "a", "--public", "87.1", "--private", "0.5")
    file = runs / "a" / SCORES
    warning = "warning: public 87.1 is no macro_f1, which is 0 to 1; it is kept; to take it back, delete"
    assert warning in text and str(file) in text
    lines = file.read_text().splitlines(keepends=True)
    assert len(read_remarks(runs / "a").scores) == before + 2
    file.write_text("".join(lines[:-1]))
    assert [item.public for item in read_remarks(runs / "a").scores][before:] == [1.0]
    file.write_text("".join(lines[:-2]))


def test_a_score_without_a_complete_trial_has_no_out_of_fold_score(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no out-of-fold score" in said(capsys, 0, runs, "score", "failed", "--private", "0.3")
