"""Which labels a person should look at first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from orchestrator.audit.evidence import PartEvidence
from orchestrator.audit.parts import parts_of
from orchestrator.audit.suspects import audit_part, first_suspects
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.data.targets import categorical
from orchestrator.evaluation.label_evidence import TrialAnswers
from orchestrator.evaluation.learning_dynamics import Dynamics

PART = parts_of(categorical("tint", ["red", "blue"]))[0]


def evidence(labels: list[int], blue: list[float], dynamics: Dynamics | None = None) -> PartEvidence:
    chances = np.column_stack([1 - np.array(blue), blue]).astype(np.float32)
    rows = np.arange(len(labels))
    return PartEvidence(
        PART, np.array(labels), [TrialAnswers(rows, chances, np.zeros(len(rows), np.int16))], dynamics
    )


def copied(exact: Sequence[int], *near: tuple[int, int]) -> Duplicates:
    """All that lies in one cluster is one person or other: only what is identical joins."""
    codes = np.array(exact)
    pairs = np.array(near, np.int64).reshape(-1, 2)
    return Duplicates(codes, pairs, np.ones(len(near), np.float32), np.zeros_like(codes), "a rule", None)


def test_copies_that_contradict_each_other_come_first_and_the_likelier_wrong_one_is_named() -> None:
    """Rows 4 and 5 are one image; row 0 is far more surely wrong by what models say."""
    found = evidence([0, 0, 1, 1, 0, 1], [0.999, 0.1, 0.9, 0.9, 0.4, 0.45])
    copies = copied([0, 1, 2, 3, 9, 9])
    first, second = audit_part(found, np.arange(6), copies, 6).suspects[:2]
    assert first.is_copy and first.rows == (5,) and first.beside == (4,)
    assert (first.given, first.likely) == (1, 0)
    assert second.rows == (0,) and not second.is_copy and second.wrong > first.wrong - 0.5
    alone = audit_part(found, np.arange(6), None, 6).suspects[0]
    assert alone.rows == (0,) and not alone.is_copy


def test_a_near_duplicate_joins_no_groups_and_comes_where_its_own_doubt_puts_it() -> None:
    """Two people of seven photos, one photo of each alike; models agree with both, and doubt a third."""
    groups = np.repeat(np.arange(12), 7)
    labels = [int(group % 2) for group in groups]
    blue = [0.9 if label else 0.1 for label in labels]
    blue[70:77] = [0.95] * 7
    alike = copied(range(84), (6, 7), (7, 70))
    found = audit_part(evidence(labels, blue), groups, alike, 10)
    assert found.of_group and [item.rows for item in found.likely_wrong] == [tuple(range(70, 77))]
    assert found.suspects == found.likely_wrong and found.near == ((6, 7), (7, 70))
    (only,) = found.suspects
    assert (only.near, only.is_copy, only.beside) == ((7,), False, ())


def test_near_duplicates_that_agree_or_lie_in_one_group_are_no_suspects() -> None:
    made = evidence([0, 0, 1, 1], [0.1, 0.1, 0.9, 0.9])
    found = audit_part(made, np.arange(4), copied(range(4), (0, 1), (2, 3)), 9)
    assert found.suspects == () and found.near == ()


def test_a_group_is_one_suspect_with_all_its_rows() -> None:
    groups = np.repeat(np.arange(10), 3)
    labels = [group % 2 for group in groups]
    blue = [0.85 if label else 0.15 for label in labels]
    blue[:3] = [0.9, 0.8, 0.95]
    dynamics = Dynamics(np.full(30, 0.5), np.full(30, 0.1), np.linspace(0, 1, 30), np.ones(30, np.int64))
    found = audit_part(evidence(labels, blue, dynamics), groups, None, 10)
    assert found.of_group and len(found.suspects) == 1
    first = found.suspects[0]
    assert first.rows == (0, 1, 2) and (first.given, first.likely) == (0, 1) and first.p_likely > 0.9
    assert first.learnt == pytest.approx(
        np.linspace(0, 1, 30)[:3].mean()
    ) and first.variability == pytest.approx(0.1)
    assert found.likely_wrong == (first,)


def test_rows_without_a_label_or_an_answer_are_not_judged() -> None:
    made = evidence([0, -1, 1], [0.1, 0.9, 0.9])
    assert audit_part(made, np.arange(3), None, 9).rows.tolist() == [0, 2]
    chances = np.array([[0.5, 0.5]], np.float32)
    one = PartEvidence(PART, np.array([0, 1]), [TrialAnswers(np.array([1]), chances, np.zeros(1, np.int16))])
    found = audit_part(one, np.arange(2), None, 9)
    assert found.rows.tolist() == [1] and np.isnan(found.suspects[0].learnt)


def test_suspects_of_all_targets_stand_in_one_order() -> None:
    one = audit_part(evidence([0, 1], [0.9, 0.9]), np.arange(2), None, 9)
    other = audit_part(evidence([0, 1], [0.99, 0.2]), np.arange(2), None, 9)
    found = first_suspects([one, other], 3)
    assert len(found) == 3 and [item.wrong for item in found] == sorted(
        (item.wrong for item in found), reverse=True
    )


def test_as_many_are_told_of_as_were_asked_for_and_every_one_that_looks_wrong() -> None:
    made = evidence([0] * 10 + [1] * 10, [0.99] * 3 + [0.55] * 3 + [0.1] * 4 + [0.9] * 10)
    assert len(audit_part(made, np.arange(20), None, 1).suspects) == 3
    assert len(audit_part(made, np.arange(20), None, 5).suspects) == 5
    assert len(audit_part(made, np.arange(20), None, 20).suspects) == 6, "models agree with the others"
