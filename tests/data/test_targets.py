"""Targets: columns in, class numbers out, and a refusal that names the cell."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from orchestrator.core.errors import ManifestError, SearchSpaceError
from orchestrator.data.targets import (
    age_bins,
    categorical,
    given_from_json,
    given_to_json,
    joint,
    target_from_json,
)

AGE = age_bins([30, 60])
GENDER = categorical("gender", ["male", "female"])
MASK = categorical("mask", ["worn", "wrong", "none"])


def frame(**columns: list[object]) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    return pd.DataFrame({"path": [f"{row}.jpg" for row in range(rows)], **columns})


def test_bins_hold_their_lower_edge_and_not_their_upper_one() -> None:
    ages = [0, 29, 29.99, 30, 59, 59.99, 60, 116]
    assert AGE.encode(frame(age=ages)).tolist() == [0, 0, 0, 1, 1, 1, 2, 2]
    assert AGE.classes == ("<30", "30-59", ">=60")
    assert AGE.ordered and AGE.columns == ("age",) and AGE.encode(frame(age=ages)).dtype == np.int64


@pytest.mark.parametrize(
    ("edges", "classes"),
    [
        ([50], ("<50", ">=50")),
        ([10, 20, 30], ("<10", "10-19", "20-29", ">=30")),
        ([1, 2], ("<1", "1", ">=2")),
        ([0.5, 1.5], ("<0.5", "0.5 to <1.5", ">=1.5")),
    ],
)
def test_any_number_of_edges_names_its_classes(edges: list[float], classes: tuple[str, ...]) -> None:
    assert age_bins(edges).classes == classes


@pytest.mark.parametrize("edges", [[], [60, 30], [30, 30], [0, 30], [30, float("nan")], [30, float("inf")]])
def test_edges_that_do_not_rise_are_refused(edges: list[float]) -> None:
    with pytest.raises(SearchSpaceError, match="edges="):
        age_bins(edges)


@pytest.mark.parametrize("value", [None, "", "unknown", float("nan"), float("inf"), -1, True, pd.NA])
def test_an_age_that_is_no_number_is_refused_with_its_row(value: object) -> None:
    with pytest.raises(ManifestError) as caught:
        AGE.encode(frame(age=[20, 40, value, value]))
    message = str(caught.value)
    assert "'age'" in message and "row 3, 2.jpg" in message and "1 more rows" in message
    assert "correct these rows" in message


def test_numbers_written_as_text_are_binned_as_numbers() -> None:
    assert AGE.encode(frame(age=["9", "30.0", "100"])).tolist() == [0, 1, 2]


def test_a_category_is_compared_as_text_whatever_pandas_made_of_it() -> None:
    digits = categorical("label", ["0", "1", "2"])
    expected = [2, 0, 1]
    for column in ([2, 0, 1], [2.0, 0.0, 1.0], ["2", "0", "1"], np.array([2, 0, 1], np.int8)):
        assert digits.encode(pd.DataFrame({"label": column})).tolist() == expected
    assert digits.encode(pd.DataFrame({"label": pd.Categorical(["2", "0", "1"])})).tolist() == expected


def test_an_unknown_category_is_named_with_what_is_allowed() -> None:
    with pytest.raises(ManifestError, match=r"'Male' \(row 2, 1.jpg\).*one of male, female"):
        GENDER.encode(frame(gender=["male", "Male"]))


def test_a_missing_column_is_named_with_those_that_exist() -> None:
    with pytest.raises(ManifestError, match=r"column 'mask'.*path, gender"):
        MASK.encode(frame(gender=["male"]))


@pytest.mark.parametrize("classes", [[], ["one"], ["a", "a"]])
def test_a_category_needs_two_classes_each_once(classes: list[str]) -> None:
    with pytest.raises(SearchSpaceError, match="two or more, each once"):
        categorical("label", classes)


def test_the_joint_label_is_the_competitions_eighteen_classes() -> None:
    target = joint(MASK, GENDER, AGE)
    rows = [(m, g, a) for m in range(3) for g in range(2) for a in range(3)]
    table = frame(
        mask=[MASK.classes[m] for m, _, _ in rows],
        gender=[GENDER.classes[g] for _, g, _ in rows],
        age=[(20, 40, 70)[a] for _, _, a in rows],
    )
    assert target.encode(table).tolist() == [m * 6 + g * 3 + a for m, g, a in rows] == list(range(18))
    assert target.classes[0] == "worn/male/<30" and target.classes[17] == "none/female/>=60"
    assert len(target.classes) == 18 and target.columns == ("mask", "gender", "age") and not target.ordered


def test_combining_multiplies_the_parts_in_the_order_of_the_joint_label() -> None:
    target = joint(MASK, GENDER, AGE)
    rng = np.random.default_rng(0)
    parts = [rng.dirichlet(np.ones(len(part.classes)), size=5) for part in target.parts]
    product = target.combine(parts)
    assert product.shape == (5, 18) and np.allclose(product.sum(axis=1), 1)
    for m, g, a in np.ndindex(3, 2, 3):
        expected = parts[0][:, m] * parts[1][:, g] * parts[2][:, a]
        assert np.allclose(product[:, m * 6 + g * 3 + a], expected)


def test_combining_what_does_not_fit_is_refused() -> None:
    target = joint(MASK, AGE)
    with pytest.raises(ValueError, match="needs"):
        target.combine([np.ones((4, 3)), np.ones((5, 3))])
    with pytest.raises(ValueError, match="needs"):
        target.combine([np.ones((4, 3))])


def test_a_joint_names_each_part_once() -> None:
    with pytest.raises(SearchSpaceError, match="each once"):
        joint(AGE, AGE)
    with pytest.raises(SearchSpaceError, match="two or more"):
        joint(AGE)


@pytest.mark.parametrize(
    "target", [AGE, GENDER, joint(MASK, joint(GENDER, AGE)), age_bins([0.5], "dose", "d")]
)
def test_a_target_survives_json(target: object) -> None:
    record = json.loads(json.dumps(target.to_json()))  # type: ignore[attr-defined]
    assert target_from_json(record) == target


def test_a_target_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="'spline'"):
        target_from_json({"kind": "spline"})


def test_a_condition_survives_json_and_none_stays_none() -> None:
    assert given_from_json(json.loads(json.dumps(given_to_json((AGE, ">=60"))))) == (AGE, ">=60")
    assert given_from_json(None) is None
