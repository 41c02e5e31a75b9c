"""Folds: no person in two, shares alike, frozen on disk; and every leak that is refused."""

from __future__ import annotations

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.core.errors import FoldPlanError, ManifestError
from orchestrator.data.folds import FoldPlan, build_fold_plan, load_or_build
from orchestrator.data.given_folds import held_out
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.data.table_files import normalise_column_types
from orchestrator.data.targets import age_bins, categorical, joint

AGE = age_bins([30, 60])
GENDER = categorical("gender", ["male", "female"])
MASK = categorical("mask", ["worn", "wrong", "none"])
ALL = (MASK, GENDER, AGE)
PHOTOS = ["worn"] * 5 + ["wrong", "none"]
SHARED = Path(__file__).parents[2].parent / "shared" / "data"


def manifest(people: int = 120, old: int = 8, **columns: object) -> Manifest:
    """Seven photos a person in the competition's proportions; age and gender fixed by the number."""
    number = np.repeat(np.arange(people), 7)
    age = np.where(number < old, 60, np.where(number % 2 == 0, 25, 45))
    frame = pd.DataFrame(
        {
            "path": [f"{person:04d}/{photo}.jpg" for person in range(people) for photo in range(7)],
            "group": [f"p{person:04d}" for person in number],
            "role": "train",
            "age": age,
            "gender": np.where(number % 3 == 0, "male", "female"),
            "mask": PHOTOS * people,
            **columns,
        }
    )
    return Manifest(frame, Path("/nowhere"), "people")


def with_values(rows: Manifest, column: str, values: dict[int, object]) -> Manifest:
    frame = rows.frame.copy()
    frame[column] = frame[column].astype(object)
    for row, value in values.items():
        frame.loc[row, column] = value
    return Manifest(frame, rows.root, rows.name)


def noisy_clusters(seed: int) -> Manifest:
    """Groups of 1 to 9 rows whose rows disagree about the age, as near-duplicates with wrong labels do."""
    rng = np.random.default_rng(seed)
    sizes = rng.choice([1, 1, 1, 2, 3, 5, 9], 400)
    group = np.repeat(np.arange(400), sizes)
    base = rng.choice([20, 40, 70], 400, p=[0.45, 0.45, 0.10])[group]
    frame = pd.DataFrame(
        {
            "path": [f"{row}.jpg" for row in range(len(group))],
            "group": group.astype(str),
            "role": "train",
            "age": np.clip(base + rng.normal(0, 8, len(group)).round(), 0, 99),
            "gender": rng.choice(["male", "female"], 400)[group],
        }
    )
    return Manifest(frame, Path("/nowhere"), "clusters")


def held(labels: np.ndarray, folds: np.ndarray, k: int) -> np.ndarray:
    """Rows of each label in each fold: (k, labels)."""
    return np.stack([np.bincount(labels[folds == fold], minlength=labels.max() + 1) for fold in range(k)])


def shares(labels: np.ndarray, folds: np.ndarray, k: int) -> np.ndarray:
    """Share of each label in each fold: (k, labels)."""
    counts = held(labels, folds, k)
    return counts / counts.sum(axis=1, keepdims=True)


# ---- what a plan is -------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 5, 8])
def test_no_person_crosses_folds_and_every_row_has_exactly_one(k: int) -> None:
    rows = manifest()
    plan = build_fold_plan(rows, k, 0, ALL)
    assert plan.folds.dtype == np.int16 and len(plan.folds) == len(rows)
    assert sorted(set(plan.folds.tolist())) == list(range(k))
    assert pd.Series(plan.folds).groupby(rows.frame["group"]).nunique().max() == 1


@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_folds_are_of_one_size_and_hold_the_same_share_of_every_stratum(k: int, seed: int) -> None:
    rows = manifest()
    folds = build_fold_plan(rows, k, seed, ALL).folds
    people = 7  # photos of one person
    assert np.ptp(np.bincount(folds)) <= people
    for target, bound in ((MASK, 5), (GENDER, people), (AGE, people), (joint(*ALL), people)):
        assert np.ptp(held(target.encode(rows.frame), folds, k), axis=0).max() <= bound, target.name


@pytest.mark.parametrize("seed", range(5))
def test_clusters_with_conflicting_ages_are_balanced_all_the_same(seed: int) -> None:
    rows = noisy_clusters(seed)
    folds = build_fold_plan(rows, 5, seed, (AGE, GENDER)).folds
    assert pd.Series(folds).groupby(rows.frame["group"]).nunique().max() == 1
    assert np.ptp(np.bincount(folds)) <= 0.02 * len(folds)
    labels = joint(AGE, GENDER).encode(rows.frame)
    assert np.ptp(shares(labels, folds, 5), axis=0).max() < 0.02


def test_a_class_with_as_many_people_as_folds_is_in_every_fold() -> None:
    for seed in range(20):
        rows = manifest(old=5)
        folds = build_fold_plan(rows, 5, seed, ALL).folds
        old = rows.frame["age"].to_numpy() >= 60
        assert sorted(set(folds[old].tolist())) == [0, 1, 2, 3, 4]


def test_a_joint_stratum_with_fewer_people_than_folds_is_merely_spread() -> None:
    frame = manifest(old=12).frame
    frame.loc[frame["age"] == 60, "gender"] = "male"
    frame.loc[frame["group"].isin(["p0000", "p0001"]), "gender"] = "female"
    folds = build_fold_plan(Manifest(frame, Path("/x"), "m"), 5, 0, (GENDER, AGE)).folds
    rare = (frame["age"] == 60) & (frame["gender"] == "female")
    assert len(set(folds[rare].tolist())) == 2


def test_extra_rows_join_no_fold_and_test_rows_no_training() -> None:
    rows = manifest()
    people = rows.frame["group"].str[1:].astype(int)
    frame = rows.frame.assign(role=np.where(people < 100, "train", np.where(people < 110, "extra", "test")))
    folds = build_fold_plan(Manifest(frame, rows.root, "m"), 5, 0, ALL).folds
    assert set(folds[people < 100]) == {0, 1, 2, 3, 4}
    assert set(folds[(people >= 100) & (people < 110)]) == {-1} and set(folds[people >= 110]) == {-2}


def test_rows_that_are_not_trained_on_need_no_label() -> None:
    rows = manifest()
    frame = rows.frame.assign(age=rows.frame["age"].astype(float))
    last = frame["group"] == "p0119"
    frame.loc[last, "role"] = "test"
    frame.loc[last, "age"] = np.nan
    assert (build_fold_plan(Manifest(frame, rows.root, "m"), 5, 0, ALL).folds[last] == -2).all()


def test_the_seed_decides_and_nothing_else() -> None:
    rows = manifest()
    again, other = build_fold_plan(rows, 5, 0, ALL), build_fold_plan(rows, 5, 1, ALL)
    first = build_fold_plan(rows, 5, 0, ALL)
    assert np.array_equal(first.folds, again.folds) and first.fingerprint == again.fingerprint
    assert not np.array_equal(first.folds, other.folds) and first.fingerprint != other.fingerprint


def test_studies_of_different_targets_share_a_plan_however_they_write_their_strata() -> None:
    rows = manifest()
    plan = build_fold_plan(rows, 5, 0, ALL)
    for strata in [(AGE, MASK, GENDER), (joint(*ALL),), (GENDER, joint(MASK, AGE)), (AGE, AGE, GENDER, MASK)]:
        assert build_fold_plan(rows, 5, 0, strata).fingerprint == plan.fingerprint


# ---- refusals -------------------------------------------------------------------------------------


def test_a_class_with_fewer_people_than_folds_is_refused_with_the_way_out() -> None:
    with pytest.raises(FoldPlanError) as caught:
        build_fold_plan(manifest(old=4), 5, 0, ALL)
    message = str(caught.value)
    assert "'>=60'" in message and "'age'" in message and "4 groups" in message and "5 folds" in message
    assert "fewer folds" in message and "merge" in message
    assert build_fold_plan(manifest(old=4), 4, 0, ALL).k == 4


def test_a_class_that_nobody_has_is_refused() -> None:
    with pytest.raises(FoldPlanError, match=r"'>=60'.* 0 groups"):
        build_fold_plan(manifest(old=0), 2, 0, ALL)


@pytest.mark.parametrize("k", [1, 0, -3])
def test_fewer_than_two_folds_are_refused(k: int) -> None:
    with pytest.raises(FoldPlanError, match=f"folds={k}"):
        build_fold_plan(manifest(), k, 0, ALL)


def test_more_folds_than_people_are_refused() -> None:
    with pytest.raises(FoldPlanError, match="3 groups cannot fill 4 folds"):
        build_fold_plan(manifest(people=3), 4, 0, ())


@pytest.mark.parametrize(
    ("roles", "found"),
    [(("test",), "test and train"), (("extra",), "extra and train"), (("test", "extra"), "")],
)
def test_a_group_in_two_roles_is_refused(roles: tuple[str, ...], found: str) -> None:
    rows = with_values(manifest(), "role", dict(enumerate(roles, start=7)))
    with pytest.raises(FoldPlanError, match=f"group 'p0001' has rows with the roles .*{found}"):
        build_fold_plan(rows, 5, 0, ALL)


def test_a_row_that_is_there_twice_is_refused() -> None:
    rows = manifest()
    frame = pd.concat([rows.frame, rows.frame.iloc[[3]]], ignore_index=True)
    with pytest.raises(FoldPlanError, match=r"0000/3\.jpg"):
        build_fold_plan(Manifest(frame, rows.root, "m"), 5, 0, ALL)


def test_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(FoldPlanError, match="no row with role train"):
        build_fold_plan(manifest(role="test"), 5, 0, ALL)


def test_a_stratum_that_cannot_be_read_is_the_manifests_error() -> None:
    with pytest.raises(ManifestError, match="'unknown'"):
        build_fold_plan(with_values(manifest(), "gender", {9: "unknown"}), 5, 0, ALL)


# ---- folds given by the user ----------------------------------------------------------------------


def test_a_fold_column_is_taken_as_it_is() -> None:
    given = np.repeat(np.arange(120) % 3, 7)
    plan = build_fold_plan(manifest(fold=given), 3, 0, (MASK, AGE), "fold")
    assert np.array_equal(plan.folds, given)
    ones = build_fold_plan(manifest(fold=given + 1), 3, 0, (MASK, AGE), "fold")
    named = build_fold_plan(manifest(fold=np.array(["a", "b", "c"])[given]), 3, 0, (MASK, AGE), "fold")
    assert np.array_equal(ones.folds, given) and np.array_equal(named.folds, given)


def test_a_fold_column_orders_ten_folds_by_number() -> None:
    given = np.repeat(np.arange(120) % 11 + 1, 7)
    assert np.array_equal(build_fold_plan(manifest(fold=given), 11, 0, (), "fold").folds, given - 1)
    words = manifest(fold=given.astype(str))  # as where a row without a fold says "none"
    assert np.array_equal(build_fold_plan(words, 11, 0, (), "fold").folds, given - 1)


def test_a_fold_column_that_tears_a_group_is_refused() -> None:
    rows = with_values(manifest(fold=np.repeat(np.arange(120) % 3, 7)), "fold", {15: 0})
    with pytest.raises(FoldPlanError, match=r"group 'p0002' into folds 0, 2 \(1 such groups\)"):
        build_fold_plan(rows, 3, 0, ALL, "fold")


def test_a_fold_column_with_a_gap_another_number_or_no_such_name_is_refused() -> None:
    rows = manifest(fold=np.repeat(np.arange(120) % 3, 7))
    with pytest.raises(FoldPlanError, match=r"has 3 folds \(0, 1, 2\) and the space asks for 5; set folds=3"):
        build_fold_plan(rows, 5, 0, ALL, "fold")
    with pytest.raises(FoldPlanError, match=r"is empty for 0000/1\.jpg \(2 train rows"):
        build_fold_plan(with_values(rows, "fold", {1: None, 2: np.nan}), 3, 0, ALL, "fold")
    with pytest.raises(FoldPlanError, match="'part' is not in the manifest"):
        build_fold_plan(rows, 3, 0, ALL, "part")


def test_only_train_rows_need_a_fold() -> None:
    rows = manifest(fold=np.repeat(np.arange(120) % 3, 7))
    rows = with_values(rows, "role", dict.fromkeys(range(7), "extra"))
    rows = with_values(rows, "fold", dict.fromkeys(range(7)))
    assert (build_fold_plan(rows, 3, 0, (MASK, AGE), "fold").folds[:7] == -1).all()


def test_a_fold_that_lacks_a_class_is_refused_as_a_made_one_is() -> None:
    rows = manifest(fold=np.repeat(np.arange(120) % 3, 7))  # every third person is male
    with pytest.raises(FoldPlanError) as caught:
        build_fold_plan(rows, 3, 0, ALL, "fold")
    assert str(caught.value) == (
        "fold column 'fold': fold 0 has no row of class 'female' of target 'gender' to validate on; spread "
        "each class over the folds, or leave fold_column out to have them made"
    )


@pytest.mark.parametrize(
    "cells", [["fold_0", "fold_1"], [0.0, 1.0], ["0.0", "1.0"], [1, 2], ["fold 2", "fold 10"], ["a", "b"]]
)
def test_folds_may_be_called_by_any_names(cells: list[object]) -> None:
    given = np.repeat(np.arange(120) % 2, 7)
    frame = normalise_column_types({"fold": [cells[fold] for fold in given]})
    plan = build_fold_plan(manifest(fold=frame["fold"]), 2, 0, (MASK,), "fold")
    assert np.array_equal(plan.folds, given)


def test_a_given_validation_part_is_one_fold_and_its_train_rows_are_never_validated() -> None:
    parts = np.repeat(np.array(["val", "train", "Train", "valid"])[np.arange(120) % 4], 7)
    plan = build_fold_plan(manifest(split=parts), 1, 0, (MASK,), "split")
    assert plan.k == 1 and np.array_equal(plan.folds, np.where(np.isin(parts, ["val", "valid"]), 0, -1))
    with pytest.raises(FoldPlanError, match=r"has 1 fold \(val\) and the space asks for 5; set folds=1"):
        build_fold_plan(manifest(split=parts), 5, 0, (MASK,), "split")
    torn = with_values(manifest(split=parts), "split", {0: "train"})
    with pytest.raises(FoldPlanError, match="puts group 'p0000' into folds train, val"):
        build_fold_plan(torn, 1, 0, (MASK,), "split")


def test_rows_that_a_fold_column_holds_out_have_role_test_and_are_said() -> None:
    rows = manifest(fold=np.repeat(np.arange(120) % 3 - 1, 7))
    with pytest.raises(
        FoldPlanError, match=r"holds out 0000/0\.jpg, which has role train; give it role test"
    ):
        build_fold_plan(rows, 2, 0, (MASK,), "fold")
    kept, line = held_out(rows, "fold")
    assert line == "held out: 280 rows with fold -1, never trained on"
    assert (
        build_fold_plan(kept, 2, 0, (MASK,), "fold").folds
        == np.where(rows.frame["fold"] < 0, -2, rows.frame["fold"])
    ).all()
    assert held_out(kept, "fold") == (kept, None) == held_out(kept, None)
    torn = with_values(rows, "fold", {0: 0})
    with pytest.raises(
        ManifestError, match="fold column 'fold': group 'p0000' has rows with the roles test and"
    ):
        held_out(torn, "fold")


# ---- on disk --------------------------------------------------------------------------------------


def test_a_plan_reads_back_as_it_was_written(tmp_path: Path) -> None:
    plan = build_fold_plan(manifest(), 5, 3, ALL)
    plan.write(tmp_path / "deep" / "folds.parquet")
    back = FoldPlan.read(tmp_path / "deep" / "folds.parquet")
    assert np.array_equal(back.folds, plan.folds) and back.folds.dtype == np.int16
    assert (back.k, back.seed, back.fingerprint) == (5, 3, plan.fingerprint)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["folds.parquet"]


def test_a_plan_is_made_once_and_then_loaded(tmp_path: Path) -> None:
    rows = manifest()
    first = load_or_build(tmp_path, rows, 5, 0, ALL)
    written = next(tmp_path.iterdir())
    stamp = written.stat().st_mtime_ns
    again = load_or_build(tmp_path, rows, 5, 0, ALL[::-1])
    assert again.fingerprint == first.fingerprint and np.array_equal(again.folds, first.folds)
    assert written.stat().st_mtime_ns == stamp and len(list(tmp_path.iterdir())) == 1
    load_or_build(tmp_path, rows, 5, 1, ALL)
    load_or_build(tmp_path, rows, 4, 0, ALL)
    load_or_build(tmp_path, with_values(rows, "age", {0: 61}), 5, 0, ALL)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_plan_that_was_changed_by_hand_is_refused(tmp_path: Path) -> None:
    rows = manifest()
    load_or_build(tmp_path, rows, 5, 0, ALL)
    path = next(tmp_path.iterdir())
    whole = pq.read_table(path)
    folds = whole.column("fold").to_pylist()
    folds[0] = (folds[0] + 1) % 5
    changed = pa.table({"fold": pa.array(folds, pa.int16())}).replace_schema_metadata(whole.schema.metadata)
    pq.write_table(changed, path)
    with pytest.raises(FoldPlanError, match="don't match its fingerprint"):
        load_or_build(tmp_path, rows, 5, 0, ALL)
    path.write_bytes(b"torn")
    with pytest.raises(FoldPlanError, match="cannot be read"):
        load_or_build(tmp_path, rows, 5, 0, ALL)
    pq.write_table(whole.replace_schema_metadata({}), path)
    with pytest.raises(FoldPlanError, match="not a fold plan"):
        load_or_build(tmp_path, rows, 5, 0, ALL)


def test_a_plan_of_another_manifest_under_this_ones_name_is_refused(tmp_path: Path) -> None:
    rows = manifest()
    load_or_build(tmp_path, rows, 5, 0, ALL)
    build_fold_plan(rows, 5, 1, ALL).write(next(tmp_path.iterdir()))
    with pytest.raises(FoldPlanError, match="made for another"):
        load_or_build(tmp_path, rows, 5, 0, ALL)


def _build(directory: str, together: Barrier, queue: multiprocessing.Queue[str]) -> None:
    together.wait(240)
    queue.put(load_or_build(Path(directory), manifest(), 5, 0, ALL).fingerprint)


def test_two_processes_may_make_the_same_plan_at_once(tmp_path: Path) -> None:
    # Not forked: a fork would take along whatever locks threads of earlier tests hold at that moment.
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[str] = context.Queue()
    together = context.Barrier(3)
    workers = [context.Process(target=_build, args=(str(tmp_path), together, queue)) for _ in range(3)]
    for worker in workers:
        worker.start()
    found = {queue.get(timeout=240) for _ in workers}
    for worker in workers:
        worker.join()
    assert found == {load_or_build(tmp_path, manifest(), 5, 0, ALL).fingerprint}
    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"]


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real faces are not at {SHARED}")
def test_real_near_duplicates_stay_together() -> None:
    rows = load_manifest(SHARED / "utkface" / "labels.csv", group_column="group")
    folds = build_fold_plan(rows, 5, 0, (AGE, GENDER)).folds
    assert pd.Series(folds).groupby(rows.frame["group"]).nunique().max() == 1
    assert np.ptp(shares(joint(AGE, GENDER).encode(rows.frame), folds, 5), axis=0).max() < 0.002
