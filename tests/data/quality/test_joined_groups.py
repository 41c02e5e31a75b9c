"""Groups that share a copy become one, through any number of steps, and never across roles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from orchestrator.data.manifest import Manifest, group_names
from orchestrator.data.quality.crossing import at_odds, mates
from orchestrator.data.quality.joined_groups import join_codes, joined_groups, with_joined_groups


def codes(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_codes_are_joined_over_several_steps() -> None:
    # 0-1 by the first part, 1-2 by the second, 3-4 by the second: 0, 1, 2 are one.
    assert join_codes(codes(7, 7, 3, 4, 5), codes(0, 1, 1, 2, 2)).tolist() == [0, 0, 0, 1, 1]


def test_codes_that_join_nothing_stay_apart() -> None:
    assert join_codes(codes(4, 9, 2)).tolist() == [0, 1, 2]


def test_groups_of_copies_are_one_and_are_called_as_the_first() -> None:
    groups = ["ann", "ann", "bob", "cid", "bob"]
    # ann's second image is bob's first one.
    assert joined_groups(groups, codes(0, 1, 1, 2, 3), ["train"] * 5) == ["ann", "ann", "ann", "cid", "ann"]


def test_roles_are_never_joined() -> None:
    assert joined_groups(["a", "b"], codes(0, 0), ["train", "test"]) == ["a", "b"]


def test_a_manifest_keeps_its_given_groups_beside_the_joined_ones() -> None:
    frame = pd.DataFrame(
        {"path": ["1", "2", "3"], "group": ["a", "b", "c"], "role": "train", "id": ["a", "b", "c"]},
        dtype=object,
    )
    manifest = Manifest(frame, Path("/"), "set")
    assert with_joined_groups(manifest, codes(0, 1, 2)) is manifest
    joined = with_joined_groups(manifest, codes(0, 1, 0), ["id"]).frame
    assert joined["group"].tolist() == joined["id"].tolist() == ["a", "b", "a"]
    assert joined["given_group"].tolist() == ["a", "b", "c"]
    assert group_names(joined) == {"a", "b", "c"}
    again = with_joined_groups(Manifest(joined, Path("/"), "set"), codes(0, 0, 1)).frame
    assert again["group"].tolist() == ["a", "a", "a"]
    assert again["given_group"].tolist() == ["a", "b", "c"]  # as first given


def test_values_at_odds_are_found_within_codes_alone() -> None:
    assert at_odds(codes(0, 0, 1, 1, 0), ["x", "x", "x", "y", None]) == [(2, 3)]
    assert at_odds(codes(0, 0, 0), [None, "x", "y"]) == [(1, 2)]


def test_mates_are_copies_in_the_other_part() -> None:
    rows, others = np.array([1, 1, 0, 0], bool), np.array([0, 0, 1, 1], bool)
    assert mates(codes(0, 1, 0, 0), rows, others) == [(0, 2)]
