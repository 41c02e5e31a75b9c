"""Public competitions as they are unpacked: the three commands that a person types end in a submission."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from orchestrator.check.__main__ import main as looked_at
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.space.loading import load_space
from orchestrator.tune.__main__ import main as tune
from tests.competitions.layouts import COMPETITIONS, Competition, Truth, make
from tests.support.submission_reader import read_submission

ROWS = 80
QUICK = ("--trials", "1", "--max-epochs", "6", "--set", "lr=0.008")
CIFAR = "airplane automobile bird cat deer dog frog horse ship truck"
LEAVES = "complex frog_eye_leaf_spot healthy powdery_mildew rust scab"


@dataclass(frozen=True)
class Expected:
    """What `--init` finds, and what the submission's cells are."""

    target: str
    metric: str
    group: str | None = None
    cells: Mapping[str, Any] | None = None  # of the reader; None: there is no sample submission
    above: float = 0.7  # see `how_right`: what a few epochs reach, and chance does not


SHARES = {"probabilities": True, "sums_to_one": True}
EXPECTED = {
    "cassava": Expected('categorical("label")', "accuracy", cells={"labels": "01234"}),
    "aptos": Expected(
        'categorical("diagnosis", ordered=True)', "quadratic_weighted_kappa", cells={"labels": "01234"}
    ),
    "siim": Expected('binary("target", positive=1)', "roc_auc", "patient_id", cells={"probabilities": True}),
    "ranzcr": Expected("multi_label([", "roc_auc", "PatientID", cells={"probabilities": True}),
    "masks": Expected(
        "joint(", "macro_f1", cells={"labels": [str(number) for number in range(18)]}, above=0.1
    ),
    "plant_2021": Expected(
        'multi_label("labels", sep=" ")', "macro_f1", cells={"labels": LEAVES.split(), "several": " "}
    ),
    "plant_2020": Expected("one_hot([", "log_loss", cells=SHARES),
    "ham10000": Expected('categorical("dx")', "macro_f1", "lesion_id"),
    "cifar10": Expected('categorical("label")', "accuracy", cells={"labels": CIFAR.split()}),
    "dog_breeds": Expected('categorical("breed")', "log_loss", cells=SHARES),
    "drivers": Expected('categorical("classname")', "log_loss", "subject", cells=SHARES),
    "camera_traps": Expected(
        'categorical("label")', "macro_f1", "location", cells={"labels": ["0", "3", "8", "14"]}
    ),
    "chest_folders": Expected('categorical("label")', "macro_f1"),
}
TRAINED = [name for name in EXPECTED if name not in ("plant_2020", "dog_breeds", "chest_folders")]
"""Those that differ enough from the others to be worth their seconds."""

Drawn = Callable[[str], tuple[Path, Truth]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """The folder of a set, drawn once, and what its test images show."""
    root, made = tmp_path_factory.mktemp("competitions"), dict[str, Truth]()

    def folder(name: str) -> tuple[Path, Truth]:
        if name not in made:
            made[name] = make(name, root / name, ROWS)
        return root / name, made[name]

    return folder


def init(competition: Competition, space: Path) -> list[str]:
    said = [] if competition.metric is None else ["--metric", competition.metric]
    return ["--init", str(space), "--data", competition.data, *competition.options, *competition.init, *said]


def test_every_set_is_expected() -> None:
    assert EXPECTED.keys() == COMPETITIONS.keys()


def test_the_same_seed_draws_the_same_files(tmp_path: Path) -> None:
    for name in COMPETITIONS:
        first, second = tmp_path / "first" / name, tmp_path / "second" / name
        make(name, first, 20, seed=1), make(name, second, 20, seed=1)
        files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
        assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
        assert all((first / path).read_bytes() == (second / path).read_bytes() for path in files), name


@pytest.mark.parametrize("name", EXPECTED)
def test_a_space_is_written_for_it(
    name: str,
    drawn: Drawn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, competition = drawn(name)[0], COMPETITIONS[name]
    monkeypatch.chdir(folder)
    expected, file = EXPECTED[name], tmp_path / "my_space.py"
    assert tune(init(competition, file)) == 0
    space = load_space(file)
    assert expected.target in file.read_text()
    assert (space.metric, space.group) == (expected.metric, expected.group)
    shown = capsys.readouterr().out
    assert "--smoke" in shown
    assert competition.template is None or f"--template {competition.template}" in shown
    written = file.read_text()
    assert tune(init(competition, file)) == 2  # it is there
    assert file.read_text() == written and "exists" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("name", TRAINED)
def test_three_commands_end_in_a_submission(
    name: str, drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder, truth), competition = drawn(name), COMPETITIONS[name]
    monkeypatch.chdir(folder)
    space, runs, out = tmp_path / "my_space.py", str(tmp_path / "runs"), tmp_path / "submission.csv"
    assert tune(init(competition, space)) == 0
    data = ["--space", str(space), "--data", competition.data, *competition.options]
    assert looked_at([*data, "--scale", "full", "--runs", runs]) == 0  # nothing in it suits smoke alone
    assert tune([*data, "--smoke", "--inline", "--runs", runs, "--study", "s", *QUICK]) == 0
    template = [] if competition.template is None else ["--template", competition.template]
    predict = ["--predict", competition.predict, "--submission", str(out), *template]
    assert ensemble(["--runs", runs, "--study", "s", "--repeats", "20", *predict]) == 0
    cells, written = EXPECTED[name].cells, rows_of(out)
    if competition.template is not None and cells is not None:
        assert read_submission(out, folder / competition.template, **cells) == written[1:]
    if competition.template is None:  # ids are as the data have them: with suffix, or without
        written = [[Path(cell).stem if at == 0 else cell for at, cell in enumerate(row)] for row in written]
        truth = {Path(image).stem: labels for image, labels in truth.items()}
    assert sorted(row[0] for row in written[1:]) == sorted(truth)
    assert how_right(written, truth, cells or {}) > EXPECTED[name].above


def rows_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def how_right(written: list[list[str]], truth: Truth, cells: Mapping[str, Any]) -> float:
    """Area under the ROC curve of all probabilities at once, or share of rows whose labels are the true ones.

    A submission whose rows, columns or classes are in another order than they should be is at chance here.
    """
    header, *rows = written
    if "probabilities" not in cells:
        return float(np.mean([set(row[1].split(cells.get("several"))) == set(truth[row[0]]) for row in rows]))
    names = header[1:] if len(header) > 2 else ["1"]
    on = [[name in truth[row[0]] for name in names] for row in rows]
    return float(roc_auc_score(np.ravel(on), np.ravel([row[1:] for row in rows]).astype(float)))
