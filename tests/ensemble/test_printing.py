"""What the command prints: the answer first, tables of 80 columns, nothing that is not so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.ensemble.__main__ import main
from orchestrator.ensemble.answer_lines import beaten_lines
from orchestrator.ensemble.composing import FittedTerm, Options
from orchestrator.ensemble.scoring import MemberScores, TermScores
from orchestrator.evaluation.choose_vote import Considered, choose_vote
from orchestrator.evaluation.fold_scores import FoldScores
from orchestrator.evaluation.gate import Gate
from tests.evaluation.pools import drawn_pool
from tests.support.drawn_study import draw_study
from tests.support.ensemble_command import record


def member(number: int, name: str, score: float) -> MemberScores:
    return MemberScores(number, name, 0.5, score, FoldScores({0: score, 1: score}, score, 0.0))


def losing_vote(gain: float) -> tuple[TermScores, FittedTerm]:
    """A vote of all rows below its best member, that gained so much on rows it was not fitted to."""
    choice = choose_vote(drawn_pool(0, [1.0, 1.0]), kind="soft")
    scored = TermScores(
        (member(0, "trial 0", 0.8), member(1, "trial 1", 0.7)), member(-1, "uniform vote of 2", 0.79)
    )
    considered = (
        Considered("trial 0", 0.78, Gate(0.0, 0.0, True, "the best trial alone")),
        Considered("uniform vote of 2", 0.78 + gain, Gate(gain, 0.02, True, "no worse")),
    )
    return scored, FittedTerm("uniform vote of 2", choice.fitted, choice.answers, considered)


@pytest.mark.parametrize(
    ("gain", "vote", "said"),
    [
        (0.01, "auto", "on rows that it was not fitted to it is the better one"),
        (-0.01, "auto", "it is worse by 0.0100, which is within one standard error (0.0200)"),
        (0.0, "auto", "it is no better, which is within one standard error"),
        (-0.01, "soft", "--vote auto chooses between them"),
    ],
)
def test_why_a_vote_below_its_best_member_stays_is_said_as_it_is(gain: float, vote: str, said: str) -> None:
    (line,) = beaten_lines(*losing_vote(gain), "max", Options(vote))
    assert line.startswith(
        "note: the uniform vote of 2 (0.7900 mean of folds) is worse than trial 0 alone (0.8000)"
    )
    assert said in line and ("the better one" in line) == (vote == "auto" and gain > 0)


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_the_answer_and_its_estimates_come_before_how_they_came_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_study(tmp_path / "plain", trials=6)
    out = tmp_path / "e"
    assert (
        main(
            ["--runs", str(tmp_path), "--study", "plain", "--out", str(out), "--repeats", "3", "--no-report"]
        )
        == 0
    )
    said, stored = printed(capsys), record(out)
    at = next(number for number, line in enumerate(said) if line.startswith("answer: "))
    taken = stored["choice"]["steps"][0]["taken"]
    assert taken in said[at]
    most = stored["estimates"][-1]
    assert said[at + 1] == (
        f"  macro_f1 to expect of new images: {most['score']:.4f} "
        f"(95% interval {most['low']:.4f} to {most['high']:.4f})"
    )
    gained = next(item for item in stored["choice"]["steps"][0]["considered"] if item["name"] == taken)
    assert f"{abs(gained['gain']):.4f}" in said[at + 2] or "no vote of several gains" in said[at + 2]
    first_table = next(number for number, line in enumerate(said) if line.startswith("┏"))
    for item in stored["estimates"]:
        line = next(number for number, text in enumerate(said) if text.startswith(f"{item['title']}: "))
        assert at < line < first_table and item["summary"] and item["meaning"]
    assert all(len(line.rstrip()) <= 80 for line in said if line[:1] in "┏┃┡│├└")  # a log, which has no edge
    before, after = (stored["choice"]["calibration"][when] for when in ("before", "after"))
    whole = " ".join(" ".join(said).split())
    for name, key in (("log loss", "nll"), ("Brier score", "brier"), ("ECE", "ece")):
        assert f"{name} {before[key]:.4f} to {after[key]:.4f}" in whole


def test_one_trial_of_two_folds_is_told_on_one_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_study(tmp_path / "one", trials=1, folds=2)
    assert main(["--runs", str(tmp_path), "--study", "one", "--repeats", "2", "--no-report"]) == 0
    said = printed(capsys)
    assert "answer: trial 0 alone" in said
    assert sum("trial 0" in line for line in said) == 2  # its line in the table is the other one
    assert len(said) <= 51


def test_a_study_that_still_runs_says_why_its_race_cannot_be_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_study(tmp_path / "running", state="running", most=30)
    assert main(["--runs", str(tmp_path), "--study", "running", "--repeats", "2", "--no-report"]) == 0
    said = printed(capsys)
    at = said.index("BBC macro_f1, whole race: none")
    assert said[at + 1].startswith("  Not made: no trial's predictions were kept of every fold and epoch")


def test_resamples_that_an_estimate_could_not_use_are_told_where_it_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With few groups a part that is left out may hold no row of a second class."""
    study = draw_study(
        tmp_path / "few", trials=4, classes=2, rows=40, rows_per_group=5, metric="roc_auc", seed=2
    )
    words = ["--runs", str(tmp_path), "--study", str(study), "--out", str(tmp_path / "e"), "--no-report"]
    assert main([*words, "--vote", "soft", "--calibrate", "none", "--repeats", "40"]) == 0
    said, told = " ".join(" ".join(printed(capsys)).split()), 0
    for item in record(tmp_path / "e")["estimates"]:
        note = re.search(r"roc_auc is undefined on \d+ of \d+ resamples", item["meaning"])
        if note is not None:
            told += 1
            assert f". {note[0]}" in item["summary"]
            assert f"{item['title']}: {item['score']:.4f}" in said and note[0] in said
    assert told >= 1


def test_a_long_name_without_a_gap_is_shown_whole_in_tables_of_80_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two studies may differ in the end of their names alone."""
    names = [f"small-images-of-leaves-with-all-augmentations-{end}" for end in ("monday", "tuesday")]
    for name in names:
        draw_study(tmp_path / name, trials=3)
    studies = [str(tmp_path / name) for name in names]
    words = ["--runs", str(tmp_path), "--study", *studies, "--vote", "soft", "--top", "3"]
    assert main([*words, "--out", str(tmp_path / "e"), "--repeats", "2", "--no-report"]) == 0
    lines = [line for line in printed(capsys) if line[:1] in "┏┃┡│├└"]
    assert all(len(line.rstrip()) <= 80 for line in lines) and not any("…" in line for line in lines)
    rows = [[cell.strip() for cell in line.split("│")] for line in lines if line.startswith("│")]
    members = "".join(row[1].replace(" ", "") for row in rows)
    assert all(f"{name}trial" in members for name in names)
