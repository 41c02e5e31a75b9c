"""What the image classifier says that its fold runs cost, against a fold run and by its own rules."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestrator.core.choices import TTA
from orchestrator.core.fold_run_cost import FoldRunCost
from orchestrator.core.trainable import Resources
from orchestrator.execution import probe_run
from orchestrator.execution.probe_cases import chosen_cases, space_cases
from orchestrator.execution.probe_run import ProbeRun
from trainables.cost_estimate import shapes_of
from trainables.feed.placement import Memory
from trainables.image_classifier import ImageClassifier
from trainables.images.tta import views, views_of
from trainables.parameters import PARAMETERS, completed
from trainables.probe import VALIDATED, _on_gpu, _Runs, batch_in_time, images_beside, probe

pytestmark = pytest.mark.torch

MIB = 2**20
SMALL = {"backbone": "test_resnet", "image_size": 32, "batch_size": 8}
TRUE_WITHIN = 0.15


def config(**given: Any) -> dict[str, Any]:
    return completed({**SMALL, **given})


def nothing() -> None: ...


# ---- measured -------------------------------------------------------------------------------------


FOLD_RUN = """
import sys
from pathlib import Path
from orchestrator.core.events import Leg
from orchestrator.core.own_memory import own_peak_unshared, own_unshared
from orchestrator.core.trainable import Resources
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.storage.directory import DirectoryStore

base = own_unshared()
from tests.support.drawn_images import write_dataset

folder = Path(sys.argv[1])
dataset = write_dataset(folder, rows=72)
worker = FoldRunWorker(
    dataset, "trainables.image_classifier:ImageClassifier", DirectoryStore(folder), Resources()
)
config = {"backbone": "test_resnet", "image_size": 64, "batch_size": 24, "ema_decay": 0.9}
worker.start(LegAssignment(Leg(0, 0, 0, 3), config, 3, 0, None))
for _ in range(3):
    assert type(worker.step()).__name__ == "EpochEnded"
print(base, own_peak_unshared())
"""


def test_a_probe_in_a_process_of_its_own_tells_what_a_fold_run_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However slow the machine is just now: the batch is measured whole, and nothing ends the probe."""
    monkeypatch.setattr(probe_run, "LIMIT_S", 240.0)
    command = [sys.executable, "-c", FOLD_RUN, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    base, truth = map(int, done.stdout.split())
    request = {
        "trainable": "trainables.image_classifier:ImageClassifier",
        "config": {"backbone": "test_resnet", "image_size": 64, "batch_size": 24, "ema_decay": 0.9},
        "classes": 3,
        "rows": 72,
        "resources": {"cpus": 1, "gpus": 0.0},
        "seconds": 200.0,
        "base_bytes": base,
    }
    with ProbeRun(request) as run:
        assert run.warm() is None
        found = run.cost()
    assert isinstance(found, FoldRunCost)
    assert found.resident_bytes == pytest.approx(truth, rel=TRUE_WITHIN)
    assert found.step_s > 0 and found.images_per_second == pytest.approx(24 / found.step_s)


@pytest.mark.parametrize(
    "given",
    [
        {"sam_rho": 0.05, "ema_decay": 0.9, "accumulate": 3},
        {"tta": "five_crop_flip", "optimizer": "sgd", "momentum": 0.0},
        {"head": "mlp", "head_hidden": 8, "loss": "corn", "class_weights": "balanced", "branches": True},
        {"one_row_per": "look", "train_edges": "30,60", "sampler": "oversample_groups", "metric": 1},
    ],
)
def test_whatever_it_is_trained_with_it_is_measured(given: dict[str, Any]) -> None:
    """Losses, samplers and the like of other columns say nothing of costs and are left out."""
    met: list[int] = []
    full = {**config(), **given}
    found = probe(ImageClassifier, full, 4, 100, Resources(), 0.2, lambda: met.append(1))
    assert found.resident_bytes > 0 and found.device_bytes == 0 and met == [1]
    assert found.images_per_second * found.step_s == pytest.approx(8 * full["accumulate"])


def test_one_whose_batch_takes_too_long_is_measured_at_a_smaller_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainables.probe._kept_per_second", lambda: 1e5)
    trained: list[int] = []

    class Noted(ImageClassifier):
        def __init__(self, dataset: Any, fold: int, config: Any, *others: Any) -> None:
            trained.append(config["batch_size"])
            super().__init__(dataset, fold, config, *others)

    found = probe(Noted, config(batch_size=512), 4, 100, Resources(), 5.0, nothing)
    assert len(trained) == 1 and 2 <= trained[0] < 64
    small = probe(ImageClassifier, config(batch_size=trained[0]), 4, 100, Resources(), 5.0, nothing)
    kept = shapes_of(config(), 4, 512).kept - shapes_of(config(), 4, trained[0]).kept
    assert found.resident_bytes - small.resident_bytes > 0.5 * kept


def test_the_largest_batch_that_takes_so_long_never_below_two_rows() -> None:
    rows = 2 * 64 + VALIDATED / 3
    assert batch_in_time(1.0, rows, 1.0, 64, 1, 1) == 64
    assert batch_in_time(1.0, rows, 0.5, 64, 1, 1) == 32
    assert batch_in_time(1.0, rows, 1e-9, 64, 1, 1) == 2
    assert batch_in_time(1.0, rows, 1.0, 64, 2, 1) < 40 > batch_in_time(1.0, rows, 1.0, 64, 1, 10)


# ---- on a GPU, up to the last line -----------------------------------------------------------------


def test_what_a_gpu_holds_is_the_allocators_peak_above_what_stays(tmp_path: Path) -> None:
    """On CPU tensors: CUDA's allocator and memory are given as numbers."""
    peaks = chain([500 * MIB], repeat(400 * MIB))  # a fold run may forget its peak
    met: list[int] = []
    resources = Resources(1, 0.5)
    runs = _Runs(ImageClassifier, config(), 4, resources, tmp_path, lambda: (next(peaks), 20 * MIB))
    found = _on_gpu(runs, 10_000, 1.0, lambda: met.append(1), Memory(2**33, 2**33))
    images = (10_000 - (16 * 8 + 64)) * 32 * 32 * 3
    assert found.device_bytes == 480 * MIB + images
    assert len(met) == 1 and found.images_per_second > 0


def test_fold_runs_that_are_timed_together_only_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one writes its files the others would have the GPU to themselves, and all look faster."""
    done: list[str] = []
    monkeypatch.setattr(_Runs, "_store", lambda self, run: done.append("stored"))
    runs = _Runs(ImageClassifier, config(), 4, Resources(1, 0.5), tmp_path)
    _on_gpu(runs, 1000, 0.2, lambda: done.append("met"), Memory(2**33, 2**33))
    assert set(done[:-1]) == {"stored"} and done[-1] == "met"


@pytest.mark.parametrize(
    "augment_on, total, beside", [("auto", 2**33, 900), ("cpu", 2**33, 0), ("device", 2**20, 0)]
)
def test_images_count_where_they_lie_on_the_gpu(augment_on: str, total: int, beside: int) -> None:
    found = images_beside(config(augment_on=augment_on), 1000, 100, Memory(total, total), 1.0)
    assert found == beside * 32 * 32 * 3


# ---- by shapes ------------------------------------------------------------------------------------


def estimate(**given: Any) -> int:
    return ImageClassifier.cost_estimate(config(**{"batch_size": 64, **given}), 4, Resources())


def test_an_estimate_grows_with_all_that_takes_memory() -> None:
    plain = estimate()
    for more in (
        {"batch_size": 128},
        {"image_size": 96},
        {"ema_decay": 0.9},
        {"sam_rho": 0.05},
        {"accumulate": 8},
    ):
        assert estimate(**more) > plain
    assert estimate(optimizer="sgd") < plain


def test_what_is_kept_for_the_backward_pass_is_linear_in_rows_and_draws_nothing() -> None:
    before = torch.get_rng_state()
    small, large = shapes_of(config(), 4, 8), shapes_of(config(), 4, 32)
    assert small.kept < large.kept <= 4 * small.kept and small.weights == large.weights
    assert torch.equal(before, torch.get_rng_state())


# ---- families -------------------------------------------------------------------------------------


def test_rates_and_losses_make_no_other_family_and_sizes_join_in_one() -> None:
    values = {name: (item.default,) for name, item in PARAMETERS.items()} | {
        "backbone": ("test_resnet", "test_vit"),
        "image_size": (32, "64x32"),
        "batch_size": tuple(range(2, 2000)),
        "lr": (1e-5, 1e-1),
        "loss": ("focal", "cross_entropy"),
        "ema_decay": (0.0, 0.9, 0.99),
    }
    spaces = space_cases(ImageClassifier, values)
    chosen, left_out = chosen_cases(spaces.configs, lambda case: case.size)
    assert len({case.family for case in spaces.configs}) == 4 and not left_out
    assert {case.size for case in chosen} == {2.0 * 32 * 32, 1999.0 * 64 * 32}
    assert spaces.text(chosen[0]).startswith("backbone=test_")


@pytest.mark.parametrize("tta", TTA)
def test_views_are_counted_as_they_are_made(tta: str) -> None:
    assert views_of(tta) == len(list(views(torch.zeros(1, 3, 16, 16), tta)))
