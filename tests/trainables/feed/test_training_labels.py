from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.core.dataset import Dataset, Factor
from orchestrator.core.errors import ManifestError, TrainableError
from trainables.feed.training_labels import training_labels

AGE = Factor("age", ("<30", "30-60", ">=60"), "age", (30.0, 60.0))
MASK = Factor("mask", ("worn", "wrong", "none"), "mask")
GENDER = Factor("gender", ("male", "female"), "gender")
AGES = np.array([20.0, 29.0, 30.0, 57.9, 58.0, 59.0, 60.0, 75.0])


def dataset(*factors: Factor, ages: NDArray[np.float64] = AGES) -> Dataset:
    """Every combination of the unordered factors' classes and the ages."""
    sizes = [len(ages) if factor is AGE else len(factor.classes) for factor in factors]
    cells = np.indices(sizes).reshape(len(sizes), -1)
    labels = np.zeros(cells.shape[1], np.int64)
    columns: dict[str, NDArray[Any]] = {}
    for factor, cell in zip(factors, cells, strict=True):
        if factor is AGE:
            columns["age"] = ages[cell]
            digit = (ages[cell] >= 30).astype(np.int64) + (ages[cell] >= 60)
        else:
            digit = cell
        labels = labels * len(factor.classes) + digit
    count = len(labels)
    return Dataset(
        root="",
        paths=tuple(f"{number}.png" for number in range(count)),
        labels=labels,
        folds=np.zeros(count, np.int16),
        classes=tuple(str(number) for number in range(int(np.prod([len(f.classes) for f in factors])))),
        metric="macro_f1",
        mode="max",
        fingerprint="",
        cache_dir="",
        factors=factors,
        columns=columns,
    )


def test_without_edges_of_their_own_training_labels_are_the_labels() -> None:
    data = dataset(MASK, GENDER, AGE)
    assert training_labels(data, None) is data.labels


@pytest.mark.parametrize("factors", [(AGE,), (MASK, GENDER, AGE), (MASK, AGE, GENDER), (AGE, MASK)])
def test_a_boundary_at_58_moves_the_training_labels_of_58_and_59_alone(factors: tuple[Factor, ...]) -> None:
    data = dataset(*factors)
    before = data.labels.copy()
    labels = training_labels(data, "30,58")
    assert np.array_equal(data.labels, before) and labels.dtype == np.int64
    sizes = [len(factor.classes) for factor in factors]
    old, new = (np.array(np.unravel_index(rows, sizes)) for rows in (before, labels))
    ages, at = data.columns["age"], factors.index(AGE)
    others = [number for number in range(len(factors)) if number != at]
    assert np.array_equal(old[others], new[others])
    assert np.array_equal(np.flatnonzero(old[at] != new[at]), np.flatnonzero((ages >= 58) & (ages < 60)))
    assert np.array_equal(new[at], (ages >= 30).astype(int) + (ages >= 58))


def test_the_same_edges_change_nothing() -> None:
    data = dataset(MASK, AGE)
    assert np.array_equal(training_labels(data, " 30, 60.0"), data.labels)


@pytest.mark.parametrize(
    "edges, message",
    [
        ("58", "has 1 edges, but 'age' has 3 classes; give 2 edges"),
        ("30,58,70", "has 3 edges"),
        ("58,30", "must rise"),
        ("30,30", "must rise"),
        ("30,nan", "must rise"),
        ("30;58", "must be numbers with commas between them, such as '30,60'"),
        ("", "must be numbers"),
    ],
)
def test_edges_that_do_not_fit_are_refused(edges: str, message: str) -> None:
    with pytest.raises(TrainableError, match=message):
        training_labels(dataset(AGE), edges)


@pytest.mark.parametrize("factors, found", [((), "0"), ((MASK,), "0"), ((AGE, replace(AGE, name="b")), "2")])
def test_a_target_without_exactly_one_binned_factor_is_refused(
    factors: tuple[Factor, ...], found: str
) -> None:
    with pytest.raises(TrainableError, match=f"exactly one binned factor; this one has {found}"):
        training_labels(replace(dataset(AGE), factors=factors), "30,58")


def test_a_row_without_a_number_is_refused_by_its_path() -> None:
    with pytest.raises(ManifestError, match=r"empty in 1 of 2 rows \(such as 1.png\)"):
        training_labels(dataset(AGE, ages=np.array([30.0, np.nan])), "30,58")


def test_a_column_that_is_missing_or_text_is_refused() -> None:
    data = dataset(AGE)
    with pytest.raises(ManifestError, match="column 'age', which this manifest has not"):
        training_labels(replace(data, columns={}), "30,58")
    with pytest.raises(ManifestError, match="holds text"):
        training_labels(replace(data, columns={"age": data.columns["age"].astype(str)}), "30,58")
