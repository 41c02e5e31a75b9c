"""An exported ensemble answers as the ensemble does, with nothing of this project or torch at hand."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import EnsembleError, TrainableError
from orchestrator.core.file_digest import digest_of
from orchestrator.data.targets import Target, categorical, joint
from orchestrator.ensemble import Ensemble, build_ensemble
from orchestrator.ensemble.answering import decide
from orchestrator.ensemble.exported import predict as exported
from orchestrator.ensemble.onnx import export_ensemble, route_json
from orchestrator.ensemble_record.chain_rule import combine
from orchestrator.ensemble_record.record import (
    Component,
    EnsembleRecord,
    FoldModel,
    Member,
    Route,
    record_bytes,
)
from orchestrator.evaluation.calibration import Temperature
from orchestrator.evaluation.decisions import Decisions
from orchestrator.evaluation.fitted_vote import KINDS, fitted_vote
from tests.support.drawn_images import ONE_CPU, SMALL, classifier, write_dataset
from tests.support.ensemble_studies import BOTH, SHADE, TINT

pytestmark = pytest.mark.torch
COLOUR = categorical("colour", ["a", "b", "c"])


# ---- pixels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_resizing_is_opencvs_to_the_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(15):
        height, width, rows, columns = (
            int(side) for side in (*rng.integers(5, 150, 2), *rng.integers(16, 90, 2))
        )
        if rng.random() < 0.3:
            height, width = rows * int(rng.integers(1, 4)), columns * int(rng.integers(1, 4))
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        method = cv2.INTER_AREA if height >= rows and width >= columns else cv2.INTER_LINEAR
        expected = cv2.resize(image, (columns, rows), interpolation=method)
        assert (exported.resize(image, rows, columns) == expected).all(), (height, width, rows, columns)


def save(path: Path, image: np.ndarray, *how: int) -> Path:
    assert cv2.imwrite(str(path), image, list(how))
    return path


@pytest.mark.parametrize(
    "steps", ["", "center_crop(30x20)", "crop(top=0.3, left=0.1) + pad_square()", "under_crop(0.6)"]
)
def test_files_become_the_pixels_of_training(tmp_path: Path, steps: str) -> None:
    from trainables.images.preprocess import parse_preprocess
    from trainables.images.reading import read_image

    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (61, 47, 3), np.uint8), (0, 0), 2)
    alpha = np.dstack([image, rng.integers(0, 256, (61, 47), np.uint8)])
    paths = [
        save(tmp_path / "a.jpg", image, cv2.IMWRITE_JPEG_QUALITY, 85),
        save(tmp_path / "b.png", image),
        save(tmp_path / "c.png", alpha),
        save(tmp_path / "d.png", image[..., 0]),
        save(tmp_path / "e.bmp", image),
        save(tmp_path / "f.webp", image),
    ]
    turned = bytearray((tmp_path / "a.jpg").read_bytes())
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    turned[2:2] = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "turned.jpg").write_bytes(turned)
    spec = {"size": [32, 24], "steps": parse_preprocess(steps).to_json(), "background": [255, 255, 255]}
    for path in [*paths, tmp_path / "turned.jpg"]:
        assert (exported.prepare(path, spec) == read_image(path, "32x24", steps)).all(), path.name


def test_images_that_it_does_not_read_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "deep.png", np.zeros((9, 9), np.uint16))
    with pytest.raises(ValueError, match=r"deep.png: its mode is I;16; give an image of 8 bits"):
        exported.decode(tmp_path / "deep.png", (0, 0, 0))
    with pytest.raises(ValueError, match=r"an array \(3, 3\) of float64"):
        exported.checked(np.zeros((3, 3)))


def test_a_files_name_cannot_speak_to_the_terminal() -> None:
    assert exported.shown("a\x1b[2J\u202e b.png") == "a\\x1b[2J\\u202e b.png"


# ---- answers --------------------------------------------------------------------------------------


def drawn(seed: int, classes: int, rows: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), rows).astype(np.float32)


def lone(trial: int, weight: float) -> Member:
    return Member("a", "t:T", trial, 0.5, weight, {}, (FoldModel(0, 1, 0.5, "weights/w", 1, "00"),))


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_votes_are_those_of_the_ensemble(kind: str, multi_label: bool) -> None:
    members = [drawn(at, 3) for at in range(3)]
    fitted = fitted_vote(kind, np.stack(members), np.array([0.5, 0.25, 0.25]), np.ones(40), multi_label)
    term = {"vote": fitted.to_json(), "multi_label": multi_label}
    new = [drawn(at + 10, 3) for at in range(3)]
    assert np.allclose(exported.voted(term, new), fitted.apply(np.stack(new)), atol=1e-6)


@pytest.mark.parametrize(
    "decisions",
    [None, Decisions("offsets", (0.0, 1.5, -1.0)), Decisions("cut_points", (0.7, 1.2))],
)
def test_temperature_and_decisions_are_those_of_the_ensemble(decisions: Decisions | None) -> None:
    said = None if decisions is None else decisions.to_json()
    record = EnsembleRecord(
        COLOUR, "macro_f1", "max", (Route(1.0, (Component(COLOUR, (lone(0, 1.0),)),)),), decisions=said
    )
    for value in (0.5, 1.0, 3.0):
        chances = Temperature(value).apply(drawn(1, 3))
        found = exported.calibrated(drawn(1, 3), Temperature(value).to_json(), False)
        assert np.allclose(found, chances, atol=1e-6)
        assert exported.decided(found, said).argmax(axis=1).tolist() == decide(record, chances).tolist()


def term(target: Target, given: Any = None) -> Component:
    return Component(target, (lone(0, 1.0),), given)


AGE = categorical("age", ["young", "old"])
THREE = joint(TINT, SHADE, AGE)


@pytest.mark.parametrize(
    "target, terms",
    [
        (BOTH, [term(TINT), term(SHADE)]),
        (BOTH, [term(TINT), term(SHADE, (TINT, "red")), term(SHADE, (TINT, "blue"))]),
        (SHADE, [term(TINT), term(SHADE, (TINT, "red")), term(SHADE, (TINT, "blue"))]),
        (THREE, [term(TINT, (AGE, "young")), term(TINT, (AGE, "old")), term(SHADE), term(AGE)]),
        (TINT, [term(TINT)]),
    ],
)
def test_routes_multiply_as_the_chain_rule_does(target: Target, terms: Sequence[Component]) -> None:
    votes = [drawn(at, len(one.target.classes)) for at, one in enumerate(terms)]
    expected = combine(target, [one.term for one in terms], votes)
    route = route_json(target, Route(1.0, tuple(terms)), 0)
    found = exported.Ensemble.__new__(exported.Ensemble)._route(route, votes)
    assert found.shape == expected.shape and np.allclose(found, expected, atol=1e-6)


def test_views_are_those_of_the_ensemble() -> None:
    import torch

    from orchestrator.core.choices import TTA
    from trainables.images.tta import views

    batch = np.random.default_rng(0).integers(0, 256, (2, 3, 33, 40), np.uint8)
    for tta in TTA:
        expected = [view.float().numpy() for view in views(torch.from_numpy(batch), tta)]
        found = list(exported.views_of(batch.astype(np.float32), tta))
        assert len(found) == len(expected)
        assert all(np.allclose(*pair, atol=1e-3) for pair in zip(found, expected, strict=True)), tta


# ---- the folder -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """An ensemble of two trained networks of different sizes and weights, and paths of images."""
    data: Dataset = write_dataset(tmp_path_factory.mktemp("images"))
    out = tmp_path_factory.mktemp("ensemble")
    (out / "weights").mkdir()
    members = []
    changes: list[dict[str, Any]] = [
        {},
        {"image_size": "40x36", "preprocess": "crop(top=0.1) + pad_square()"},
    ]
    for trial, change in enumerate(changes):
        model = classifier(data, **change)
        model.run_epoch()
        written = model.weights()
        (out / "weights" / f"t{trial}.safetensors").write_bytes(written)
        one = FoldModel(0, 1, 0.5, f"weights/t{trial}.safetensors", len(written), digest_of(written))
        config = {**SMALL, **change, "tta": ("none", "five_crop_flip")[trial]}
        members.append(
            Member(
                "a",
                "trainables.image_classifier:ImageClassifier",
                trial,
                0.5,
                (0.75, 0.25)[trial],
                config,
                (one,),
            )
        )
    record = EnsembleRecord(
        COLOUR,
        "macro_f1",
        "max",
        (Route(1.0, (Component(COLOUR, tuple(members)),)),),
        temperature=Temperature(0.7).to_json(),
        decisions=Decisions("offsets", (0.0, 0.4, 0.0)).to_json(),
        fold_plan={"k": 2},
    )
    (out / "ensemble.json").write_bytes(record_bytes(record))
    return out, [str(Path(data.root) / path) for path in data.paths[:9]]


@pytest.mark.slow
def test_the_exported_folder_answers_alone_as_the_ensemble_does(
    folder: tuple[Path, list[str]], tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    ensemble, paths = Ensemble.load(folder[0]), folder[1]
    seen: list[tuple[int, int]] = []
    out = export_ensemble(ensemble, tmp_path / "out", lambda *at: seen.append(at))
    assert seen == [(1, 2), (2, 2)]
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "models", "predict.py"]
    assert [path.name for path in sorted((out / "models").iterdir())] == ["t0.onnx", "t1.onnx"]
    script = (
        "import sys, runpy\n"
        "sys.modules.update(dict.fromkeys(['torch', 'orchestrator', 'trainables', 'cv2', 'pandas']))\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    table = tmp_path / "answers.csv"
    command = [sys.executable, "-c", script, str(out / "predict.py"), *paths, "--csv", str(table)]
    subprocess.run(command, check=True, cwd=tmp_path)
    rows = list(csv.reader(table.open()))
    assert rows[0] == ["path", "predicted", "p_a", "p_b", "p_c"] and [row[0] for row in rows[1:]] == paths
    expected = ensemble.predict(paths, resources=ONE_CPU)
    found = np.array([[float(cell) for cell in row[2:]] for row in rows[1:]])
    assert np.abs(found - expected).max() < 1e-4
    assert [row[1] for row in rows[1:]] == ensemble.names(ensemble.decide(expected))
    with pytest.raises(EnsembleError, match="exists; delete it to export anew"):
        export_ensemble(ensemble, tmp_path / "out")
    assert json.loads((out / "model.json").read_text())["terms"][0]["members"][1]["tta"] == "five_crop_flip"


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    folder: tuple[Path, list[str]], runs: Path, tmp_path: Path
) -> None:
    with pytest.raises(EnsembleError, match=r"PixelTrainable' exports nothing: it has no export_onnx"):
        export_ensemble(build_ensemble(runs / "both", out=tmp_path / "e"), tmp_path / "out")
    boxed = Ensemble.load(folder[0]).with_members(
        lambda member: replace(member, config={**member.config, "preprocess": "box(0.3)"})
    )
    with pytest.raises(TrainableError, match=r"'box.* reads columns of a table \(box_left"):
        export_ensemble(boxed, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))
