"""Suspects: given labels in the order in which a person should look at them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.audit.evidence import Evidence, PartEvidence
from orchestrator.audit.parts import Part
from orchestrator.core.callbacks import Progress
from orchestrator.data.quality.crossing import Alike, Pair, near_at_odds
from orchestrator.evaluation.label_evidence import pooled_probabilities
from orchestrator.evaluation.label_issues import JudgedLabels, confidently_wrong, judge_labels, units_of

Codes = NDArray[np.int64]
LIKELY = 0.5
"""Probability of being wrong above which a label counts as one that looks wrong."""


@dataclass(frozen=True)
class Suspect:
    """The rows of one unit that share a given label."""

    part: Part
    rows: tuple[int, ...]  # of the evidence's table
    beside: tuple[int, ...]  # other rows of the unit, which have another label
    given: int
    likely: int  # the class that is likeliest if the given one is wrong
    wrong: float  # probability that the given label is wrong
    p_given: float  # what the models say of the given class, labels aside
    p_likely: float  # and of the likely one
    is_copy: bool  # whether identical images have different labels
    learnt: float  # share of epochs that pass before models agree with the label for good; NaN unknown
    variability: float  # of its probability over epochs; NaN unknown
    near: tuple[int, ...] = ()  # near duplicates of its rows that have another label


@dataclass(frozen=True)
class PartAudit:
    """rows (m,): those of the table that have a label of this part, which `judged` is of, in that order."""

    part: Part
    rows: NDArray[np.int64]
    judged: JudgedLabels
    of_group: bool  # whether the rows of a group share this label
    suspects: tuple[Suspect, ...]  # those that look wrong and as many as were asked for, the clearest first
    near: tuple[Pair, ...]  # rows that are near duplicates and have different labels
    confident: int  # rows that confident learning counts as mislabelled

    @property
    def likely_wrong(self) -> tuple[Suspect, ...]:
        return tuple(item for item in self.suspects if item.is_copy or item.wrong > LIKELY)


def audit(
    evidence: Evidence, copies: Alike | None, top: int, progress: Progress | None = None
) -> tuple[PartAudit, ...]:
    """copies: of all rows; None where nobody looked for them.
    top: suspects of each part to tell of, besides those that look wrong."""
    groups = np.unique(evidence.frame["group"].astype(str).to_numpy(dtype=str), return_inverse=True)[1]
    found = []
    for item in evidence.parts:
        found.append(audit_part(item, groups.astype(np.int64), copies, top))
        if progress is not None:
            progress(len(found), len(evidence.parts))
    return tuple(found)


def audit_part(evidence: PartEvidence, groups: Codes, copies: Alike | None, top: int) -> PartAudit:
    """groups (n,): as numbers. Identical images are judged together; near duplicates are only told of."""
    classes = len(evidence.part.classes)
    pooled = pooled_probabilities(evidence.answers, evidence.labels, classes)
    rows = np.flatnonzero((evidence.labels >= 0) & np.isfinite(pooled).all(axis=1))
    labels = evidence.labels[rows]
    own_copies = None if copies is None else copies.exact[rows]
    codes, of_group = units_of(labels, groups[rows], own_copies)
    judged = judge_labels(pooled[rows], labels, codes)
    near = () if copies is None else _near(copies, rows, labels)
    found = _suspects(evidence, rows, judged, _differ(labels, own_copies), near, top)
    confident = int(confidently_wrong(judged.probabilities, labels).sum())
    return PartAudit(evidence.part, rows, judged, of_group, found, near, confident)


def _near(copies: Alike, rows: Codes, labels: Codes) -> tuple[Pair, ...]:
    """Near duplicates with different labels. rows, labels (m,): those that are judged."""
    values: list[int | None] = [None] * len(copies.exact)
    for row, label in zip(rows.tolist(), labels.tolist(), strict=True):
        values[row] = label
    return tuple(near_at_odds(copies, values))


def _differ(labels: Codes, copies: Codes | None) -> NDArray[np.bool_]:
    """(m,): whether an identical image has another label."""
    if copies is None:
        return np.zeros(len(labels), np.bool_)
    codes = np.unique(copies, return_inverse=True)[1].ravel()
    low, high = (
        np.full(codes.max(initial=-1) + 1, labels.max(initial=0)),
        np.zeros(codes.max(initial=-1) + 1, np.int64),
    )
    np.minimum.at(low, codes, labels)
    np.maximum.at(high, codes, labels)
    found: NDArray[np.bool_] = (low != high)[codes]
    return found


def _suspects(
    evidence: PartEvidence,
    rows: NDArray[np.int64],
    judged: JudgedLabels,
    differ: NDArray[np.bool_],
    near: Sequence[Pair],
    top: int,
) -> tuple[Suspect, ...]:
    """One for each unit and given label: of copies that contradict each other first, then by `wrong`.

    differ (m,): whether an identical image has another label. near: rows of the table.
    """
    wrong = judged.wrong
    # Of copies at odds only the label that more speaks against: the other is probably right.
    worst = np.zeros(int(judged.codes.max(initial=-1)) + 1)
    np.maximum.at(worst, judged.codes, wrong)
    is_copy = differ & (wrong >= worst[judged.codes])
    pairs = np.column_stack([judged.codes, judged.labels])
    _, first, of = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    members, units = _members(of.ravel(), len(first)), _members(judged.codes, len(worst))
    of_copies = np.array([bool(is_copy[own].any()) for own in members], np.bool_)
    order = np.lexsort((first, -wrong[first], ~of_copies))
    alike = _both_ways(near)
    likely_wrong = int((of_copies | (wrong[first] > LIKELY)).sum())
    chances = judged.probabilities[first]
    doubted = chances.argmax(axis=1) != judged.labels[first]
    # Where models agree with the label and no copy contradicts it, there is nothing to look at.
    order = order[(doubted | of_copies | (wrong[first] > LIKELY))[order]]
    shown = max(top, likely_wrong)
    return tuple(
        _suspect(
            evidence, rows, judged, members[at], units[judged.codes[first[at]]], bool(of_copies[at]), alike
        )
        for at in order[:shown]
    )


def _both_ways(pairs: Sequence[Pair]) -> Mapping[int, Sequence[int]]:
    """Of each row those that it makes a pair with."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for one, other in pairs:
        found[one].append(other)
        found[other].append(one)
    return found


def _suspect(
    evidence: PartEvidence,
    rows: NDArray[np.int64],
    judged: JudgedLabels,
    own: NDArray[np.intp],
    unit: NDArray[np.intp],
    is_copy: bool,
    near: Mapping[int, Sequence[int]],
) -> Suspect:
    """near: of rows of the table. own, unit: places among `rows` of the suspected rows, and of all rows that
    they are judged with."""
    at = own[0]
    given, likely = int(judged.labels[at]), int(judged.likely[at])
    learnt, variability = _dynamics(evidence, rows[own])
    return Suspect(
        evidence.part,
        rows=_numbers(rows[own]),
        beside=_numbers(rows[np.setdiff1d(unit, own)]),
        given=given,
        likely=likely,
        wrong=float(judged.wrong[at]),
        p_given=float(judged.probabilities[at, given]),
        p_likely=float(judged.probabilities[at, likely]),
        is_copy=is_copy,
        near=tuple(sorted({other for row in rows[own].tolist() for other in near.get(row, ())})),
        learnt=learnt,
        variability=variability,
    )


def _members(codes: NDArray[np.intp] | Codes, count: int) -> list[NDArray[np.intp]]:
    """The places of each number, ascending."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes, minlength=count))[:-1]) if count else []


def _numbers(rows: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(row) for row in rows)


def _dynamics(evidence: PartEvidence, rows: NDArray[np.int64]) -> tuple[float, float]:
    found = evidence.dynamics
    if found is None:
        return float("nan"), float("nan")
    return float(found.learnt[rows].mean()), float(found.variability[rows].mean())


def first_suspects(audits: Sequence[PartAudit], top: int) -> list[Suspect]:
    """The first of all parts together; of a joint label none, whose parts say which of them is wrong."""
    every = [item for found in audits if not found.part.is_joint for item in found.suspects]
    return sorted(every, key=lambda item: (not item.is_copy, -item.wrong))[:top]
