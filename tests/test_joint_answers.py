"""The benchmark of product, joint and blend: who is held out, and the heads that are searched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.joint_answers import held_out_rows
from benchmarks.joint_spaces.age import space
from benchmarks.joint_spaces.frozen_head import frozen_head, predict
from orchestrator.core.errors import TrainableError
from orchestrator.core.fold_data import FoldData, Rows
from orchestrator.core.trainable import Resources

CONFIG = {"features": "both", "width": 8, "lr": 0.05, "weight_decay": 1e-4, "dropout": 0.0,
          "label_smoothing": 0.0, "class_weights": "root"}  # fmt: skip


def people(tmp_path: Path) -> Any:
    """60 people of both genders, ages 20 to 79, two photos each."""
    person = np.repeat(np.arange(60), 2)
    frame = pd.DataFrame(
        {
            "path": [f"{number}-{photo}.jpg" for number in range(60) for photo in range(2)],
            "group": [f"p{number:02d}" for number in person],
            "gender": np.where(person % 2, "male", "female"),
            "age": 20 + person,
            "mask": "worn",
        }
    )
    return SimpleNamespace(root=tmp_path, frame=frame)


def test_a_third_of_the_people_of_each_gender_and_age_bin_is_held_out_with_all_their_photos(
    tmp_path: Path,
) -> None:
    found = held_out_rows(people(tmp_path), 0)
    assert (found.groupby("group")["role"].nunique() == 1).all()
    each = found.drop_duplicates("group")
    share = each.groupby([each["gender"], np.digitize(each["age"], [30, 60])])["role"].agg(
        lambda role: (role == "test").mean()
    )
    assert share.between(0.25, 0.41).all() and len(share) == 6
    assert found.equals(held_out_rows(people(tmp_path), 0))
    assert not found.equals(held_out_rows(people(tmp_path), 1))


def fold(tmp_path: Path) -> tuple[FoldData, np.ndarray, dict[str, Any]]:
    """120 photos whose features say the class, and as many that are validated."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 240)
    names = [str(tmp_path / f"{row}.jpg") for row in range(240)]
    last = rng.normal(size=(240, 6)) + 2 * np.eye(6)[labels]
    np.savez(tmp_path / "f.npz", paths=np.array(names), last=last, middle=rng.normal(size=(240, 2)))
    training, validation = (Rows(tuple(part), {}) for part in (names[:120], names[120:]))
    data = FoldData(training, labels[:120], validation, ("a", "b", "c"), 0, 40, 1, Resources())
    return data, labels[120:], {**CONFIG, "described": str(tmp_path / "f.npz")}


def test_a_head_learns_and_what_is_stored_of_it_answers_as_it_did(tmp_path: Path) -> None:
    data, truth, config = fold(tmp_path)
    *_, last = frozen_head._train(data, config)
    assert (last.probabilities.argmax(axis=1) == truth).mean() > 0.7
    assert np.array_equal(predict(last.weights, data.validation, config), last.probabilities)


def test_a_photo_that_was_not_described_is_refused(tmp_path: Path) -> None:
    data, _, config = fold(tmp_path)
    with pytest.raises(TrainableError, match=r"new\.jpg is not among the photos of described="):
        predict({}, Rows((str(tmp_path / "new.jpg"),), {}), config)
    with pytest.raises(TrainableError, match=r"cannot be read"):
        predict({}, data.validation, {**config, "described": str(tmp_path / "none.npz")})


def test_a_space_asks_for_what_the_head_accepts() -> None:
    assert set(space.params) == set(frozen_head.parameters())
