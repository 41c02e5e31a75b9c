"""An ensemble of a study whose images have several labels: votes, scores, folder, prediction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import score
from orchestrator.core.task import Task
from orchestrator.data.manifest import load_manifest
from orchestrator.data.targets import multi_label
from orchestrator.ensemble import Ensemble, build_ensemble
from orchestrator.ensemble.members import gather
from orchestrator.pseudo_labels.labelling import label_manifest
from orchestrator.study.predictions import read_prediction
from tests.support.ensemble_studies import Plan, make_faces, make_study

LABELS = ("red", "bright")
TOY = "orchestrator.testing:ToyTrainable"


def label_columns(faces: Path) -> Path:
    """The drawn faces as a table of labels: red holds for half of them, bright for a third."""
    head, *lines = faces.read_text().splitlines()
    cells = [line.split(",") for line in lines]
    rows = [",".join([*row, str(int(row[2] == "red")), str(int(row[3] == "light"))]) for row in cells]
    table = faces.with_name("labels.csv")
    table.write_text("\n".join([f"{head},{','.join(LABELS)}", *rows]) + "\n")
    return table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return label_columns(make_faces(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="module")
def study(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = Plan(target=multi_label(LABELS), trainable=TOY, lrs=(0.5, 0.1, 0.02), epochs=8)
    return make_study(tmp_path_factory.mktemp("runs") / "labels", table, plan)


@pytest.mark.parametrize("vote", ["soft", "hard"])
def test_an_ensemble_of_labels_votes_scores_and_predicts(
    study: Path, table: Path, vote: str, tmp_path: Path
) -> None:
    built = build_ensemble(study, vote=vote, calibrate="none", decide="none", out=tmp_path / "e")
    ensemble = Ensemble.load(built.path)
    record = json.loads((built.path / "ensemble.json").read_text())
    assert ensemble.task == Task(LABELS, multi_label=True)
    assert record["task"] == {"multi_label": True, "ordered": False}
    oof, classes = read_prediction(built.path / "oof.parquet")
    assert classes == LABELS and oof.labels.shape == oof.probabilities.shape == (72, 2)
    inputs = gather([study], None)
    members = np.stack([item.probabilities for _, item in inputs.studies[0].members])
    expected = members.mean(axis=0) if vote == "soft" else (members >= 0.5).mean(axis=0)
    assert np.allclose(oof.probabilities, expected, atol=2e-6)
    # As anybody would score it: each label's F1 at 0.5, averaged.
    assert ensemble.estimates[0].score == pytest.approx(score("macro_f1", oof.labels, oof.probabilities))
    assert ensemble.estimates[0].score > 0.8
    paths = [str(table.parent / path) for path in load_manifest(table).frame["path"]]
    found = ensemble.predict(paths)
    assert found.shape == (72, 2) and ((found >= 0) & (found <= 1)).all()
    assert ((found >= 0.5) == oof.labels).mean() > 0.8


def test_an_ensemble_that_says_no_task_is_read_by_its_target(study: Path, tmp_path: Path) -> None:
    folder = build_ensemble(study, out=tmp_path / "e").path
    record = json.loads((folder / "ensemble.json").read_text())
    del record["task"], record["digest"]
    (folder / "ensemble.json").write_text(json.dumps(record))
    assert Ensemble.load(folder).task.multi_label


def test_several_labels_are_no_part_of_a_joint_answer(study: Path, table: Path, tmp_path: Path) -> None:
    other = make_study(tmp_path / "tint", table, Plan(lrs=(0.5,), epochs=1))
    with pytest.raises(
        EnsembleError, match=r"labels predicts several labels of an image at once.*of it alone"
    ):
        gather([other, study], None)


def test_pseudo_labels_are_of_one_label(study: Path, table: Path, tmp_path: Path) -> None:
    ensemble = build_ensemble(study, out=tmp_path / "e")
    with pytest.raises(EnsembleError, match="pseudo-labels are of one label"):
        label_manifest(ensemble, load_manifest(table), 0.9)
