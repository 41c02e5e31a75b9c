"""Learning curves made from images, gathered into a table that the simulator reads."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks.curve_tables import Part, finished, write_part
from benchmarks.fashion_mnist import SOURCE, draw_rows, read_idx
from benchmarks.make_curves import main
from orchestrator.core.errors import ManifestError, StudyError
from orchestrator.core.events import FoldRunKey
from orchestrator.demo.faces import make_demo_faces
from orchestrator.race.simulate.__main__ import main as simulate
from orchestrator.race.simulate.command import read_table

SPACE = """
from orchestrator.space import SearchSpace, choice
from search_spaces.shared.faces import AGE

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=AGE, metric="macro_f1", mode="max", folds=2, trials=2, max_t=2,
    params={
        "backbone": "test_resnet", "pretrained": False, "image_size": 32, "optimizer": "adamw",
        "lr": choice([1e-3, 1e-2]),
    },
)
"""


def made(folder: Path, monkeypatch: pytest.MonkeyPatch, space: str = SPACE) -> Path:
    """The table of two trials on drawn faces; every third person is the test set."""
    monkeypatch.chdir(Path(__file__).parents[1])
    (folder / "space.py").write_text(space)
    data = folder / "faces" / "train"
    if not data.exists():
        make_demo_faces(folder / "faces", 0, 24, 2, 32)
    arguments = (
        f"--space {folder}/space.py --data {data} --out {folder}/out --compact {folder}/small --workers 1"
    )
    main([*arguments.split(), "--test-query", "age % 3 == 0"])
    return folder / "out"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_curves_are_made_once_and_raced_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = made(tmp_path, monkeypatch)
    table = read_table(out)
    assert table.scores.shape == (2, 2, 2) and np.isfinite(table.scores).all() and (table.seconds > 0).all()
    oof = pq.read_table(out / "oof.parquet").to_pylist()
    validated = {row["fold"]: len(row["oof"]) // 3 for row in oof}
    assert table.labels is not None and sum(validated.values()) + len(table.labels) == 24 * 7
    assert np.reshape(oof[0]["oof"], (-1, 3)).sum(axis=1) == pytest.approx(1.0, abs=0.002)
    parts = {part: part.stat().st_mtime_ns for part in (out / "parts").iterdir()}
    made(tmp_path, monkeypatch)
    assert {part: part.stat().st_mtime_ns for part in (out / "parts").iterdir()} == parts and len(parts) == 4
    with pytest.raises(StudyError, match="curves of another space"):
        made(tmp_path, monkeypatch, SPACE.replace("1e-2", "2e-2"))
    capfd.readouterr()
    assert simulate([str(tmp_path / "small"), "--draws", "2", "--rules", "FoldASHA", "--json"]) == 0
    row = json.loads(capfd.readouterr().out)[0]
    assert row["ensemble"] > 0 and row["test_regret"] is not None


def test_a_part_that_failed_is_run_again(tmp_path: Path) -> None:
    for fold, error in enumerate(("", "OSError: disk full")):
        part = Part(FoldRunKey(0, fold), error=error)
        part.add(1, 0.5, 1.0, {"macro_f1": 0.5}, np.full((3, 2), 0.5, np.float32))
        write_part(tmp_path, part)
    assert [finished(tmp_path / "parts" / f"t0000-f{fold}.parquet") for fold in range(3)] == [
        True,
        False,
        False,
    ]


def test_rows_of_a_class_are_as_many_as_asked_for() -> None:
    labels = np.repeat(np.arange(3), 10).astype(np.uint8)
    rows = draw_rows(labels, np.array([5, 1, 3]), np.random.default_rng(0))
    assert np.bincount(labels[rows]).tolist() == [5, 1, 3] and (np.diff(rows) > 0).all()


def test_without_fashion_mnist_the_way_to_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="install Debian's dataset-fashion-mnist"):
        read_idx(tmp_path / "train-images-idx3-ubyte.gz")


@pytest.mark.skipif(not SOURCE.exists(), reason=f"{SOURCE} is not installed")
def test_fashion_mnist_is_read_as_it_is() -> None:
    images, labels = (read_idx(SOURCE / f"t10k-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1"))
    assert images.shape == (10_000, 28, 28) and np.bincount(labels).tolist() == [1000] * 10
