"""A study of a set with copies keeps the joined groups, and resumes with them whatever is found later."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.data.known_clusters import remember_clusters
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.study.study import Study
from orchestrator.testing import toy_dataset
from orchestrator.tune.__main__ import main

SPACE = """
from orchestrator.space import SearchSpace, uniform

space = SearchSpace(
    trainable="orchestrator.testing:ToyTrainable", target="label", params={"lr": uniform(0.1, 0.5)},
    folds=3, trials=1, max_t=1,
)
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The toy images, the first of them a second time under another name and label."""
    folder = tmp_path / "toy"
    folder.mkdir()
    dataset = toy_dataset(folder)
    frame = pd.DataFrame(
        {"path": dataset.paths, "label": [dataset.classes[label] for label in dataset.labels]}
    )
    shutil.copy(folder / dataset.paths[0], folder / "again.png")
    other = next(name for name in dataset.classes if name != frame["label"][0])
    frame.loc[len(frame)] = ["again.png", other]
    frame.to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


def tune(table: Path, *more: str) -> int:
    space = table.parent / "my_space.py"
    space.write_text(SPACE)
    given = ["--space", str(space), "--data", str(table), "--runs", str(table.parent / "runs")]
    return main([*given, "--study", "s", "--inline", *more])


def test_two_labels_of_one_image_are_refused_and_what_was_decided_stays_with_the_study(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(table) == 2
    refusal = capsys.readouterr().err
    first = str(pd.read_csv(table)["path"][0])
    assert f"{first} (label " in refusal and "= again.png (label " in refusal
    assert len(refusal.strip().splitlines()) <= 2
    assert tune(table, "--on-conflict", "keep") == 0
    assert "both labels are kept" in capsys.readouterr().out
    study = Study(table.parent / "runs" / "s")
    rows = study.manifest().frame
    assert study.header.copies == {"images": 1, "groups_given": len(rows), "groups": len(rows) - 1}
    assert rows["group"].iloc[-1] == rows["group"].iloc[0] == first
    folds = study.fold_plan().folds
    assert folds[-1] == folds[0]


def test_a_study_resumes_with_its_own_folds_whatever_check_found_since(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(table, "--on-conflict", "drop") == 0
    study = Study(table.parent / "runs" / "s")
    manifest, before = study.manifest(), study.fold_plan().folds
    paths, n = manifest.frame["path"].tolist(), len(manifest)
    everything = Duplicates(
        np.arange(n), np.zeros((0, 2), np.int64), np.zeros(0, np.float32), np.zeros(n, np.int64), "r", 0.999
    )
    remember_clusters(table.parent / "runs" / ".cache", manifest.root, paths, everything)
    capsys.readouterr()
    assert (
        main(["--resume", "--runs", str(table.parent / "runs"), "--study", "s", "--inline", "--trials", "2"])
        == 0
    )
    assert np.array_equal(Study(table.parent / "runs" / "s").fold_plan().folds, before)
    # A new study of the same files knows better.
    again = ["--study", "t", "--on-conflict", "drop"]
    assert tune(table, *again) == 2
    assert "the folds tear 1 cluster of near duplicates" in capsys.readouterr().err
