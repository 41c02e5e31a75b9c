"""The pure rules of the stages: rates together, the roof, distances, the share of steps, who is judged."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.gpu import bare, data
from benchmarks.gpu.choice import share_of_best
from benchmarks.gpu.compiled import COMPILED, EAGER
from benchmarks.gpu.correctness import curve_distance, over, share_left, spread
from benchmarks.gpu.device_path import STEP_KINDS, Watch
from benchmarks.gpu.efficiency import share_of
from benchmarks.gpu.limits import NOT_RUN, PASS
from benchmarks.gpu.members import MemberError, Members, total_rate
from benchmarks.gpu.packing import MPS, PLAIN, as_the_tool_packs, config_of, judge
from benchmarks.gpu.records import Recorder, read_records
from benchmarks.gpu.setting import RESNET18, RESNET50, Case, dry_setting
from trainables.image_classifier import ImageClassifier
from trainables.images.image_store import build_store
from trainables.parameters import completed
from trainables.probe import _Size, drawn_pixels

pytestmark = pytest.mark.torch


def test_the_rate_of_all_is_the_sum_of_each_ones_own_epochs_inside_the_window() -> None:
    inside, late = (9.0, 100, 1.0), (11.0, 100, 50.0)
    assert total_rate([[inside, late], [inside, inside]], ends_at=10.0) == 200.0
    assert total_rate([[late]], ends_at=10.0) == 2.0  # its only one, which began inside


def test_validation_takes_next_to_nothing_of_what_is_measured(tmp_path: Path) -> None:
    size = _Size(4, 12, 5)
    made = drawn_pixels(tmp_path, 32, size, classes=3)
    made = replace(made, folds=np.arange(len(made.paths), dtype=np.int16) % data.FOLDS)
    few = data.rarely_validated(made, most=5)
    for fold in range(data.FOLDS):
        assert few.validation_rows(fold).tolist() == made.validation_rows(fold)[:5].tolist()
        assert len(few.training_rows(fold)) == len(made.paths) - 5
    assert data.rows_per_epoch(few, 0, 16) == (len(made.paths) - 5) // 16 * 16


@pytest.mark.parametrize(
    "distance, noise, expected", [(0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 2.0, 0.5), (1.0, 0.0, math.inf)]
)
def test_a_distance_is_held_against_the_noise_of_this_run(
    distance: float, noise: float, expected: float
) -> None:
    assert over(distance, noise) == expected


def test_distances_are_those_of_probabilities_and_of_whole_curves() -> None:
    one = np.zeros((2, 2), np.float32)
    assert spread(one, one + np.float32(0.5)) == 0.5
    assert curve_distance([2.0, 2.0], [2.2, 1.8]) == pytest.approx(0.1)


def test_memory_that_is_left_within_the_floor_counts_as_none() -> None:
    mib = 2**20
    assert share_left(200 * mib, 1000 * mib) == 0.0
    assert share_left(300 * mib, 1000 * mib) == pytest.approx(30.0)
    assert share_left(900 * mib, 600 * mib) == 100.0


def test_the_share_of_steps_leaves_the_first_two_out() -> None:
    spans = [(0.0, 0.1), (1.0, 1.1), (2.0, 2.9), (3.0, 3.9), (4.0, 4.9)]
    assert share_of(spans) == pytest.approx(2.7 / 2.9)
    assert share_of(spans[:1]) == 1.0


def test_what_a_fold_run_is_held_against_has_its_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[tuple[str, bool]] = []
    monkeypatch.setattr(bare, "use_kernels", lambda device, amp: chosen.append((device.type, amp)))
    bare.eager(Case("test_resnet", 32, 2), "cpu")
    assert chosen == [("cpu", True)]


def test_the_roof_is_the_largest_batch_that_still_brings_something(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {64: 100.0, 128: 150.0, 256: 152.0, 512: 400.0}
    monkeypatch.setattr(bare, "eager", lambda case, device: case.batch)
    monkeypatch.setattr(bare, "rate", lambda batch, device, seconds: rates[batch])
    assert bare.roof(RESNET18, "cpu", 1.0) == (152.0, 256)


def test_a_batch_that_does_not_fit_ends_the_search_for_the_roof(monkeypatch: pytest.MonkeyPatch) -> None:
    def rate(batch: int, device: str, seconds: float) -> float:
        if batch > 64:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 100.0

    monkeypatch.setattr(bare, "eager", lambda case, device: case.batch)
    monkeypatch.setattr(bare, "rate", rate)
    assert bare.roof(RESNET18, "cpu", 1.0) == (100.0, 64)


def judged(tmp_path: Path, rates: dict[Case, Any], against: dict[Case, Any]) -> dict[str, tuple[Any, ...]]:
    recorder = Recorder(tmp_path / "a.jsonl", dry=False)
    judge((RESNET18, RESNET50), rates, against, recorder)
    rows = read_records(tmp_path / "a.jsonl")
    return {row["name"]: (row["status"], row["value"]) for row in rows}


def test_packing_is_judged_as_the_tool_packs_with_mps_where_it_was_measured(tmp_path: Path) -> None:
    small = {PLAIN: {1: 100.0, 8: 200.0}, MPS: {8: 320.0}}
    large = {PLAIN: {1: 100.0, 2: 90.0, 8: 120.0}, MPS: {2: 101.0}}
    found = judged(
        tmp_path,
        {RESNET18: small, RESNET50: large},
        {RESNET18: {"graph": 200.0, "roof": 360.0}, RESNET50: {}},
    )
    assert found["8 resnet18 over one"] == (PASS, 3.2)
    assert found["8 resnet18 over a graph"] == (PASS, 1.6)
    assert found["8 resnet18 of the roof"] == (PASS, pytest.approx(320 / 360))
    assert found["resnet50 together"] == (PASS, 1.01)
    assert as_the_tool_packs(small) == {1: 100.0, 8: 320.0}


def test_what_was_not_measured_is_not_judged(tmp_path: Path) -> None:
    nothing: dict[str, dict[int, float]] = {PLAIN: {}, MPS: {}}
    found = judged(tmp_path, {RESNET18: nothing, RESNET50: nothing}, {RESNET18: {}, RESNET50: {}})
    assert {status for status, _ in found.values()} == {NOT_RUN}
    assert len(found) == 5


@pytest.mark.parametrize("chosen, share", [(8, 1.0), (4, 0.75), (16, 1.0), (3, 0.5), (1, 0.25)])
def test_a_chosen_number_is_held_against_the_best_of_all(chosen: int, share: float) -> None:
    assert share_of_best({1: 1.0, 2: 2.0, 4: 3.0, 8: 4.0}, chosen) == share


def test_what_was_never_measured_has_no_best() -> None:
    assert share_of_best({}, 4) is None


def test_every_kind_of_step_can_be_built_on_the_drawn_faces(tmp_path: Path) -> None:
    setting = dry_setting(tmp_path, 60.0)
    faces = data.dataset(setting)
    build_store(faces, setting.learns.size)
    for more in STEP_KINDS.values():
        ImageClassifier(faces, 0, config_of(setting.learns, **more), 3, 0, setting.resources()).close()


def test_both_ways_to_compile_are_known_to_the_classifier() -> None:
    for way in (EAGER, COMPILED):
        completed({"compile": way})


def test_each_step_and_each_batch_is_watched() -> None:
    from trainables.feed.fold_loader import FoldLoader
    from trainables.optimisation.train_step import Step

    watch, before = Watch("cpu"), (Step.__call__, FoldLoader.training)
    with watch.over_steps():
        assert (Step.__call__, FoldLoader.training) != before
        with contextlib.suppress(AttributeError):  # of the steps alone, without a network
            Step.__call__(Step.__new__(Step), [])
    assert watch.calls == 1
    assert (Step.__call__, FoldLoader.training) == before


def test_a_member_that_dies_is_an_error_and_the_others_end() -> None:
    with Members(1, patience_s=60.0, imports=()) as members:
        members._processes[0].kill()
        with pytest.raises(MemberError, match="its process has died"):
            members.curve([0], 1)
        assert not members.usable


def test_records_of_a_stage_are_lines_of_json(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "a.jsonl", dry=True)
    recorder.fact("rates", {"resnet18": {PLAIN: {1: 2.0}}})
    assert json.loads((tmp_path / "a.jsonl").read_text())["value"] == {"resnet18": {PLAIN: {"1": 2.0}}}
