"""What is audited by itself, and what a target's probabilities say of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from orchestrator.audit.parts import parts_of, split_probabilities
from orchestrator.data.targets import age_bins, categorical, joint, multi_label

TINT = categorical("tint", ["red", "blue"])
AGE = age_bins([30, 60])
FRAME = pd.DataFrame(
    {"tint": ["red", "blue"], "age": [20, 61], "role": "train", "rust": [0, 1], "scab": [1, 1]}
)


def test_a_joint_label_is_audited_part_by_part_and_as_a_whole() -> None:
    target = joint(TINT, AGE)
    parts = parts_of(target)
    assert [part.name for part in parts] == ["tint", "age", "tint_age"]
    assert [part.is_joint for part in parts] == [False, False, True]
    assert [part.encode(FRAME).tolist() for part in parts] == [[0, 1], [0, 2], [0, 5]]
    chances = np.array([[0.1, 0.2, 0.3, 0.1, 0.1, 0.2]], np.float32)
    found = split_probabilities(target, chances)
    assert found["tint"][0] == pytest.approx([0.6, 0.4]) and found["age"][0] == pytest.approx([0.2, 0.3, 0.5])
    assert found["tint_age"] is chances


def test_a_joint_label_inside_another_is_taken_apart() -> None:
    target = joint(joint(TINT, AGE), categorical("x", ["a", "b"]))
    assert [part.name for part in parts_of(target)] == ["tint", "age", "x", "tint_age_x"]
    found = split_probabilities(target, np.full((1, 12), 1 / 12, np.float32))
    assert found["age"].shape == (1, 3) and found["tint"][0] == pytest.approx([0.5, 0.5])


def test_each_of_several_labels_is_a_question_of_its_own() -> None:
    target = multi_label(["rust", "scab"])
    parts = parts_of(target)
    assert [(part.name, part.classes) for part in parts] == [
        ("rust", ("not rust", "rust")),
        ("scab", ("not scab", "scab")),
    ]
    assert parts[0].encode(FRAME).tolist() == [0, 1] and parts[1].encode(FRAME).tolist() == [1, 1]
    found = split_probabilities(target, np.array([[0.2, 0.9]], np.float32))
    assert found["rust"][0] == pytest.approx([0.8, 0.2]) and found["scab"][0] == pytest.approx([0.1, 0.9])


def test_a_single_target_is_its_own_part() -> None:
    assert [part.name for part in parts_of(AGE)] == ["age"]
    assert parts_of(AGE)[0].label is None and not parts_of(AGE)[0].is_joint
