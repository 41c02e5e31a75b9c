"""A study judged by a function beside its space file; smaller values are better, and all follow that."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestrator.ensemble.__main__ import main as ensemble_main
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main
from tests.support.ensemble_command import record
from tests.support.helpers import events

SPACE = """
from orchestrator.space import SearchSpace, categorical, loguniform
space = SearchSpace(
    trainable="tests.pixel_trainable:PixelTrainable", target=categorical("tint", ["red", "blue"]),
    params={{"lr": loguniform(1e-3, 2.0)}}, folds=3, trials=13, max_t=3, grace_period=1, finalists=2, {metric}
)
"""


@pytest.fixture(autouse=True)
def same_path_afterwards() -> Iterator[None]:
    path, inherited = list(sys.path), os.environ.get("PYTHONPATH")
    yield
    sys.path[:] = path
    os.environ.pop("PYTHONPATH", None)
    if inherited is not None:
        os.environ["PYTHONPATH"] = inherited
    for name in [name for name in sys.modules if name.startswith("own_loss")]:
        del sys.modules[name]


def write(folder: Path, metric: str, body: str = "") -> Path:
    folder.mkdir(parents=True)
    (folder / "space.py").write_text(SPACE.format(metric=metric))
    if body:
        (folder / "own_loss.py").write_text(f"def score(labels, probabilities):\n    {body}\n")
    return folder / "space.py"


def tune(space: Path, data: Path, *more: str) -> int:
    search = ["--space", str(space), "--data", str(data), "--runs", str(space.parent), "--study", "a"]
    return main([*search, "--inline", "--no-report", *more])


def decisions(study: Path) -> list[tuple[Any, ...]]:
    return [
        (event["event"], event.get("trial"), event.get("fold"), event.get("action"), event.get("config"),
         re.sub(r"-(?=\d)", "", event.get("reason", "")))
        for kind in ("proposed", "leg_started", "decided")
        for event in events(study, kind)
    ]  # fmt: skip


def test_a_metric_and_its_negative_make_the_same_study_and_the_same_ensemble(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    high = write(tmp_path / "high", 'metric="balanced_accuracy"')
    body = "found = probabilities.argmax(axis=1)\n"
    body += "    return -sum((found[labels == c] == c).mean() for c in set(labels)) / len(set(labels))"
    low = write(tmp_path / "low", 'metric="own_loss:score", mode="min"', body)
    for space in (high, low):
        assert tune(space, faces, "--sampler", "tpe") == 0
    one, other = Study(high.parent / "a"), Study(low.parent / "a")
    assert decisions(one.path) == decisions(other.path)
    assert [(trial.number, [best.epoch for best in trial.bests]) for trial in one.complete_trials()] == [
        (trial.number, [best.epoch for best in trial.bests]) for trial in other.complete_trials()
    ]
    mirrored = [pd.read_parquet(study.path / "trials.parquet") for study in (one, other)]
    assert mirrored[0]["trial"].tolist() == mirrored[1]["trial"].tolist()
    assert mirrored[0]["score"].tolist() == pytest.approx((-mirrored[1]["score"]).tolist(), nan_ok=True)
    epochs = [study.curves() for study in (one, other)]
    assert epochs[0]["best_score"].tolist() == pytest.approx((-epochs[1]["best_score"]).tolist())
    assert epochs[1]["own_loss:score"].tolist() == epochs[1]["score"].tolist()
    capsys.readouterr()
    for study in (one, other):
        assert ensemble_main(["--study", str(study.path), "--out", str(study.path / "e")]) == 0
    written = [record(study.path / "e") for study in (one, other)]
    routes = [item["routes"] for item in written]
    assert [term["members"][0]["trial"] for term in routes[0][0]["terms"]] == [
        term["members"][0]["trial"] for term in routes[1][0]["terms"]
    ]
    printed = capsys.readouterr().out
    assert re.search(r"│ own_loss:score +│ smaller │ +-\d", printed)
    assert written[1]["metrics"]["own_loss:score"]["oof"] == pytest.approx(
        -written[0]["metrics"]["balanced_accuracy"]["oof"]
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 'good'", "returned 'good', of type str; return one number, a float"),
        ("return 1 / 0", "raised ZeroDivisionError: division by zero"),
    ],
)
def test_a_function_that_always_fails_is_refused_before_anything_is_trained(
    body: str, message: str, tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = write(tmp_path / "bad", 'metric="own_loss:score", mode="min"', body)
    assert tune(space, faces) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(
        rf"metric own_loss:score of labels \(\d+,\) and probabilities \(\d+, 2\) {message} "
        r"\(tried on the labels of fold 0 with drawn probabilities\)", said
    )  # fmt: skip
    assert not (space.parent / "a" / "journal.jsonl").exists()


def test_a_bad_return_while_training_fails_that_fold_run_by_name_and_the_study_goes_on(
    tmp_path: Path, faces: Path
) -> None:
    body = "return float('nan') if (probabilities[:, 0] == probabilities[0, 0]).all() else 0.5"
    space = write(tmp_path / "nan", 'metric="own_loss:score", mode="max"', body)
    space.write_text(space.read_text().replace("loguniform(1e-3, 2.0)", "choice([0.0, 0.5])"))
    space.write_text(space.read_text().replace("loguniform", "choice"))
    assert tune(space, faces, "--trials", "4", "--max-epochs", "1", "--sampler", "grid") == 0
    failed = events(space.parent / "a", "leg_failed")
    assert failed and {item["failure"] for item in failed} == {"nan"}
    assert all(
        re.search(r"metric own_loss:score of labels .* returned nan; it must be finite", item["error"])
        for item in failed
    )
    assert Study(space.parent / "a").complete_trials()


def test_a_fold_whose_judged_rows_are_of_one_class_is_refused_before_anything_is_trained(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = 'given=(categorical("where", ["in", "out"]), "in")'
    space = write(tmp_path / "auc", f'metric="roc_auc", fold_column="part", {given}')
    table = pd.read_csv(faces)
    table["path"] = [str(faces.parent / path) for path in table["path"]]
    table["group"] = [f"g{row}" for row in range(len(table))]
    table["part"] = [row % 3 for row in range(len(table))]
    outside = (table["part"] == 2) & (table["tint"] == "red")
    table["where"] = ["out" if out else "in" for out in outside]
    table.to_csv(tmp_path / "parts.csv", index=False)
    assert tune(space, tmp_path / "parts.csv") == 2
    assert (
        "fold 2 has only rows of class 'blue', and metric='roc_auc' needs two; use fewer folds, "
        "other groups, or a metric that one class has too, such as log_loss"
    ) in " ".join(capsys.readouterr().err.split())
