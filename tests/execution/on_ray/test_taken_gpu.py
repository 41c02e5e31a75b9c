"""A fold run that finds its GPU taken moves to another, or waits, and costs its trial nothing."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.core.events import EpochEnded, FoldRunKey, LegFailed
from orchestrator.core.trainable import Resources
from orchestrator.execution.gated_worker import GpuFree, GpuTaken
from orchestrator.execution.memory_pressure import AGAIN_S
from orchestrator.execution.on_ray.leg_scheduler import LegScheduler
from orchestrator.execution.on_ray.memory_guard import MemoryGuard
from orchestrator.execution.on_ray.slots import NodeSlots
from orchestrator.study.study import Study
from tests.execution.on_ray.test_leg_scheduler import Seen, scheduler_of
from tests.execution.on_ray.test_memory_guard import GIB, TWO, Machine
from tests.support.drawn_nvidia_smi import card, log, process, put_nvidia_smi
from tests.support.helpers import check_consistent, events, journal
from tests.support.tune_command import ROOT, command

BUSY = "AcceleratorError: CUDA error: CUDA-capable device(s) is/are busy or unavailable"


@pytest.fixture
def scheduler(study: Study) -> LegScheduler:
    machine = Machine(20 * GIB)
    made = scheduler_of(study, Seen(TWO), TWO)
    made._memory = MemoryGuard(machine, machine.clock)
    return made


def begin(scheduler: LegScheduler) -> FoldRunKey:
    found = scheduler.next()
    assert found is not None
    return found[0].leg.key


def taken(key: FoldRunKey) -> GpuTaken:
    return GpuTaken(key.trial, key.fold, 0, "others (julia) hold it")


def test_its_leg_goes_to_another_slot_and_the_one_it_leaves_is_given_to_nobody(
    scheduler: LegScheduler, study: Study, caplog: pytest.LogCaptureFixture
) -> None:
    key = begin(scheduler)
    with caplog.at_level(logging.WARNING):
        hold = scheduler.leave_gpu(taken(key))
    assert [line for line in caplog.messages if "finds its GPU taken: others (julia) hold it" in line]
    assert begin(scheduler) == key  # the same leg, at once, in the other slot
    assert scheduler.next() is None  # no third one: a process waits in the first
    assert scheduler._pool.usable_slots == 1
    scheduler.let_go(hold)
    assert begin(scheduler) != key
    [failed] = events(study.path, "leg_failed")
    assert (failed["failure"], failed["epoch"]) == ("crowded", 0)


def test_where_every_gpu_is_taken_it_waits_and_goes_on_with_the_first_that_is_free(
    scheduler: LegScheduler,
) -> None:
    first = begin(scheduler)
    holds = [scheduler.leave_gpu(taken(first)), scheduler.leave_gpu(taken(begin(scheduler)))]
    assert scheduler.next() is None
    scheduler.let_go(holds[1])
    assert begin(scheduler) == first


def test_however_often_a_gpu_is_taken_the_trial_goes_on(scheduler: LegScheduler, study: Study) -> None:
    for _ in range(20):
        scheduler.let_go(scheduler.leave_gpu(taken(begin(scheduler))))
    key = begin(scheduler)
    scheduler.report(EpochEnded(key.trial, key.fold, 1, 0.5, seconds=1.0))
    assert {event["failure"] for event in events(study.path, "leg_failed")} == {"crowded"}


def test_where_tune_ends_nobody_waits_any_more(scheduler: LegScheduler) -> None:
    scheduler.leave_gpu(taken(begin(scheduler)))
    scheduler.lost_all("Tune ended")
    assert {begin(scheduler), begin(scheduler)}


def test_a_gpu_that_another_has_to_itself_costs_no_try(scheduler: LegScheduler) -> None:
    guard = scheduler._memory
    assert guard is not None
    failed = LegFailed(0, 0, 0, "exception", BUSY)
    assert guard.judge_gpu(failed, TWO, 0) == "crowded"
    assert guard.judge_gpu(failed, TWO, 1) == "memory", "one of ours may have it: the next try is alone there"


def test_a_gpu_that_another_has_to_itself_is_tried_again_only_after_a_while() -> None:
    """A try costs a few lines of the journal, and there is no end to them."""
    machine = Machine(20 * GIB)
    guard = MemoryGuard(machine, machine.clock)
    slots = NodeSlots(Resources(1, 1.0), 1)
    assert guard.has_room(TWO, 0, slots)
    guard.judge_gpu(LegFailed(0, 0, 0, "exception", BUSY), TWO, 0)
    assert not guard.has_room(TWO, 0, slots)
    machine.time += AGAIN_S
    assert guard.has_room(TWO, 0, slots)


# ---- as Tune sees it --------------------------------------------------------------------------------


@pytest.mark.ray
def test_tunes_trial_stays_with_the_process_that_waits(scheduler: LegScheduler) -> None:
    from orchestrator.execution.on_ray.tune_adapter import _TuneScheduler, _TuneSearcher, encode

    searcher = _TuneSearcher(scheduler)
    tune_scheduler = _TuneScheduler(scheduler, searcher, own_ray=False)

    def told(trial: str, outcome: Any) -> str:
        given = SimpleNamespace(trial_id=trial, error_file=None)
        return tune_scheduler.on_trial_result(None, given, {"outcome": encode(outcome)})

    first = searcher.suggest("one")["assignment"].leg.key
    assert told("one", taken(first)) == "CONTINUE"
    assert searcher.suggest("two")["assignment"].leg.key == first
    assert told("one", taken(first)) == "CONTINUE"
    assert searcher.suggest("three") is None
    assert told("one", GpuFree(first.trial, first.fold)) == "STOP"
    assert searcher.suggest("three")["assignment"].leg.key != first
    # A process that dies as it waits gives its place back too.
    third = searcher.legs["three"][0].leg.key
    assert told("three", taken(third)) == "CONTINUE"
    tune_scheduler.on_trial_error(None, SimpleNamespace(trial_id="three", error_file=None))
    assert searcher.suggest("four")["assignment"].leg.key == third


@pytest.mark.ray
def test_a_study_that_is_done_waits_for_no_gpu(
    scheduler: LegScheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.execution.on_ray.tune_adapter import _TuneScheduler, _TuneSearcher, encode

    searcher = _TuneSearcher(scheduler)
    tune_scheduler = _TuneScheduler(scheduler, searcher, own_ray=False)
    told = encode(taken(searcher.suggest("one")["assignment"].leg.key))
    waiting = SimpleNamespace(trial_id="one", error_file=None)
    assert tune_scheduler.on_trial_result(None, waiting, {"outcome": told}) == "CONTINUE"
    monkeypatch.setattr(LegScheduler, "done", True)
    assert tune_scheduler.on_trial_result(None, waiting, {"outcome": told}) == "STOP"


@pytest.mark.ray
def test_on_a_real_ray_a_study_beside_a_taken_gpu_runs_on_the_other(
    space_file: Path, faces: Path, tmp_path: Path
) -> None:
    """Ray gives the first GPU that it believes free; other people's program is on that one."""
    theirs = card(0, used="80000 MiB", processes=process(os.getpid(), "julia", "79000 MiB"))
    put_nvidia_smi(tmp_path / "bin", log(theirs, card(1)))
    arguments = command(
        space_file, faces, tmp_path, "--study", "a", "--scale", "smoke", "--gpus-per-fold-run", "1"
    )
    environment = {
        **os.environ,
        "RAY_OVERRIDE_RESOURCES": '{"GPU": 2, "CPU": 2}',
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    }
    ended = subprocess.run(
        arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    failures = [event for event in journal(tmp_path / "a") if event["event"] == "leg_failed"]
    assert failures and {event["failure"] for event in failures} == {"crowded"}
    assert "julia" in failures[0]["error"]
    assert len(failures) == 1  # the process that met it waits there to the end
    check_consistent(tmp_path / "a", folds=2, max_t=2)
