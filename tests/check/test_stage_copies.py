"""What is said of near duplicates agrees with what is written of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np

from orchestrator.check.look import Look
from orchestrator.check.stage_copies import look_at_copies
from orchestrator.data.identical_files import codes_of
from orchestrator.data.quality.clusters import star_clusters
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.data.quality.joined_groups import join_codes

PATHS = ["a", "b", "c", "d"]


def looked(groups: list[str]) -> Look:
    """a ~ b ~ c ~ d, a chain, of which clusters make two pairs at most."""
    pairs = np.array([[0, 1], [1, 2], [2, 3]])
    similarity = np.array([0.99, 0.92, 0.98], np.float32)
    codes = star_clusters(4, pairs, similarity)
    found = Duplicates(np.arange(4), pairs, similarity, codes, "a rule", None)
    return cast(
        Look,
        SimpleNamespace(
            duplicates=found,
            groups=groups,
            joined=join_codes(codes_of(groups), codes),
            paths=PATHS,
            has_groups=len(set(groups)) < 4,
            roles=np.array(["train"] * 4),
        ),
    )


def test_near_duplicates_that_stay_in_two_groups_are_told_of() -> None:
    told = look_at_copies(looked(PATHS))
    (finding,) = told.findings
    assert "3 pairs of near duplicates" in finding.found
    (line,) = [line for line in told.lines if "--write-groups" in line]
    assert "1 pair of near duplicates that --write-groups leaves in two groups" in line
    assert line.endswith("c ~ d")


def test_where_groups_bring_a_chain_together_nothing_is_left_over() -> None:
    told = look_at_copies(looked(["p", "q", "r", "p"]))
    assert not [line for line in told.lines if "--write-groups" in line]
