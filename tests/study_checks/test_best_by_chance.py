"""Answers that know nothing: dealt to other groups, and within a group to another of its rows."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.study_checks.best_by_chance import best_by_chance
from orchestrator.study_checks.material import Answered


def answered(labels: np.ndarray, groups: np.ndarray) -> Answered:
    """All of them right."""
    return Answered(
        np.arange(len(labels)),
        labels,
        np.eye(3, dtype=np.float32)[labels],
        (groups % 5).astype(np.int16),
        groups.astype(str),
    )


@pytest.mark.parametrize("label", ["of a group", "of a place in each group", "of a row"])
def test_right_answers_lie_far_above_chance_whatever_a_label_belongs_to(label: str) -> None:
    groups, places, rng = np.repeat(np.arange(60), 7), np.tile(np.arange(7), 60), np.random.default_rng(0)
    labels = {
        "of a group": groups // 5 % 3,
        "of a place in each group": np.maximum(places - 4, 0),  # five photos of one kind, then one of each
        "of a row": rng.integers(0, 3, len(groups)),
    }[label]
    found = best_by_chance([answered(labels, groups)], "macro_f1", 1.0, 16, 9, np.random.default_rng(1))
    assert 0.2 < found.dealt < 0.45 and found.highest < 0.7


def test_groups_are_dealt_whole_as_their_rows_are_answered_alike() -> None:
    groups = np.repeat(np.arange(60), 7)
    of_groups = best_by_chance(
        [answered(groups // 5 % 3, groups)], "macro_f1", 1.0, 1, 1, np.random.default_rng(1)
    )
    alone = best_by_chance(
        [answered(groups // 5 % 3, np.arange(420))], "macro_f1", 1.0, 1, 1, np.random.default_rng(1)
    )
    assert of_groups.highest - of_groups.dealt > 1.5 * (alone.highest - alone.dealt)
