"""Submissions of images that have several labels, from studies that were trained on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.data.targets import multi_label
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.__main__ import main
from orchestrator.evaluation.decisions import Decisions
from orchestrator.evaluation.thresholds import mean_f1
from orchestrator.study.predictions import read_prediction
from tests.support.ensemble_studies import Plan, make_faces, make_study
from tests.support.submission_reader import read_submission

LABELS = ("red", "bright")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawn faces as rows of labels: half of them red, a third bright."""
    faces = make_faces(tmp_path_factory.mktemp("data"))
    frame = pd.read_csv(faces)
    frame = frame.assign(red=frame["tint"] == "red", bright=frame["shade"] == "light")
    frame.astype({"red": int, "bright": int}).to_csv(faces.with_name("labels.csv"), index=False)
    return faces.with_name("labels.csv")


@pytest.fixture(scope="module")
def folder(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    plan = Plan(
        target=multi_label(LABELS), trainable="orchestrator.testing:ToyTrainable", lrs=(0.05,), epochs=8
    )
    study = make_study(root / "labels", table, plan)
    assert main(["--study", str(study), "--out", str(root / "e")]) == 0
    return root / "e"


def submit(folder: Path, images: Path, text: str, *more: str) -> tuple[Path, Path]:
    asked, out = images.parent / "sample_submission.csv", images.parent / "out.csv"
    asked.write_text(text)
    out.unlink(missing_ok=True)
    predict = ["--predict", str(images), "--template", str(asked), "--submission", str(out), *more]
    assert main(["--ensemble", str(folder), *predict]) == 0
    return out, asked


@pytest.fixture
def images(table: Path, tmp_path: Path) -> Path:
    (tmp_path / "test").mkdir()
    for number in range(6):
        name = f"p{number:02d}-0.png"
        (tmp_path / "test" / name).write_bytes((table.parent / name).read_bytes())
    return tmp_path / "test"


def expected(folder: Path, images: Path, ids: list[str]) -> np.ndarray:
    return Ensemble.load(folder).predict([images / f"{name}.png" for name in ids])


def thresholds_of(folder: Path) -> np.ndarray:
    decisions = Ensemble.load(folder).record.decisions
    return np.array([0.5, 0.5] if decisions is None else decisions["values"])


IDS = [f"p{number:02d}-0" for number in (3, 1, 5, 0, 2, 4)]


def test_thresholds_are_fitted_to_the_out_of_fold_rows_and_kept(folder: Path) -> None:
    ensemble = Ensemble.load(folder)
    assert ensemble.record.decisions is not None
    thresholds = Decisions.from_json(ensemble.record.decisions)
    oof, classes = read_prediction(folder / "oof.parquet")
    assert classes == LABELS and thresholds.kind == "thresholds"
    fitted = mean_f1(oof.labels, (thresholds.apply(oof.probabilities) >= 0.5).astype(np.int64))
    assert fitted > mean_f1(oof.labels, (oof.probabilities >= 0.5).astype(np.int64))
    assert not thresholds.at_least_one  # a dark blue face has none of the labels
    assert fitted == pytest.approx(ensemble.metrics["macro_f1"]["oof"]) and fitted > 0.7


def test_the_labels_of_a_row_are_cut_at_these_thresholds(
    folder: Path, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, asked = submit(folder, images, "id,labels\n" + "".join(f"{name},red\n" for name in IDS))
    rows = read_submission(out, asked, labels={*LABELS, ""}, several=" ")
    decided = expected(folder, images, IDS) >= thresholds_of(folder)
    assert [row[1] for row in rows] == [" ".join(np.array(LABELS)[row].tolist()) for row in decided]
    assert "column 'labels': the labels of a row with ' ' between them, by name" in capsys.readouterr().out
    table = pd.read_parquet(
        max(folder.glob("predictions-*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    )
    assert [" ".join(item) for item in table["predicted"]] == [row[1] for row in rows]


def test_a_column_for_each_label_holds_flags_or_probabilities(folder: Path, images: Path) -> None:
    zeros = "id,bright,red\n" + "".join(f"{name},0,0\n" for name in IDS)
    out, asked = submit(folder, images, zeros)
    flags = [row[1:] for row in read_submission(out, asked, labels={"0", "1"})]
    out, asked = submit(folder, images, zeros, "--as", "probabilities")
    chances = [[float(cell) for cell in row[1:]] for row in read_submission(out, asked, probabilities=True)]
    assert np.allclose(chances, expected(folder, images, IDS)[:, ::-1], atol=1e-6)
    assert flags == (np.array(chances) >= thresholds_of(folder)[::-1]).astype(int).astype(str).tolist()


def test_without_a_template_there_is_a_column_for_each_label_as_in_training(
    folder: Path, images: Path
) -> None:
    out = images.parent / "out.csv"
    assert main(["--ensemble", str(folder), "--predict", str(images), "--submission", str(out)]) == 0
    written = pd.read_csv(out)
    assert list(written.columns) == ["path", *LABELS]
    assert set(written["red"]) | set(written["bright"]) <= {0, 1}
