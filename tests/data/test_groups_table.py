"""A written table is the same data again, with joined groups: same rows, same images, same labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.data.groups_table import with_groups, write_rows
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.data.scalars import to_scalars
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.study_data import gather_data
from orchestrator.space import SearchSpace, categorical


def images(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())


@pytest.fixture
def table(tmp_path: Path) -> Path:
    names = [f"{row:03d}" for row in range(12)]
    images(tmp_path, *(f"set/images/{name}.png" for name in names))
    lines = ["image_id,patient,label,note,age"]
    for row, name in enumerate(names):
        lines.append(f'{name},{row // 2:02d},{"xy"[row // 2 % 2]},"say ""a, b; c""",{20 + row}')
    (tmp_path / "set" / "train.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "set" / "train.csv"


def joined(manifest: Manifest, *together: tuple[int, int]) -> Manifest:
    codes = np.arange(len(manifest))
    for one, other in together:
        codes[other] = codes[one]
    return with_groups(manifest, codes)


def same_images(one: Manifest, other: Manifest) -> bool:
    def places(manifest: Manifest) -> list[Path]:
        return [(manifest.root / path).resolve() for path in manifest.frame["path"]]

    return places(one) == places(other)


@pytest.mark.parametrize("where", ["set/groups.csv", "groups.csv", "other/groups.csv", "set/groups.parquet"])
def test_the_written_table_names_the_same_images_and_rows(tmp_path: Path, table: Path, where: str) -> None:
    manifest = load_manifest(table, group_column="patient")
    written = joined(manifest, (0, 2), (5, 11))
    write_rows(tmp_path / where, written)
    again = load_manifest(tmp_path / where)
    assert same_images(manifest, again)
    for name in ("image_id", "label", "note", "age", "role"):
        assert to_scalars(again.frame[name]) == to_scalars(manifest.frame[name]), name
    assert again.frame["group"].tolist() == written.frame["group"].tolist()


def test_a_space_that_names_the_column_of_the_groups_gets_the_joined_ones(
    tmp_path: Path, table: Path
) -> None:
    write_rows(tmp_path / "groups.csv", joined(load_manifest(table, group_column="patient"), (0, 2)))
    again = load_manifest(tmp_path / "groups.csv", group_column="patient").frame
    assert again["group"].tolist()[:4] == ["00"] * 4
    assert to_scalars(again["given_group"])[:4] == ["00", "00", "01", "01"]


def test_a_search_of_the_written_table_keeps_a_cluster_in_one_fold(tmp_path: Path, table: Path) -> None:
    manifest = load_manifest(table)
    write_rows(tmp_path / "groups.csv", joined(manifest, (0, 2), (2, 7), (7, 9)))
    space = SearchSpace(
        trainable="tests.pixel_trainable:PixelTrainable",
        target=categorical("label"),
        folds=2,
        params={"lr": 0.1},
    )
    said: list[str] = []
    data = gather_data(DataOptions(data=str(tmp_path / "groups.csv"), runs=tmp_path), space, 0, said.append)
    assert len(set(data.dataset.folds[[0, 2, 7, 9]])) == 1
    assert not any("names no group" in line for line in said)


def test_folders_of_classes_and_parts_come_back_with_their_roles(tmp_path: Path) -> None:
    names = [f"{part}/{kind}/{row}.png" for part in ("train", "test") for kind in "01" for row in range(3)]
    images(tmp_path / "photos", *names)
    manifest = load_manifest(tmp_path / "photos")
    written = joined(manifest, (0, 6), (6, 7))
    write_rows(tmp_path / "groups.csv", written)
    again = load_manifest(tmp_path / "groups.csv")
    assert same_images(manifest, again)
    for name in ("role", "label", "split"):
        assert to_scalars(again.frame[name]) == to_scalars(manifest.frame[name]), name
    # The rows of test come first; those of two roles are not joined, though copies lead across.
    assert again.frame["group"].tolist() == written.frame["group"].tolist()
    assert again.frame["group"].nunique() == 11


def test_links_on_the_way_to_the_images_are_followed(tmp_path: Path) -> None:
    images(tmp_path / "disk" / "far" / "set", "a.png", "b.png")
    (tmp_path / "near").symlink_to(tmp_path / "disk" / "far")
    manifest = load_manifest(tmp_path / "near" / "set")
    write_rows(tmp_path / "groups.csv", manifest)
    assert same_images(manifest, load_manifest(tmp_path / "groups.csv"))


def test_numbers_are_written_as_they_were_read(tmp_path: Path) -> None:
    """A column of decimals keeps them where they say nothing; whole numbers with a gap get none."""
    images(tmp_path, "a.png", "b.png", "c.png")
    lines = [
        "path,group,role,whole,gaps,zero,half,some,micro,code,flag",
        "a.png,a,train,1,3,0.0,0.5,,1600000000000000.0,007,True",
        "b.png,b,train,2,,-0.0,2.0,2.0,1600000000000001.0,07,False",
        "c.png,c,train,3,4,1.0,1e+22,1.5,1600000000000002.0,7,True",
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    manifest = load_manifest(tmp_path / "t.csv")
    write_rows(tmp_path / "g.csv", manifest)
    assert (tmp_path / "g.csv").read_text().splitlines() == lines
    again = load_manifest(tmp_path / "g.csv")
    pd.testing.assert_frame_equal(again.frame, manifest.frame)


def test_groups_that_a_suggestion_names_are_written_where_none_are_given(tmp_path: Path, table: Path) -> None:
    manifest = load_manifest(table)
    names = [f"film {row // 6}" for row in range(12)]
    codes = np.unique(names, return_inverse=True)[1].astype(np.int64)
    written = with_groups(manifest, codes, names)
    assert written.frame["group"].tolist() == names
