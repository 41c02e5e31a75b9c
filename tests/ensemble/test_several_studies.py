"""Studies of one target are blended, a joint study is compared with the product of its parts."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from orchestrator.core import metrics
from orchestrator.data.manifest import load_manifest
from orchestrator.ensemble import Ensemble, build_ensemble
from orchestrator.ensemble.__main__ import main
from orchestrator.ensemble.composing import Options
from orchestrator.ensemble.members import gather
from orchestrator.ensemble.printing import print_scores
from orchestrator.ensemble.scoring import score_parts
from orchestrator.ensemble.untouched import UntouchedRows
from orchestrator.study.predictions import read_prediction
from tests.support.ensemble_command import UNIFORM, images, record
from tests.support.ensemble_studies import BOTH, Plan, make_study


@pytest.fixture(scope="module")
def studies(made: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """runs/ with a second study of the joint label; tests don't write into it."""
    runs = tmp_path_factory.mktemp("several")
    for name in ("both", "tint", "shade"):
        (runs / name).symlink_to(made / name)
    make_study(runs / "also", data, Plan(lrs=(0.3, 0.5), epochs=6))
    return runs


def built(runs: Path, names: Sequence[str], out: Path, *more: str) -> Path:
    paths = [str(runs / name) for name in names]
    assert main(["--study", *paths, "--out", str(out), "--trust", *more]) == 0
    return out


@pytest.fixture(scope="module")
def three(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The ensemble of a product and a joint model, made as by default, and what was printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        folder = built(
            studies, ["tint", "shade", "both"], tmp_path_factory.mktemp("three") / "e", "--repeats", "10"
        )
    return folder, said.getvalue()


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_order_of_the_studies_changes_no_byte(studies: Path, tmp_path: Path) -> None:
    few = ("--repeats", "5", "--decide", "none")
    one = built(studies, ["both", "tint", "also", "shade"], tmp_path / "one", *few)
    other = built(studies, ["shade", "also", "tint", "both"], tmp_path / "other", *few)
    assert contents(one) == contents(other)
    assert record(one)["studies"] == ["tint", "shade", "also", "both"]


def test_studies_of_one_target_vote_together(studies: Path, tmp_path: Path, data: Path) -> None:
    folder = built(studies, ["both", "also"], tmp_path / "e", *UNIFORM)
    ensemble, (term,) = Ensemble.load(folder), record(folder)["routes"][0]["terms"]
    members = [(member["study"], member["trial"]) for member in term["members"]]
    assert len(members) == 4 and {study for study, _ in members} <= {"both", "also"}
    inputs = gather([studies / "both", studies / "also"], None, trust=True)
    found = {
        (study.name, trial.number): item.probabilities
        for study in inputs.studies
        for trial, item in zip(study.trials, study.predictions, strict=True)
    }
    scores = {
        key: np.mean(
            [
                metrics.score("macro_f1", inputs.labels[inputs.folds == fold], item[inputs.folds == fold])
                for fold in range(3)
            ]
        )
        for key, item in found.items()
    }
    assert set(members) == set(sorted(scores, key=lambda key: -scores[key])[:4])
    oof, _ = read_prediction(folder / "oof.parquet")
    assert np.allclose(oof.probabilities, np.mean([found[key] for key in members], axis=0), atol=1e-6)
    assert ensemble.predict(images(data)[:3]).shape == (3, 6)


def test_a_product_and_a_joint_model_are_compared_on_the_same_rows(three: tuple[Path, str]) -> None:
    compared = record(three[0])["comparisons"]
    assert [item["scope"] for item in compared] == ["all", "task", "task", *["class"] * 6]
    assert [item["name"] for item in compared] == ["tint_shade", "tint", "shade", *BOTH.classes]
    for item in compared:
        assert list(item["scores"]) == ["product", "joint", "even blend"]
        pairs = {(pair["minus"], pair["of"]): pair for pair in item["differences"]}
        gained = pairs["product", "joint"]
        assert gained["difference"] == pytest.approx(item["scores"]["joint"] - item["scores"]["product"])
        assert gained["low"] <= gained["high"]


def test_what_is_composed_predicts_as_its_out_of_fold_rows_promise(
    three: tuple[Path, str], data: Path
) -> None:
    folder, _ = three
    found, routes = Ensemble.load(folder), record(folder)["routes"]
    assert sum(route["weight"] for route in routes) == pytest.approx(1)
    oof, _ = read_prediction(folder / "oof.parquet")
    assert np.allclose(oof.probabilities.sum(axis=1), 1, atol=1e-5)
    answers = found.predict(images(data))
    assert np.allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert (answers.argmax(axis=1) == oof.labels).mean() > 0.3


def test_a_vote_that_loses_to_a_member_says_so(
    studies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One good trial and one that knows little: the uniform vote is below the good one."""
    built(studies, ["both"], tmp_path / "e", *UNIFORM, "--top", "3")
    said = capsys.readouterr().out
    steps = record(tmp_path / "e")["choice"]["steps"]
    vote = record(tmp_path / "e")["choice"]["terms"][0]
    best = max(item["mean"] for item in vote["members"])
    beaten = best > vote["vote"]["mean"]
    assert ("note: the uniform vote of 3 (" in said) == beaten
    assert [item["step"] for item in steps][:1] == ["vote"]
    chosen = build_ensemble(studies / "both", out=tmp_path / "auto", trust=True, repeats=5).record.choice
    considered = chosen["steps"][0]["considered"]
    taken = next(item for item in considered if item["name"] == chosen["steps"][0]["taken"])
    assert taken["accepted"] and len(considered) >= 2
    assert all(item["reason"] for item in considered)


def test_the_tables_fit_a_screen_of_80_columns_and_no_number_is_cut_on_one_of_60(studies: Path) -> None:
    inputs = gather([studies / name for name in ("tint", "shade", "both")], None, trust=True)
    scores = score_parts(inputs, Options(), np.random.default_rng(0), repeats=5)
    for width in (80, 60):
        console = Console(width=width, record=True, highlight=False, file=io.StringIO())
        print_scores(console, inputs, scores, Options())
        tables = [line for line in console.export_text().splitlines() if line[:1] in "│┃┏└"]
        assert tables and max(len(line.rstrip()) for line in tables) <= width
        assert not any("…" in line for line in tables)


def test_what_was_printed_is_in_the_record(three: tuple[Path, str]) -> None:
    folder, said = three
    stored = record(folder)
    for estimate in stored["estimates"]:
        assert estimate["title"] in said
    answer = next(line for line in said.splitlines() if line.startswith("answer: "))
    kept = {term["target"]["name"] for route in stored["routes"] for term in route["terms"]}
    for name in ("tint", "shade", "tint_shade"):  # of a route without weight nothing is part of the answer
        assert (f" on {name}," in f"{answer},") == (name in kept)
    for step in stored["choice"]["steps"]:
        for item in step["considered"][1:]:
            assert item["gain"] is None or f"{item['gain']:+.4f}" in said
    for term in stored["choice"]["terms"]:
        for member in term["members"]:
            assert f"{member['mean']:.4f}" in said
    assert json.loads((folder / "ensemble.json").read_text())["format"] == 2


def test_the_truth_stands_beside_the_interval(
    studies: Path,
    tmp_path: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Rows that nothing was fitted to are scored after all else is written, and stored with it."""
    shutil.copytree(data.parent, tmp_path / "new")
    for path in (tmp_path / "new").glob("*.png"):  # no copies of images that were trained on
        cv2.imwrite(str(path), cv2.imread(str(path)) // 2 * 2)
    rows = UntouchedRows(load_manifest(tmp_path / "new" / data.name))
    monkeypatch.setattr("orchestrator.ensemble.command.find_untouched", lambda study, target, others: rows)
    folder = built(studies, ["both"], tmp_path / "e", *UNIFORM)
    said = capsys.readouterr().out
    stored = record(folder)["estimates"]
    assert [item["key"] for item in stored][-1] == "untouched"
    assert f"untouched rows macro_f1: {stored[-1]['score']:.4f} (95% interval" in said
    inside = stored[-2]["low"] <= stored[-1]["score"] <= stored[-2]["high"] if stored[-2]["score"] else None
    if inside is not None:
        assert f"lies {'inside' if inside else 'outside'} the interval of BBC macro_f1, whole race" in said
