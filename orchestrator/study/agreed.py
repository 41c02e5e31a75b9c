"""Two studies of the same images with different labels: compared on rows whose label both agree on.

A study whose suspected labels were all changed to what its models say would agree with itself perfectly. So a
row whose label is not the same in both counts nowhere: neither for the study that got the new label nor for
the one that had the old.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.errors import StudyError
from orchestrator.core.metrics import score
from orchestrator.core.text import counted
from orchestrator.evaluation.paired import paired_difference
from orchestrator.space.own_code import known_beside
from orchestrator.study.comparing import Comparison, ScoredRows, refuse_unequal, scored_rows, trial_to_compare
from orchestrator.study.sources import code_notes
from orchestrator.study.study import Study


@dataclass(frozen=True)
class AgreedComparison:
    """comparison: on the agreed rows alone. changed: rows with another label, which count nowhere."""

    comparison: Comparison
    changed: int
    transitions: Mapping[tuple[str, str], int]  # (label before, label after) -> rows
    alone: tuple[int, int]  # rows that only the first, and only the second, validates
    own_scores: tuple[float, float]  # each on all its rows by its own labels: not to be compared
    predicts_new: tuple[float, float]  # share of changed rows for which each predicts the new label

    def lines(self) -> list[str]:
        """What to tell the user, a sentence a line."""
        found = self.comparison.difference
        said = [
            f"{counted(self.changed, 'row')} changed label and count nowhere; "
            f"{found.n_rows} rows of {counted(found.n_groups, 'group')} are scored"
        ]
        said += [f"  {before} -> {after}: {count}" for (before, after), count in self.transitions.items()]
        if any(self.alone):
            said.append(f"rows in one study alone count nowhere either: {self.alone[0]} and {self.alone[1]}")
        said.append(str(self.comparison))
        if self.changed:
            said.append(
                f"of the changed rows the first predicts the new label for {self.predicts_new[0]:.0%} and "
                f"the second for {self.predicts_new[1]:.0%}; neither is a gain"
            )
            said.append(
                f"by its own labels each has {self.own_scores[0]:.4f} and {self.own_scores[1]:.4f}; that "
                "difference counts the changing of labels itself"
            )
        return said


def compare_agreed(
    first: Study,
    second: Study,
    *,
    trials: tuple[int | None, int | None] = (None, None),
    seed: int = 0,
    repeats: int = 2000,
    trust: bool = False,
) -> AgreedComparison:
    """The second study's trial minus the first's, paired, on rows that have one label in both.

    Rows are paired by their paths. Folds may differ, as they do where labels that they are stratified by have
    changed; a note then says so. Raises StudyError where metric, classes or groups differ or nothing is left,
    NoCompleteTrialError.
    """
    for study in (first, second):
        known_beside(study.header.own_code, [study.header.metric], study.path, trust)
    numbers = (trial_to_compare(first, trials[0]), trial_to_compare(second, trials[1]))
    whole = (scored_rows(first, numbers[0]), scored_rows(second, numbers[1]))
    _, at, other_at = np.intersect1d(whole[0].paths, whole[1].paths, return_indices=True)
    one, other = whole[0].taken(at), whole[1].taken(other_at)
    refuse_unequal(one, other, ("metrics", "classes", "groups"))
    agreed = _same(one.labels, other.labels)
    if not agreed.any():
        raise StudyError(
            f"studies {first.path} and {second.path} agree on the label of no row; there is nothing to score"
        )
    kept, other_kept = one.taken(agreed), other.taken(agreed)
    difference = paired_difference(
        kept.labels, kept.probabilities, other_kept.probabilities, kept.groups, kept.metric,
        np.random.default_rng(seed), repeats,
    )  # fmt: skip
    notes = list(code_notes((first.path.name, second.path.name), first.sources, second.sources))
    if not np.array_equal(kept.folds, other_kept.folds):
        notes.append("the folds differ, so chance in them is part of the difference")
    comparison = Comparison(first.path, second.path, numbers, difference, first.space.mode, tuple(notes))
    return AgreedComparison(
        comparison,
        int((~agreed).sum()),
        _transitions(one.taken(~agreed), other.taken(~agreed)),
        (len(whole[0].paths) - len(at), len(whole[1].paths) - len(at)),
        (_own_score(whole[0]), _own_score(whole[1])),
        (_predicts(one, other.labels, ~agreed), _predicts(other, other.labels, ~agreed)),
    )


def _same(first: Labels, second: Labels) -> NDArray[np.bool_]:
    """(n,): of several labels, whether all are the same."""
    same = np.equal(first, second).reshape(len(first), -1)
    return np.asarray(same.all(axis=1), np.bool_)


def _transitions(before: ScoredRows, after: ScoredRows) -> dict[tuple[str, str], int]:
    """The most frequent first; of several labels each that changed."""
    pairs: Counter[tuple[str, str]] = Counter()
    if before.labels.ndim == 1:
        names = before.classes
        pairs.update((names[a], names[b]) for a, b in zip(before.labels, after.labels, strict=True))
        return dict(pairs.most_common())
    for at, name in enumerate(before.classes):
        old, new = before.labels[:, at], after.labels[:, at]
        pairs[name, f"not {name}"] = int(((old == 1) & (new == 0)).sum())
        pairs[f"not {name}", name] = int(((old == 0) & (new == 1)).sum())
    return {pair: count for pair, count in pairs.most_common() if count}


def _own_score(rows: ScoredRows) -> float:
    return float(score(rows.metric, rows.labels, rows.probabilities))


def _predicts(rows: ScoredRows, labels: Labels, among: NDArray[np.bool_]) -> float:
    """Share of the rows `among` for which the prediction is the label; NaN without a row."""
    if not among.any():
        return float("nan")
    found = rows.probabilities[among]
    decided = found.argmax(axis=1) if labels.ndim == 1 else (found >= 0.5).astype(np.int64)
    return float(_same(decided, labels[among]).mean())
