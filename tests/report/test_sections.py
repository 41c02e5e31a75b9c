"""What the sections of a report say of drawn studies whose truth is known, and of strange ones."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.check.__main__ import parser as check_parser
from orchestrator.core.events import EpochEnded, Event, LegStarted
from orchestrator.core.finding import Level
from orchestrator.core.finding_codes import coded
from orchestrator.data.importers.contract import AS_FOUND, Reading
from orchestrator.ensemble import build_ensemble
from orchestrator.inputs.data_options import reading_of
from orchestrator.pages.blocks import Block, Code, Columns, Findings, Link, Table, Text
from orchestrator.pages.figures import IntervalChart, LineChart, ScatterChart
from orchestrator.report.commands import mending_steps, tune_command
from orchestrator.report.context import ReportContext
from orchestrator.report.page import SECTIONS, report_page
from orchestrator.report.sections import answer, checks, curves, data, errors, race, reproduce
from orchestrator.report.sections.race import level_points
from orchestrator.report.sections.side_by_side import side_by_side
from orchestrator.snapshot import StudySnapshot, take_snapshot
from orchestrator.study.remarks import LeaderboardScore, add_note, add_score
from orchestrator.tune.__main__ import parser as tune_parser
from tests.support.drawn_study import draw_study


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> StudySnapshot:
    return take_snapshot(draw_study(tmp_path_factory.mktemp("drawn") / "age", seed=3))


def context_of(*snapshots: StudySnapshot) -> ReportContext:
    return ReportContext(snapshots, tuple(() for _ in snapshots), None)


def words(blocks: tuple[Block, ...]) -> str:
    """Everything that plain text and tables say."""
    said: list[str] = []
    for block in blocks:
        if isinstance(block, Text):
            for sentence in (*block.paragraphs, *block.items):
                parts = (sentence,) if isinstance(sentence, str) else sentence
                said += [part.text if isinstance(part, Link) else part for part in parts]
        elif isinstance(block, Table):
            said += [block.note, *(str(cell) for row in block.rows for cell in row)]
        elif isinstance(block, Code):
            said += [block.text, block.note]
        elif isinstance(block, Columns):
            said += [words(tuple(column)) for column in block.columns]
    return "\n".join(said)


def table(blocks: tuple[Block, ...], title: str) -> Table:
    return next(block for block in blocks if isinstance(block, Table) and block.title == title)


# ---- answer ----


def test_without_an_ensemble_the_answer_is_the_best_trial_and_says_that_its_score_flatters(
    drawn: StudySnapshot,
) -> None:
    assert drawn.best is not None
    said = words(answer.blocks(context_of(drawn)))
    assert f"Use trial {drawn.best.number}: macro_f1 {drawn.best.score:.4f}" in said
    assert "flatters" in said and f"orchestrator.ensemble --study {drawn.path}" in said
    charts = [block for block in answer.blocks(context_of(drawn)) if isinstance(block, IntervalChart)]
    chart = next(chart for chart in charts if chart.title == "Estimates side by side")
    assert chart.intervals[0].value == pytest.approx(drawn.best.score)


def test_findings_that_make_a_score_worth_less_stand_beside_it(drawn: StudySnapshot) -> None:
    odd = coded("FO121", Level.WARNING, "12 images are copies", "keep one each")
    fine = coded("FO111", Level.OK, "none", "")
    context = ReportContext((drawn,), ((odd, fine),), None)
    blocks = answer.blocks(context)
    (told,) = [block for block in blocks if isinstance(block, Findings)]
    assert told.findings == [odd] and told.brief
    assert "Use trial" in words(blocks) and "with this 1 finding in mind" in words(blocks)
    assert "1 worth a look" in words(checks.blocks(context))


def leaking(snapshot: StudySnapshot) -> ReportContext:
    """Rows of two folds are found to be copies."""
    assert snapshot.fold_plan is not None
    one, other = (int((snapshot.fold_plan.folds == fold).argmax()) for fold in (0, 1))
    grave = coded("FO009", Level.BLOCKS, "1 image in another fold", "give one group", pairs=[(one, other)])
    return ReportContext((snapshot,), ((grave,),), None)


def test_a_score_that_does_not_hold_is_no_headline_and_what_mends_it_comes_first(
    drawn: StudySnapshot,
) -> None:
    blocks = answer.blocks(leaking(drawn))
    head = blocks[0]
    assert isinstance(head, Text) and drawn.best is not None
    first, record = map(str, head.paragraphs)
    score = f"{drawn.best.score:.4f}"
    assert score not in first and "No score of this study holds" in first and "Use trial" not in words(blocks)
    assert score in record and "not to be believed" in record
    check, tune, last = [block for block in blocks if isinstance(block, Code)]
    source = drawn.header.manifest["source"]
    writes = check_parser().parse_args(shlex.split(check.text)[3:])
    assert writes.data == source and str(writes.write_groups) == "age-grouped.csv"
    asked = tune_parser().parse_args(shlex.split(tune.text)[3:])
    assert asked.data == "age-grouped.csv" and asked.space == drawn.header.space_file
    assert "orchestrator.ensemble" in last.text and "Not before what stands above is mended" in last.note


def test_where_copies_lie_in_several_folds_no_section_says_that_models_never_saw_the_rows(
    drawn: StudySnapshot,
) -> None:
    for section in (answer, errors, data):
        said = words(section.blocks(leaking(drawn)))
        flatter = "flatter: 1 image lies in another fold than a copy (FO009)"
        assert flatter in said and ", but " in said
        assert "FO009" not in words(section.blocks(context_of(drawn)))


def test_of_what_only_looks_like_a_copy_it_is_not_certain(drawn: StudySnapshot) -> None:
    context = leaking(drawn)
    unsure = replace(context.findings[0][0], level=Level.WARNING)
    said = words(answer.blocks(replace(context, findings=((unsure,),))))
    assert "All of these numbers may flatter" in said and "Use trial" in said


def test_copies_in_one_fold_make_no_number_flatter(drawn: StudySnapshot) -> None:
    assert drawn.fold_plan is not None
    one, other = (drawn.fold_plan.folds == 0).nonzero()[0][:2].tolist()
    apart = coded("FO009", Level.WARNING, "1 image in another group", "give one group", pairs=[(one, other)])
    said = words(answer.blocks(ReportContext((drawn,), ((apart,),), None)))
    assert "All of these numbers" not in said and "Use trial" in said


def test_scores_of_each_fold_stand_beside_their_mean(drawn: StudySnapshot) -> None:
    (chart,) = [
        block
        for block in answer.blocks(context_of(drawn))
        if isinstance(block, IntervalChart) and block.title == "Score on each fold"
    ]
    assert drawn.best is not None
    assert {item.label: item.value for item in chart.intervals} == {
        f"fold {best.fold}": best.score for best in drawn.best.bests
    }
    assert chart.reference == pytest.approx(drawn.best.score)


def test_what_was_not_looked_at_has_a_table_of_its_own(drawn: StudySnapshot) -> None:
    seen, unseen = coded("FO111", Level.OK, "none"), coded("FO013", Level.OK, "not looked at: no check")
    blocks = checks.blocks(ReportContext((drawn,), ((seen, unseen),), None))
    assert [row[0] for row in table(blocks, "Looked at, and nothing found").rows] == ["FO111"]
    assert table(blocks, "Not looked at").rows == (("FO013", unseen.topic, "no check"),)


@pytest.mark.parametrize(
    ("state", "command"),
    [("running", "tune --resume"), ("interrupted", "tune --resume"), ("failed", "--retry-failed")],
)
def test_where_nothing_is_complete_it_says_so_and_what_to_do(
    tmp_path: Path, state: str, command: str
) -> None:
    snapshot = take_snapshot(draw_study(tmp_path / "a", state=state))
    said = words(answer.blocks(context_of(snapshot)))
    assert "nothing to use yet" in said and command in said


# ---- race ----


def test_a_trial_has_a_point_wherever_its_folds_stand_level() -> None:
    events: list[Event] = [LegStarted(0, 1, 0, 2), EpochEnded(0, 1, 1, 0.5), EpochEnded(0, 1, 2, 0.4)]
    events += [LegStarted(0, 0, 0, 2), EpochEnded(0, 0, 1, 0.1), EpochEnded(0, 0, 2, 0.3)]
    assert level_points(events, larger_is_better=True) == {0: {1: 0.5, 2: 0.5, 4: pytest.approx(0.4)}}
    assert level_points(events, larger_is_better=False) == {0: {1: 0.5, 2: 0.4, 4: pytest.approx(0.25)}}


def test_epochs_that_a_retry_replaced_are_no_points() -> None:
    events: list[Event] = [LegStarted(0, 0, 0, 3), EpochEnded(0, 0, 1, 0.5), EpochEnded(0, 0, 2, 0.9)]
    events += [LegStarted(0, 0, 1, 3), EpochEnded(0, 0, 2, 0.6)]
    assert level_points(events, larger_is_better=True) == {0: {1: 0.5, 2: 0.6}}


def test_the_race_says_of_every_trial_where_and_why_it_ended(drawn: StudySnapshot) -> None:
    blocks = race.blocks(context_of(drawn))
    ends = table(blocks, "Who ended where, and why")
    assert [row[0] for row in ends.rows] == [item.trial for item in drawn.statuses] == list(ends.trials)
    reasons = {item.trial: item.reason for item in drawn.statuses}
    assert all(row[-1] == reasons[row[0]] for row in ends.rows) and all(reasons.values())
    ways = next(block for block in blocks if isinstance(block, LineChart))
    assert len(ways.lines) == len(drawn.statuses)
    best = next(line for line in ways.lines if line.trial == drawn.best.number)  # type: ignore[union-attr]
    assert best.x[-1] == 3 * 4 and best.y[-1] == pytest.approx(drawn.best.score)  # type: ignore[union-attr]
    rungs = table(blocks, "Rungs")
    assert rungs.rows[0][-1] == 12 and rungs.rows[-1][-1] == 3
    assert f"{drawn.spent} fold-epochs" in words(blocks) and "144" in words(blocks)


# ---- curves ----


def test_curves_have_a_panel_for_each_fold_and_mark_the_kept_epoch(drawn: StudySnapshot) -> None:
    scores, losses = curves.blocks(context_of(drawn))
    assert isinstance(scores, LineChart) and isinstance(losses, LineChart)
    assert scores.facets == ("fold 0", "fold 1", "fold 2")
    assert drawn.best is not None
    for kept in drawn.best.bests:
        line = next(
            item
            for item in scores.lines
            if (item.trial, item.facet) == (drawn.best.number, f"fold {kept.fold}")
        )
        assert line.mark_x == (float(kept.epoch),) and line.y[kept.epoch - 1] == kept.score
    assert {line.group for line in losses.lines} == {"training loss", "validation loss"}


# ---- reproduce ----


def test_the_command_of_a_search_asks_for_the_same_again(tmp_path: Path) -> None:
    """Read back by tune's own parser, each option says what the header says."""
    snapshot = take_snapshot(draw_study(tmp_path / "a", fault="edge", seed=5))
    command = shlex.split(tune_command(snapshot))
    assert command[:3] == ["python", "-m", "orchestrator.tune"]
    asked = tune_parser().parse_args(command[3:])
    header = snapshot.header
    assert (asked.seed, asked.trials, asked.max_epochs, asked.scale) == (5, 12, 4, header.scale)
    assert asked.space == header.space_file and asked.data == header.manifest["source"]
    assert asked.tries == ["lr=0.097"] and asked.study != header.name


def test_commands_on_the_same_data_read_them_as_the_search_did(tmp_path: Path) -> None:
    snapshot = take_snapshot(draw_study(tmp_path / "a"))
    reading = Reading(
        "photo", (Path("my images"), Path("more")), "-1.jpg", Path("labels.csv"), "^([a-z]+)_", "_(p[0-9]+)"
    )
    recorded = replace(reading, data_root=Path("/else where")).to_json()
    snapshot.study.header = replace(
        snapshot.header, manifest={**snapshot.header.manifest, "reading": recorded}
    )
    again = tune_parser().parse_args(shlex.split(tune_command(snapshot))[3:])
    assert reading_of(again) == reading and again.data_root == Path("/else where")
    copies = coded("FO009", Level.BLOCKS, "1 image in another fold", "give one group", pairs=[(0, 1)])
    writes, searches = mending_steps(snapshot, (copies,))
    assert reading_of(check_parser().parse_args(shlex.split(writes.command)[3:])) == reading
    asked = tune_parser().parse_args(shlex.split(searches.command)[3:])  # of a table that has all of it
    assert reading_of(asked) == AS_FOUND


def test_digests_seeds_and_what_nobody_recorded_are_told(drawn: StudySnapshot) -> None:
    said = words(reproduce.blocks(context_of(drawn)))
    header = drawn.header
    for fact in (header.rows_fingerprint, header.fold_plan, "0123456789ab", "loguniform 0.0001 to 0.1"):
        assert fact in said
    assert drawn.best is not None and drawn.best.bests[0].weights_digest in said
    assert dict(table(reproduce.blocks(context_of(drawn)), "What was run").rows)["energy"] == "not recorded"


def test_what_could_not_be_read_is_told_in_the_end(tmp_path: Path) -> None:
    path = draw_study(tmp_path / "a")
    (path / "manifest.parquet").unlink()
    page = report_page(context_of(take_snapshot(path)))
    assert "manifest.parquet" in words(page.sections[-1].blocks)


# ---- side by side ----


def test_studies_side_by_side_say_what_differs_and_which_is_better(tmp_path: Path) -> None:
    one = take_snapshot(draw_study(tmp_path / "good", seed=3))
    two = take_snapshot(draw_study(tmp_path / "weak", seed=3, fault="weak"))
    blocks = answer.blocks(context_of(one, two))
    rows = table(blocks, "Studies side by side").rows
    assert [row[0] for row in rows] == ["good", "weak"]
    chart = next(block for block in blocks if isinstance(block, IntervalChart) and block.reference == 0.0)
    assert all(item.high is not None and item.high < 0 for item in chart.intervals)
    assert one.best is not None
    assert f"good trial {one.best.number} is better" in words(blocks)


def test_studies_of_other_rows_have_no_paired_difference_and_it_says_why(tmp_path: Path) -> None:
    one = take_snapshot(draw_study(tmp_path / "a", rows=240))
    two = take_snapshot(draw_study(tmp_path / "b", rows=200))
    said = words(answer.blocks(context_of(one, two)))
    assert "no paired difference" in said and "different rows" in said


# ---- a leaderboard ----


def test_scores_of_a_leaderboard_stand_against_those_out_of_fold(tmp_path: Path) -> None:
    path = draw_study(tmp_path / "a")
    before = answer.blocks(context_of(take_snapshot(path)))
    assert not any(isinstance(block, ScatterChart) for block in before)
    for number, (oof, public) in enumerate([(0.7, 0.6), (0.71, 0.62), (0.72, 0.61), (0.8, 0.7)]):
        add_score(path, LeaderboardScore(0.0, public, None, "macro_f1", oof, None, None, "bbc", f"e{number}"))
    add_score(path, LeaderboardScore(0.0, 0.5, 0.4, "accuracy", 0.9, None, None, "bbc", "other metric"))
    add_note(path, "the fourth had the new crops")
    snapshot = take_snapshot(path)
    blocks = answer.blocks(context_of(snapshot))
    chart = next(block for block in blocks if isinstance(block, ScatterChart))
    assert [(point.x, point.y) for point in chart.points][-1] == (0.8, 0.7) and len(chart.points) == 4
    assert "rank correlation +0.80" in chart.note  # of 1 2 3 4 with 1 3 2 4
    assert len(table(blocks, "Scores of a leaderboard").rows) == 5
    assert "the fourth had the new crops" in words(reproduce.blocks(context_of(snapshot)))


def test_leaderboard_scores_of_other_rows_are_no_points(tmp_path: Path) -> None:
    paths = [draw_study(tmp_path / "a"), draw_study(tmp_path / "b", rows=120)]
    for path in paths:
        add_score(path, LeaderboardScore(0.0, 0.6, None, "macro_f1", 0.7, None, None, "bbc", "e"))
    blocks = answer.blocks(context_of(*map(take_snapshot, paths)))
    [chart] = [block for block in blocks if isinstance(block, ScatterChart)]
    assert [point.label for point in chart.points] == ["a, e"]
    assert len(table(blocks, "Scores of a leaderboard").rows) == 2


# ---- strange studies ----

STRANGE = {
    "running": {"state": "running"},
    "not begun": {"state": "running", "most": 0},
    "interrupted": {"state": "interrupted"},
    "failures alone": {"state": "failed"},
    "one trial": {"trials": 1},
    "one epoch": {"max_t": 1},
    "one group a row": {"rows_per_group": 1},
    "two classes": {"classes": 2, "metric": "roc_auc"},
    "losses": {"metric": "log_loss"},
    "strange names": {"classes": ("<b>", "=1+1", "\x1b[31m"), "paths": ("<img src=x>.png", "a\nb.png")},
}


@pytest.mark.parametrize("kind", STRANGE)
def test_no_section_raises_for_a_strange_study(tmp_path: Path, kind: str) -> None:
    snapshot = take_snapshot(draw_study(tmp_path / "a", **STRANGE[kind]))  # type: ignore[arg-type]
    context = context_of(snapshot)
    for section in SECTIONS:
        assert isinstance(section.blocks(context), tuple)


@pytest.mark.parametrize(
    "gone", ["manifest.parquet", "folds.parquet", "oof", "checkpoints", "trials.parquet"]
)
def test_no_section_raises_where_files_are_gone(drawn: StudySnapshot, tmp_path: Path, gone: str) -> None:
    path = draw_study(tmp_path / "a")
    lost = path / gone
    if lost.is_dir():
        for file in sorted(lost.rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
    else:
        lost.unlink()
    context = context_of(take_snapshot(path), drawn)
    for section in SECTIONS:
        assert isinstance(section.blocks(context), tuple)


def test_what_flatters_is_said_to_and_stands_in_no_chart_of_corrected_scores(tmp_path: Path) -> None:
    one, other = (take_snapshot(draw_study(tmp_path / name, seed=1)) for name in "ab")
    blocks = side_by_side(context_of(one, other))
    assert all("which flatters" in str(row[2]) for row in table(blocks, "Studies side by side").rows)
    assert not [item for item in blocks if getattr(item, "title", "") == "Corrected scores"]
    assert "chosen on these rows, which no interval counts in" in words(blocks)


def test_a_naive_estimate_of_an_ensemble_is_not_said_to_be_of_new_images(tmp_path: Path) -> None:
    path = draw_study(tmp_path / "a", seed=1)
    build_ensemble(path, repeats=4)
    snapshot = take_snapshot(path)
    assert snapshot.ensemble is not None
    naive = snapshot.ensemble.record.estimates["naive"]
    [said] = answer.lead(snapshot, [naive])
    assert "flatters" in str(said) and "new images" not in str(said)
