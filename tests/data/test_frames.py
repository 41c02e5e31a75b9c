"""Rows that lie in memory: a DataFrame and a manifest are read as their file would be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data.manifest import load_manifest


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """rows.csv (path, group, age) with four images of two groups."""
    names = ["d.png", "b.png", "a.png", "c.png"]
    for name in names:
        (tmp_path / name).write_bytes(b"image")
    lines = [f"{name},g{number % 2},{20 + number}" for number, name in enumerate(names)]
    (tmp_path / "rows.csv").write_text("\n".join(["path,group,age", *lines]) + "\n")
    return tmp_path / "rows.csv"


def test_a_data_frame_says_what_its_file_says(table: Path) -> None:
    from_file = load_manifest(table)
    from_frame = load_manifest(pd.read_csv(table), data_root=table.parent)
    assert from_frame.fingerprint == from_file.fingerprint
    assert from_frame.root == from_file.root


def test_relative_paths_of_a_frame_start_in_the_current_folder(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(table.parent)
    assert load_manifest(pd.read_csv(table)).root == table.parent


def test_absolute_paths_of_a_frame_say_where_the_images_lie(table: Path) -> None:
    frame = pd.read_csv(table)
    frame["path"] = [table.parent / name for name in frame["path"]]  # Path objects, not texts
    manifest = load_manifest(frame)
    assert manifest.root == table.parent
    assert manifest.frame["path"].tolist() == ["d.png", "b.png", "a.png", "c.png"]


def test_index_and_types_of_a_frame_make_no_difference(table: Path) -> None:
    plain = load_manifest(table)
    frame = pd.read_csv(table)
    odd = frame.set_index(pd.Index([7, 7, 1, 0])).assign(
        group=pd.Categorical(frame["group"]), age=frame["age"].astype(np.float32).to_numpy()
    )
    before = odd.copy()
    assert load_manifest(odd, data_root=table.parent).fingerprint == plain.fingerprint
    pd.testing.assert_frame_equal(odd, before)


def test_a_manifest_is_read_again_with_another_group(table: Path) -> None:
    manifest = load_manifest(table)
    assert load_manifest(manifest).fingerprint == manifest.fingerprint
    assert load_manifest(manifest, group_column="age").frame["group"].tolist() == ["20", "21", "22", "23"]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda frame: frame.drop(columns="path"), r"no column names images \(it has group, age\)"),
        (lambda frame: frame.iloc[:0], "no row"),
        (lambda frame: frame.assign(path=[None, *frame["path"][1:]]), "'path' is empty in row 1"),
        (lambda frame: frame.set_axis(["path", "age", "age"], axis=1), "'age' appears more than once"),
        (lambda frame: frame.assign(path=["/x.png", *frame["path"][1:]]), "1 of 4 paths are absolute"),
        (lambda frame: frame.assign(path=["x.png", *frame["path"][1:]]), "1 of 4 images are not under"),
    ],
)
def test_a_wrong_frame_is_refused_by_its_name(change, words: str, table: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(table.parent)
    with pytest.raises(ManifestError, match=words) as caught:
        load_manifest(change(pd.read_csv(table)))
    assert str(caught.value).startswith("the DataFrame")
