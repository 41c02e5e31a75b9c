"""An ensemble is its folder, or a study's newest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.ensemble import Ensemble, build_ensemble
from orchestrator.ensemble.__main__ import main
from orchestrator.ensemble_record.finding import find_ensemble
from tests.support.ensemble_command import images


@pytest.fixture
def dated(runs: Path) -> Path:
    """runs/ whose study both has two ensembles, the first of which was written last."""
    for name, seconds in (("first", 2_000), ("second", 1_000)):
        build_ensemble(runs / "both", out=runs / "both" / name)
        os.utime(runs / "both" / name / "ensemble.json", (seconds, seconds))
    return runs


def test_a_studys_name_means_the_ensemble_that_was_written_last(dated: Path, data: Path) -> None:
    assert find_ensemble("both", dated) == dated / "both" / "first"
    assert find_ensemble(dated / "both", dated / "elsewhere") == dated / "both" / "first"
    assert find_ensemble(dated / "both" / "second", dated) == dated / "both" / "second"
    assert Ensemble.load("both", runs=dated).path == dated / "both" / "first"
    assert main(["--runs", str(dated), "--ensemble", "both", "--predict", str(data)]) == 0
    assert list((dated / "both" / "first").glob("predictions-*.parquet"))


def test_what_is_none_is_refused_with_the_way_out(runs: Path) -> None:
    with pytest.raises(EnsembleError, match=r"nowhere is no ensemble .*no study of .* has that name"):
        Ensemble.load("nowhere", runs=runs)
    with pytest.raises(EnsembleError, match=r"holds no ensemble; make one with .*--study .*tint"):
        Ensemble.load("tint", runs=runs)


def test_a_name_of_two_ensembles_is_refused(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_ensemble(runs / "both", out=runs / "e")
    build_ensemble(runs / "both", out=tmp_path / "here" / "e")
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(EnsembleError, match=r"e is an ensemble in .* and one in this folder"):
        find_ensemble("e", runs)


def test_the_ensemble_of_several_studies_lies_beside_them(
    runs: Path, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shell").mkdir()
    monkeypatch.chdir(tmp_path / "shell")
    assert main(["--study", str(runs / "tint"), str(runs / "shade")]) == 0
    assert not list((tmp_path / "shell").iterdir())
    (folder,) = [path for path in runs.iterdir() if path.name.startswith("ensemble-")]
    (runs / "deep").mkdir()
    (runs / "shade").rename(runs / "deep" / "shade")
    built = build_ensemble([runs / "tint", runs / "deep" / "shade"])
    assert built.path.parent == runs.resolve()
    assert (built.predict(images(data)[:4]) == Ensemble.load(folder).predict(images(data)[:4])).all()
