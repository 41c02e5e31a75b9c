"""From `target="label"` and `--drop-rare` to a study that keeps what they came to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.ensemble import Ensemble, build_ensemble
from orchestrator.study.predictions import read_prediction
from orchestrator.study.study import Study
from orchestrator.testing import toy_dataset
from orchestrator.tune.__main__ import main

SPACE = """
from orchestrator.space import SearchSpace, multi_label, uniform

space = SearchSpace(
    trainable="orchestrator.testing:ToyTrainable", target={target}, params={{"lr": uniform(0.1, 0.5)}},
    folds=3, trials=2, max_t=2,
)
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """54 images by number of colours; one of a class of its own, one without a class."""
    folder = tmp_path_factory.mktemp("toy")
    dataset = toy_dataset(folder, multi_label=True)
    frame = pd.DataFrame({"path": dataset.paths, "group": dataset.columns["group"]})
    colours = dataset.labels.sum(axis=1)
    frame["grade"] = np.where(colours == 0, 1.0, colours).astype(float)
    frame.loc[3, "grade"] = 7.5
    frame["labels"] = [
        " ".join(name for name, holds in zip(dataset.classes, row, strict=True) if holds)
        for row in dataset.labels
    ]
    frame.to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


def tune(target: str, table: Path, tmp_path: Path, *more: str) -> int:
    space = tmp_path / "my_space.py"
    space.write_text(SPACE.format(target=target))
    runs = ["--runs", str(tmp_path / "runs"), "--study", "s", "--inline"]
    return main(["--space", str(space), "--data", str(table), *runs, *more])


def test_a_study_keeps_the_classes_that_it_read_and_what_it_left_out(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune("'grade'", table, tmp_path) == 2
    assert "class '7.5' of target 'grade' has 1 group for 3 folds" in capsys.readouterr().err
    assert tune("'grade'", table, tmp_path, "--drop-rare", "3") == 0
    said = capsys.readouterr().out
    assert "classes: grade has 4 in the training rows: 1.0, 2.0, 3.0, 7.5" in said
    assert "left out as rare (under 3 groups): 7.5 (1 group), with 1 row" in said
    study = Study(tmp_path / "runs" / "s")
    assert study.space.target.classes == ("1.0", "2.0", "3.0") == tuple(study.header.classes)
    assert study.space.target.written == study.space.target.classes
    assert study.header.label_rules == {"drop_rare": 3, "left_out": {"grade": {"7.5": 1}}}
    assert len(study.manifest().frame) == 53
    resume = ["--resume", "--study", "s", "--runs", str(tmp_path / "runs"), "--inline"]
    assert main(resume) == 0
    assert main([*resume, "--rare-as", "other"]) == 2
    assert "--rare-as cannot change study" in capsys.readouterr().err


def test_a_study_of_several_labels_ends_as_an_ensemble_of_them(table: Path, tmp_path: Path) -> None:
    assert tune("multi_label('labels', sep=' ', missing='negative')", table, tmp_path) == 0
    study = Study(tmp_path / "runs" / "s")
    best = study.complete_trials()[0]
    oof, classes = read_prediction(study.files.oof(best.number))
    assert classes == ("blue", "green", "red") and oof.labels.shape == oof.probabilities.shape == (54, 3)
    ensemble = Ensemble.load(build_ensemble(study, out=tmp_path / "e").path)
    assert ensemble.task.multi_label and ensemble.classes == classes


def test_a_program_names_a_column_too(table: Path, tmp_path: Path) -> None:
    import orchestrator as fo

    said: list[str] = []
    frame = pd.read_csv(table)
    frame["path"] = [str(table.parent / path) for path in frame["path"]]
    space = fo.SearchSpace(
        trainable="orchestrator.testing:ToyTrainable",
        target=fo.categorical("grade", ordered=True),
        params={"lr": 0.5},
        folds=3,
        trials=1,
        max_t=1,
    )
    study = fo.search(
        space, data=frame, study="p", runs=tmp_path, drop_rare=3, backend="inline", progress=None,
        say=said.append,
    )  # fmt: skip
    assert study.space.target.ordered and study.space.target.classes == ("1.0", "2.0", "3.0")
    assert "classes: grade has 4 in the training rows: 1.0, 2.0, 3.0, 7.5" in said
