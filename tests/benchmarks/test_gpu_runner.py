"""A stage that breaks, hangs, leaks or is cut spoils nothing else, and is said."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from benchmarks.gpu.budget import GRACE, START_S, Grant, grant
from benchmarks.gpu.limits import FAIL, NOT_RUN, PASS
from benchmarks.gpu.records import BROKEN, CUT, DONE, OVER, StageResult
from benchmarks.gpu.runner import run_all, run_one
from benchmarks.gpu.stages import DRY_S, STAGES, Stage, named
from orchestrator.core.errors import InputError

LONG = Grant(60.0, 240.0)


def ran(name: str, folder: Path, allowed: Grant = LONG) -> StageResult:
    stage = Stage(name, f"tests.support.gpu_stages:{name}", 1, checks=("resume",))
    root = str(Path(__file__).parents[2])
    return run_one(stage, allowed, folder, True, False, {**os.environ, "PYTHONPATH": root})


def test_a_stage_that_works_gives_its_findings(tmp_path: Path) -> None:
    result = ran("works", tmp_path)
    assert (result.ended, result.error, result.failed) == (DONE, "", False)
    assert [(item.name, item.status) for item in result.checks] == [("resume", PASS)]
    assert result.figures[0].ratio == 0.5
    assert result.facts == {"device": "cpu"}


def test_what_a_broken_stage_found_is_kept_and_its_last_line_says_what_broke_it(tmp_path: Path) -> None:
    result = ran("raises", tmp_path)
    assert (result.ended, result.failed) == (BROKEN, True)
    assert result.checks[0].status == PASS
    assert result.error.startswith("exit code 1: was encountered") or "illegal memory" in result.error
    assert "\x1b" not in result.error and "\n" not in result.error


def test_a_hanging_stage_is_ended_at_its_limit_and_owes_its_checks(tmp_path: Path) -> None:
    result = ran("hangs", tmp_path, Grant(0.1, 0.5))
    assert (result.ended, result.failed) == (OVER, True)
    assert "limit of 0 s" in result.error or "limit of 1 s" in result.error
    assert [(item.status, item.note) for item in result.checks] == [(NOT_RUN, "its stage is over its limit")]


def test_a_process_that_a_stage_leaves_behind_is_ended(tmp_path: Path) -> None:
    child = int(ran("leaves_a_process", tmp_path).facts["child"])
    ends_at = time.monotonic() + 60
    while alive(child):
        assert time.monotonic() < ends_at, "the child still runs"


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_part_for_which_no_time_was_left_is_said_and_no_failure(tmp_path: Path) -> None:
    result = ran("half", tmp_path)
    assert (result.ended, result.failed) == (CUT, False)
    assert result.notes == ("left out for want of time: the other half",)


def test_a_part_that_did_not_work_breaks_its_stage_and_a_missed_limit_fails(tmp_path: Path) -> None:
    result = ran("faulty", tmp_path)
    assert (result.ended, result.error) == (BROKEN, "a graph could not be captured")
    assert (result.checks[0].status, result.failed) == (FAIL, True)


def test_stages_after_one_that_cannot_end_in_time_are_cut_by_name(tmp_path: Path) -> None:
    stage = Stage("a", "tests.support.gpu_stages:works", 60, least=10, checks=("resume",))
    begun: list[str] = []
    results = list(run_all([stage], 20, tmp_path, True, False, {}, lambda item, _: begun.append(item.name)))
    assert begun == []
    assert (results[0].ended, results[0].failed) == (CUT, False)
    assert [(item.status, item.note) for item in results[0].checks] == [(NOT_RUN, "no time was left")]


@pytest.mark.parametrize(
    "wanted, least, left, expected",
    [
        (70, 5, 465, Grant(70, GRACE * 70 + START_S)),
        (70, 5, 100, Grant(70, 100)),  # never beyond what is left
        (70, 5, 40, Grant(40 - START_S, 40)),
        (70, 45, 40, None),
        (70, 5, 3, None),
    ],
)
def test_a_stage_gets_what_it_wants_of_what_is_left(
    wanted: float, least: float, left: float, expected: Grant | None
) -> None:
    assert grant(wanted, least, left) == expected


def test_all_stages_but_the_last_fit_into_the_eight_minutes_and_it_gets_what_is_left() -> None:
    from benchmarks.gpu.__main__ import MINUTES

    assert MINUTES < 8
    assert sum(stage.seconds + START_S / 2 for stage in STAGES[:-1]) <= 60 * MINUTES


def test_a_misspelt_stage_is_refused_with_a_suggestion_and_the_order_is_that_of_worth() -> None:
    with pytest.raises(InputError, match="--stages packin: no stage has this name; did you mean packing"):
        named(["packin"])
    assert [stage.name for stage in named(["packing", "correctness"])] == ["correctness", "packing"]


def test_every_check_of_a_stage_has_a_limit_and_every_limit_a_stage() -> None:
    from benchmarks.gpu.limits import LIMITS

    owed = [name for stage in STAGES for name in stage.checks]
    assert len(owed) == len(set(owed))
    assert set(owed) == set(LIMITS)


def test_only_a_stage_with_a_large_version_takes_longer_in_full() -> None:
    stages = {stage.name: stage for stage in STAGES}
    assert stages["oom"].wanted(dry=False, full=True) > stages["oom"].wanted(dry=False, full=False)
    assert stages["feed"].wanted(dry=False, full=True) == stages["feed"].seconds
    assert stages["oom"].wanted(dry=True, full=True) == DRY_S
