"""Folds over label sets: every label in every fold, where it holds and where it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.core.errors import FoldPlanError
from orchestrator.data.folds import build_fold_plan
from orchestrator.data.manifest import Manifest
from orchestrator.data.targets import categorical, multi_label

LABELS = ["a", "b", "c"]


def manifest(seed: int = 0, groups: int = 80, shares: tuple[float, ...] = (0.5, 0.15, 0.95)) -> Manifest:
    """1 to 4 rows a group; b holds only where a does."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rng.integers(1, 5, groups))
    held = (rng.random((groups, 3)) < shares).astype(int)[group]
    held[:, 1] &= held[:, 0]
    names = [f"g{number:03}" for number in group]
    paths = [f"{row}.jpg" for row in range(len(group))]
    frame = pd.DataFrame({"path": paths, "group": names, "role": "train"})
    return Manifest(frame.assign(**dict(zip(LABELS, held.T, strict=True))), Path("/x"), "m")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_label_is_spread_with_and_without_it_and_groups_stay_whole(seed: int) -> None:
    rows, target = manifest(seed), multi_label(LABELS)
    folds = build_fold_plan(rows, 4, seed, [target]).folds
    labels = target.encode(rows.frame)
    shares = np.stack([labels[folds == fold].mean(axis=0) for fold in range(4)])
    assert (shares > 0).all() and (shares < 1).all()
    assert np.ptp(shares, axis=0).max() < 0.1
    assert (pd.Series(folds).groupby(rows.frame["group"].to_numpy()).nunique() == 1).all()


def test_frequent_label_sets_are_spread_too() -> None:
    """a and b hold together or apart: each label alone would be satisfied by folds of one kind."""
    kinds = np.array([[1, 1], [0, 0], [1, 0], [0, 1]])[np.arange(80) % 4]
    paths = [f"{row}.jpg" for row in range(80)]
    frame = pd.DataFrame({"path": paths, "group": paths, "role": "train", "a": kinds[:, 0], "b": kinds[:, 1]})
    for seed in range(5):
        folds = build_fold_plan(Manifest(frame, Path("/x"), "m"), 4, seed, [multi_label(["a", "b"])]).folds
        assert np.ptp(np.bincount(folds * 4 + kinds @ [2, 1], minlength=16)) == 0


def test_a_stratum_of_one_label_goes_with_labels_of_several() -> None:
    rows = manifest()
    frame = rows.frame.assign(site=["xy"[int(name[1:]) % 2] for name in rows.frame["group"]])
    strata = [multi_label(LABELS), categorical("site", ["x", "y"])]
    plan = build_fold_plan(Manifest(frame, rows.root, "m"), 4, 0, strata)
    for fold in range(4):
        assert set(frame["site"][plan.folds == fold]) == {"x", "y"}


def test_a_label_of_too_few_groups_is_refused_whether_it_holds_or_lacks() -> None:
    rows = manifest()
    rare = rows.frame["group"].isin(["g000", "g001"]).astype(int)
    with pytest.raises(FoldPlanError) as caught:
        build_fold_plan(Manifest(rows.frame.assign(b=rare), rows.root, "m"), 3, 0, [multi_label(LABELS)])
    assert str(caught.value) == (
        "label 'b' of target 'labels' has 2 groups for 3 folds: some fold would have none to validate on; "
        "--drop-rare 3 leaves such a label out, or use fewer folds (2 at most)"
    )
    with pytest.raises(
        FoldPlanError, match="label 'b' of target 'labels' is absent from 2 groups for 3 folds"
    ):
        build_fold_plan(Manifest(rows.frame.assign(b=1 - rare), rows.root, "m"), 3, 0, [multi_label(LABELS)])


def one_label(animals: list[str], **columns: object) -> Manifest:
    paths = [f"{row}.jpg" for row in range(len(animals))]
    frame = pd.DataFrame({"path": paths, "group": paths, "role": "train", "animal": animals})
    return Manifest(frame.assign(**columns), Path("/x"), "m")


def test_fewer_folds_are_named_only_where_they_help() -> None:
    target = categorical("animal", ["cat", "dog", "yak"])
    with pytest.raises(FoldPlanError) as caught:
        build_fold_plan(one_label(["cat"] * 6 + ["dog"] * 6 + ["yak"]), 2, 0, [target])
    assert str(caught.value) == (
        "class 'yak' of target 'animal' has 1 group for 2 folds: some fold would have none to validate on; "
        "--drop-rare 2 leaves such a class out, role extra trains on its rows and never validates them"
    )
    with pytest.raises(FoldPlanError, match=r"and 1 more like it: .*use fewer folds \(2 at most\)"):
        build_fold_plan(one_label(["cat"] * 6 + ["dog"] * 3 + ["yak"] * 2), 4, 0, [target])


@pytest.mark.parametrize("ordered", [False, True])
def test_merging_is_advised_only_where_what_is_merged_has_enough_groups(ordered: bool) -> None:
    target = categorical("animal", ["cat", "dog", "yak", "gnu"], ordered=ordered)
    rows = one_label(["cat"] * 6 + ["dog"] * 6 + ["yak"] + ["gnu"])
    with pytest.raises(FoldPlanError) as caught:
        build_fold_plan(rows, 2, 0, [target])
    assert ("--rare-as other merges it into a class other" in str(caught.value)) == (not ordered)


def test_a_class_whose_rows_are_all_extra_is_trained_on_and_never_validated() -> None:
    target = categorical("animal", ["cat", "dog", "yak"])
    roles = ["train"] * 12 + ["extra"]
    plan = build_fold_plan(one_label(["cat"] * 6 + ["dog"] * 6 + ["yak"], role=roles), 2, 0, [target])
    assert plan.folds.tolist().count(-1) == 1
    with pytest.raises(FoldPlanError, match="'yak' of target 'animal' has 0 groups"):
        build_fold_plan(one_label(["cat"] * 6 + ["dog"] * 7, role=roles), 2, 0, [target])
