"""What a disk, an editor or a sender makes of an ensemble's folder changes no prediction without a word."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import OrchestratorError
from orchestrator.data.manifest import load_manifest
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.ensemble.trained_on import TrainedOn
from orchestrator.pseudo_labels.labelling import label_manifest
from tests.support.mutations import any_bytes, examples, json_texts
from tests.support.small_study import MADE, make_small_study


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of this version, beside data/."""
    study = make_small_study(tmp_path_factory.mktemp("ensembles"))
    out = study.parent / "e"
    assert ensemble(["--study", str(study), "--out", str(out), "--repeats", "20"]) == 0
    return out


@pytest.fixture(scope="module")
def whole(written: Path) -> dict[str, Any]:
    return answers(written)


@pytest.fixture(scope="module")
def of_format_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("older")
    shutil.copytree(MADE / "data", folder / "data")
    return shutil.copytree(MADE / "studies" / "complete" / "ensemble", folder / "e")


def copy_of(folder: Path) -> Path:
    """Files that are not changed are links: thousands of copies are made."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    return shutil.copytree(folder, copy, copy_function=os.link)


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def answers(folder: Path) -> dict[str, Any]:
    rows = load_manifest(folder.parent / "data" / "rows.csv")
    images = [str(rows.root / path) for path in rows.frame["path"]]
    found = Ensemble.load(folder)
    probabilities = found.predict(images)
    return {
        "probabilities": probabilities,
        "labels": found.names(found.decide(probabilities)),
        "warnings": TrainedOn.of(found).warnings(rows),
        "pseudo": label_manifest(found, rows, 0.1).frame,
        "html": found._repr_html_(),
    }


def assert_ours(error: OrchestratorError) -> None:
    assert 20 < len(str(error)) < 900 and len(str(error).splitlines()) <= 3, error


def assert_same(found: dict[str, Any], whole: dict[str, Any]) -> None:
    assert np.array_equal(found["probabilities"], whole["probabilities"])
    assert found["labels"] == whole["labels"]
    assert found["warnings"] == whole["warnings"]
    assert found["pseudo"].equals(whole["pseudo"])


@examples(50)
@given(data=st.data())
def test_a_folder_whose_file_is_another_answers_the_same_or_is_refused(
    written: Path, whole: dict[str, Any], data: st.DataObject
) -> None:
    copy = copy_of(written)
    files = sorted(path for path in written.rglob("*") if path.is_file())
    read = [path for path in files if path.suffix in (".json", ".parquet", ".safetensors")]
    victim = data.draw(st.sampled_from(read) | st.just(written / "ensemble.json"))
    instead = any_bytes(victim.read_bytes()) | st.sampled_from(read).map(Path.read_bytes)
    if victim.suffix == ".json":
        instead = json_texts(victim.read_bytes()) | instead
    replace(copy / victim.relative_to(written), data.draw(instead))
    try:
        found = answers(copy)
    except OrchestratorError as error:
        assert_ours(error)
        return
    assert_same(found, whole)
    assert found["html"].replace("/copy", "/e") == whole["html"]


@examples(80)
@given(data=st.data(), older=st.booleans())
def test_a_record_that_nothing_vouches_for_is_refused_in_our_words_or_predicts(
    written: Path, of_format_1: Path, data: st.DataObject, older: bool
) -> None:
    """As of versions 0.1 to 0.3, or of somebody who left the digest out."""
    folder = of_format_1 if older else written
    copy = copy_of(folder)
    record = folder / "ensemble.json"
    replace(copy / record.name, data.draw(json_texts(record.read_bytes(), without="digest")))
    try:
        found = answers(copy)
    except OrchestratorError as error:
        assert_ours(error)
        return
    probabilities = found["probabilities"]
    assert np.isfinite(probabilities).all() and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
