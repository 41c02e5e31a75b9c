"""Every diff of docs/how-to/extending.md applies to the repository as it is, and what it adds works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.helpers import check_consistent, events, journal

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how-to" / "extending.md").read_text()
DIFFS = dict(re.findall(r"## ([^\n]+)\n(?:(?!## ).)*?```diff\n(.*?)```", PAGE, flags=re.DOTALL))
ADDITIONS = (
    "A loss", "A stopping rule", "An importer", "A storage", "An honest estimate", "A metric",
    "An option of tune", "A knob of the race",
)  # fmt: skip

SPACE = """
from orchestrator.space import SearchSpace, categorical, choice, loguniform
space = SearchSpace(target=categorical("label", ["blue", "red"]), folds=3, finalists=2, {})
"""
PIXELS = 'trainable="tests.pixel_trainable:PixelTrainable", params={"lr": loguniform(1e-3, 2.0)}'
SMALL_NETWORK = """trainable="trainables.image_classifier:ImageClassifier", trials=2, max_t=2,
    params={"loss": choice(["poly1", "0.5*poly1 + focal"]), "poly1_epsilon": 2.0, "backbone": "test_resnet",
            "image_size": 32, "batch_size": 12}"""


def python(house: Path, *arguments: str, place: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that imports from the house, and stands in it or in `place`."""
    environ = {**os.environ, "PYTHONPATH": str(house), "COLUMNS": "110"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=place or house,
        env=environ,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def tune(house: Path, space: str, folder: Path, *more: str) -> Path:
    """The study of an inline search of the named images in `folder`; only `house` can read its space."""
    (folder / "space.py").write_text(SPACE.format(space))
    search = ["--space", str(folder / "space.py"), "--data", str(folder / "named"), "--inline"]
    python(house, "-m", "orchestrator.tune", *search, "--runs", str(folder), "--study", "a", *more)
    return folder / "a"


def configs(study: Path) -> dict[int, dict[str, Any]]:
    return {item["trial"]: item["config"] for item in events(study, "proposed")}


def complete(study: Path) -> int:
    return sum(item["action"] == "COMPLETE" for item in events(study, "decided"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as it is, outside of any repository."""
    copy = tmp_path_factory.mktemp("bare")
    for name in ("orchestrator", "trainables", "search_spaces", "tests", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "made_by_0_1"))
    return copy


@pytest.fixture(scope="module")
def house(bare: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With all additions."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copytree(bare, copy, dirs_exist_ok=True)
    for diff in DIFFS.values():
        apply(diff, copy)
    return copy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """named/: 36 noisy images, red.0.png to red.17.png and as many blue ones."""
    (tmp_path / "named").mkdir()
    rng = np.random.default_rng(7)
    for number in range(36):
        image = rng.integers(0, 200, (32, 32, 3))
        image[..., 2 * (number % 2)] += 8  # little enough that some trials fall behind
        name = f"{('blue', 'red')[number % 2]}.{number // 2}.png"
        cv2.imwrite(str(tmp_path / "named" / name), image.astype(np.uint8))
    return tmp_path


def apply(diff: str, copy: Path, *options: str) -> None:
    environ = {**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)}
    command = ["git", "apply", *options, "-"]
    done = subprocess.run(command, cwd=copy, env=environ, input=diff, capture_output=True, text=True)
    assert done.returncode == 0, f"docs/how-to/extending.md: bring this diff up to date\n{done.stderr}"


def sources(diff: str) -> list[str]:
    return re.findall(r"^\+\+\+ b/(.+\.py)$", diff, flags=re.MULTILINE)


# ---- the page -------------------------------------------------------------------------------------


def test_every_addition_has_its_diff() -> None:
    assert tuple(DIFFS) == ADDITIONS


@pytest.mark.parametrize("title", ADDITIONS)
def test_a_diff_applies_to_the_repository_as_it_is(title: str, bare: Path) -> None:
    apply(DIFFS[title], bare, "--check")


@pytest.mark.parametrize("title", ADDITIONS)
def test_the_table_tells_how_many_files_a_diff_touches(title: str) -> None:
    files = sources(DIFFS[title])
    row = f"| {title[0].lower()}{title[1:]} | {len(files)} | {', '.join(f'`{file}`' for file in files)} |"
    assert row in PAGE.splitlines()


def test_two_files_are_enough_and_a_third_where_something_reads_what_was_declared() -> None:
    counts = {title: len(sources(diff)) for title, diff in DIFFS.items()}
    assert counts.pop("An option of tune") == counts.pop("A knob of the race") == 3
    assert max(counts.values()) == 2


# ---- the additions at work ------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.torch
def test_the_loss_trains_a_study_alone_and_in_a_mixture(house: Path, folder: Path) -> None:
    study = tune(house, SMALL_NETWORK, folder, "--rule", "exhaustive", "--sampler", "grid")
    assert {config["loss"] for config in configs(study).values()} == {"poly1", "0.5*poly1 + focal"}
    assert all(config["poly1_epsilon"] == 2.0 for config in configs(study).values())
    assert complete(study) == 2
    check_consistent(study, folds=3, max_t=2)


LOSS_BY_HAND = """
import torch
from trainables.losses.objective import build_objective
from trainables.parameters import completed
outputs, labels = torch.tensor([[1.0, -1.0], [0.5, 2.0]]), torch.tensor([0, 1])
config = completed({"loss": "poly1", "poly1_epsilon": 2.0})
p = outputs.softmax(dim=1)[[0, 1], labels]
loss = build_objective(config, (2,), (False,), None).loss(outputs, labels)
torch.testing.assert_close(loss, (2.0 * (1 - p) - p.log()).mean())
"""


@pytest.mark.torch
def test_the_loss_is_what_its_source_says(house: Path) -> None:
    python(house, "-c", LOSS_BY_HAND)


def test_a_loss_that_is_declared_and_not_wired_is_refused_when_the_table_is_built(
    bare: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bare / "orchestrator", copy / "orchestrator")
    shutil.copytree(bare / "trainables", copy / "trainables")
    (copy / "docs" / "reference").mkdir(parents=True)
    shutil.copy(bare / "docs" / "reference" / "techniques.md", copy / "docs" / "reference")
    apply(DIFFS["A loss"].replace("+    terms=poly1_terms,\n", "+\n"), copy)
    with pytest.raises(AssertionError, match=r"loss 'poly1'.*must give exactly one of terms and of_batch"):
        python(copy, "-c", "import trainables.parameters")


RACE = """
import json
import numpy as np
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate import simulate
from orchestrator.race.simulate.table import build_table
import pandas as pd
grid = np.indices((8, 2, 3)).reshape(3, -1)
frame = pd.DataFrame({"trial": grid[0], "fold": grid[1], "epoch": grid[2] + 1,
                      "score": 0.9 - 0.1 * grid[0] + 0.01 * grid[2] + 0.005 * grid[1], "seconds": 1.0})
race = make_race("median", RaceConfig(8, 2, 3))
simulate(race, build_table(frame, None, "here").scores, 1)
print(json.dumps([[item.trial, item.state.name, item.epochs_spent, item.reason] for item in race.statuses()]))
"""


def test_the_rule_stops_whoever_is_below_the_median_of_a_table(house: Path) -> None:
    rows = {row[0]: row[1:] for row in json.loads(python(house, "-c", RACE).stdout)}
    assert [rows[trial][:2] for trial in range(8)] == [["COMPLETE", 6]] * 3 + [["PRUNED", 1]] * 5
    assert rows[3][2] == "0.6000 at epoch 1 of fold 0 is worse than 0.8000, the median of 3 trials"


def test_the_rule_runs_a_study_that_a_resume_replays(house: Path, folder: Path) -> None:
    study = tune(house, f"{PIXELS}, trials=9, max_t=4", folder, "--rule", "median")
    reasons = [item["reason"] for item in events(study, "decided") if item["action"] == "PRUNE"]
    assert reasons and all("the median of" in reason for reason in reasons)
    check_consistent(study, folds=3, max_t=4)
    resume = ["--resume", "--runs", str(folder), "--study", "a", "--trials", "11", "--inline"]
    python(house, "-m", "orchestrator.tune", *resume)
    assert len(configs(study)) == 11 and complete(study) >= 2
    check_consistent(study, folds=3, max_t=4)


def test_importer_storage_metric_option_knob_and_estimate_serve_one_study(house: Path, folder: Path) -> None:
    space = f'{PIXELS}, trials=6, max_t=2, min_folds=2, metric="macro_jaccard"'
    search = ["--rule", "aggressive", "--storage", f"sqlite://{folder}/store", "--because", "it is new"]
    study = tune(house, space, folder, *search)
    header = journal(study)[0]["header"]
    assert header["space"]["metric"] == "macro_jaccard" and header["space"]["min_folds"] == 2
    assert (folder / "store" / "a.sqlite").is_file() and not (study / "checkpoints").exists()
    started = {(item["trial"], item["fold"]) for item in events(study, "leg_started")}
    assert all(sum(trial == number for trial, _ in started) >= 2 for number in configs(study))
    command = [
        "-m",
        "orchestrator.ensemble",
        "--runs",
        str(folder),
        "--study",
        "a",
        "--out",
        str(folder / "e"),
    ]
    printed = python(house, *command).stdout
    assert "Guessing macro_jaccard: 0.2500" in printed
    estimates = json.loads((folder / "e" / "ensemble.json").read_text())["estimates"]
    assert [item["score"] for item in estimates if item["key"] == "guessing"] == [0.25]


def test_the_option_says_why_and_the_command_to_resume_repeats_it(house: Path, folder: Path) -> None:
    (folder / "space.py").write_text(SPACE.format(f"{PIXELS}, trials=2, max_t=1"))
    search = ["-m", "orchestrator.tune", "--space", str(folder / "space.py"), "--data", str(folder / "named")]
    search += ["--inline", "--runs", str(folder)]
    bare = python(house, *search, "--study", "bare")
    told = python(house, *search, "--study", "told", "--because", "it is new")
    assert "because: it is new" in told.stdout and "because" not in bare.stdout
    asked = "from orchestrator.tune.request import repeated_options as r; "
    says = "['--because', 'it is new']"
    python(house, "-c", f"{asked}assert r({{'because': 'it is new', 'resume': False}}, False) == {says}")


STORE = """
import sys
from pathlib import Path
from orchestrator.storage import open_store
from tests.support.store_contract import CONTRACT
for number, check in enumerate(CONTRACT):
    check(open_store(f"sqlite://{sys.argv[1]}/{number}"))
"""


def test_the_store_keeps_the_contract_of_all_stores(house: Path, tmp_path: Path) -> None:
    python(house, "-c", STORE, str(tmp_path))
