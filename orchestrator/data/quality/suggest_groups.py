"""Which rows may belong together where nothing names the patient, the plate or the recording.

Names, folders, columns, times and near duplicates give candidates. One is suggested if a word says what it
is, or if labels or near duplicates concentrate in its groups beyond chance; of nested ones the coarser only
if it explains more than the finer. Nothing is applied: a suggestion says which option would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.text import counted, on_one_line, shortened
from orchestrator.data.identical_files import codes_of
from orchestrator.data.quality.candidate_groups import (
    Candidate,
    from_chains,
    from_columns,
    from_folders,
    from_names,
    from_times,
)
from orchestrator.data.quality.evidence import (
    DEALS,
    Codes,
    Concentration,
    label_concentration,
    pair_concentration,
)
from orchestrator.data.quality.joined_groups import join_codes
from orchestrator.data.scalars import Scalar

LEAST_GROUPS = 3
LEAST_SIZE = 1.2  # rows, or given groups, that one has on the average
LARGEST = 0.5  # share of the rows that one group may have
LABELS_EXCESS, PAIRS_EXCESS = 0.05, 0.25
"""How much more than chance must agree; a p-value alone would let a large set suggest anything."""
FALSE = 0.05
"""Chance that some candidate of a set without structure passes: what the p-values are compared with."""
_MOST_CANDIDATES = 40
_DIGITS = 15  # of a number; longer ones are ids
_LEAST_CHAINED = 5  # pairs of near duplicates


@dataclass(frozen=True)
class Evidence:
    """What a set has that a grouping could explain, of n rows."""

    labels: tuple[NDArray[np.int64], ...]  # (n,) of each task, below 0 where unknown
    near_pairs: NDArray[np.int64]  # (m, 2)
    given: Codes  # (n,) groups that are known; each row's own where none are
    seed: int


@dataclass(frozen=True)
class Suggestion:
    """A grouping of n rows, and why it may be the right one."""

    found: str  # where, in words
    option: str  # the option or the line of a space that applies it; "" where only a written table can
    names: tuple[str, ...]  # (n,) the group of each row
    reasons: tuple[str, ...]

    @property
    def text(self) -> str:
        """Two or three sentences without the option."""
        names, sizes = np.unique(np.array(self.names, dtype=object), return_counts=True)
        alone = int((sizes == 1).sum())
        names, sizes = names[sizes > 1], sizes[sizes > 1]
        largest = shortened([str(names[at]) for at in np.argsort(-sizes, kind="stable")])
        rest = f", and {counted(alone, 'row')} alone" if alone else ""
        return (
            f"{on_one_line(self.found)}: {counted(len(names), 'group')} such as {largest}, of "
            f"{sizes.min()} to {sizes.max()} rows{rest}; {'; '.join(self.reasons)}"
        )


def suggest_groups(
    paths: Sequence[str],
    *,
    columns: Mapping[str, Sequence[Scalar]] | None = None,
    labels: Sequence[NDArray[np.int64]] = (),
    near_pairs: NDArray[np.int64] | None = None,
    camera: Sequence[str] = (),
    taken: Sequence[str] = (),
    given: Codes | None = None,
    seed: int = 0,
) -> list[Suggestion]:
    """Those with the most evidence first; empty where nothing is found.

    paths (n,) relative to the root; columns: cells (n,) of those that no target reads; labels (n,) of each
    task, below 0 where unknown; near_pairs (m, 2) rows that look alike; camera, taken (n,) of EXIF, "" where
    there is none; given (n,) codes of groups that are known: what is suggested joins them.
    """
    pairs = np.zeros((0, 2), np.int64) if near_pairs is None else near_pairs
    candidates = [*from_columns(columns or {}), *from_names(paths), *from_folders(paths)]
    if len(taken) == len(paths):
        candidates += from_times(camera, taken, paths)
    known = np.arange(len(paths)) if given is None else given
    evidence = Evidence(tuple(labels), pairs, known, seed)
    chosen = _chosen(_usable(candidates, evidence), evidence)
    return [*chosen, *_chains(paths, chosen, evidence)]


def passed_over(
    paths: Sequence[str],
    *,
    columns: Mapping[str, Sequence[Scalar]] | None = None,
    labels: Sequence[NDArray[np.int64]] = (),
    given: Codes | None = None,
    seed: int = 0,
) -> list[Suggestion]:
    """Groupings that a word names and that are not suggested, as labels avoid each other in their groups.

    Arguments as of `suggest_groups`. It may be the numbers that begin anew in each class, or it may be
    patients that have rows of each: a person has to say.
    """
    candidates = [*from_columns(columns or {}), *from_names(paths), *from_folders(paths)]
    known = np.arange(len(paths)) if given is None else given
    evidence = Evidence(tuple(labels), np.zeros((0, 2), np.int64), known, seed)
    usable = _usable([candidate for candidate in candidates if candidate.named], evidence)
    reason = "but they hold several classes, more than by chance, as numbers that begin anew in each class do"
    return [
        Suggestion(item.candidate.found, item.candidate.option, item.candidate.names, (reason,))
        for item in usable
        if not _reasons(item, known, evidence, _tests(usable, evidence))
    ]


@dataclass(frozen=True)
class _Usable:
    candidate: Candidate
    codes: Codes
    tells_class: bool  # whether its names hold the label: that it agrees in its groups then says nothing


def _usable(candidates: Sequence[Candidate], evidence: Evidence) -> list[_Usable]:
    """Of several that group alike the first; without what is the class itself, and what is no grouping."""
    different: dict[bytes, tuple[Candidate, Codes]] = {}
    for candidate in candidates:
        codes = join_codes(candidate.codes, evidence.given)
        different.setdefault(codes.tobytes(), (candidate, codes))
    sized = list(different.values())
    return [
        _Usable(
            candidate, codes, any(_says_label(part, evidence) for part in (candidate.names, *candidate.parts))
        )
        for candidate, codes in sized
        if _is_grouping(codes, evidence.given) and not _tells_class(codes, evidence)
    ][:_MOST_CANDIDATES]


def _is_grouping(codes: Codes, given: Codes) -> bool:
    """Whether it joins what is given into some groups, and not nearly all into one."""
    sizes, before = np.bincount(codes), len(np.unique(given))
    enough = len(sizes) >= LEAST_GROUPS and before >= LEAST_SIZE * len(sizes)
    return bool(enough and sizes.max() <= LARGEST * len(codes))


def _tells_class(codes: Codes, evidence: Evidence) -> bool:
    return any(_is_class(codes, labels) for labels in evidence.labels)


def _says_label(texts: Sequence[str], evidence: Evidence) -> bool:
    """Whether texts, of a grouping or of a part of its names, hold the class, or a number that makes it."""
    numbers = np.array([int(text) if text.isdecimal() and len(text) <= _DIGITS else -1 for text in texts])
    return _tells_class(codes_of(texts), evidence) or any(
        (numbers >= 0).all() and _is_binned(numbers, labels) for labels in evidence.labels
    )


def _is_binned(numbers: NDArray[np.int64], labels: NDArray[np.int64]) -> bool:
    """Whether classes are ranges of the numbers, as of an age; so may be patients that are numbered by class,
    which cannot be told from it."""
    known = labels >= 0
    order = np.argsort(numbers[known], kind="stable")
    sorted_labels = labels[known][order]
    ranges = 1 + int((np.diff(sorted_labels) != 0).sum())
    return ranges == len(np.unique(sorted_labels)) and _is_nested(numbers[known], labels[known])


def _is_class(codes: Codes, labels: NDArray[np.int64]) -> bool:
    """Whether it says the label, in hardly more values than there are classes."""
    known = labels >= 0
    classes = len(np.unique(labels[known]))
    return len(np.unique(codes[known])) <= 2 * classes and _is_nested(codes[known], labels[known])


def _is_nested(fine: Codes, coarse: NDArray[np.int64]) -> bool:
    """Whether each group of the finer one lies in one of the coarser one."""
    pairs = np.unique(np.stack([fine, coarse], axis=1), axis=0)
    return len(pairs) == len(np.unique(fine))


# ---- which of them are suggested -------------------------------------------------------------------


def _chosen(usable: Sequence[_Usable], evidence: Evidence) -> list[Suggestion]:
    """From fine to coarse: a coarser one takes the place of a finer one that it explains more than."""
    tests = _tests(usable, evidence)
    kept: list[tuple[_Usable, Suggestion]] = []
    for item in sorted(usable, key=lambda item: -len(np.unique(item.codes))):
        alone = _reasons(item, evidence.given, evidence, tests)
        if not alone:
            continue
        finer = next((one for one, _ in kept if _is_nested(one.codes, item.codes)), None)
        if finer is not None and not _explains_more(item, finer, evidence, tests):
            continue
        kept = [(one, made) for one, made in kept if one is not finer]
        candidate = item.candidate
        kept.append((item, Suggestion(candidate.found, candidate.option, candidate.names, alone)))
    return [made for item, made in sorted(kept, key=lambda pair: not pair[0].candidate.named)]


def _tests(usable: Sequence[_Usable], evidence: Evidence) -> int:
    """How many p-values are looked at; beyond a bound the smallest would not do, however plain groups are."""
    return min(max(1, len(usable) * (len(evidence.labels) + 1)), int(FALSE * DEALS))


def _explains_more(item: _Usable, finer: _Usable, evidence: Evidence, tests: int) -> bool:
    if item.candidate.named != finer.candidate.named:
        return item.candidate.named
    return bool(_reasons(item, finer.codes, evidence, tests, by_word=False))


def _reasons(
    item: _Usable, units: Codes, evidence: Evidence, tests: int, by_word: bool = True
) -> tuple[str, ...]:
    """Empty where nothing speaks for it. units (n,): a finer grouping that is taken as known."""
    rng = np.random.default_rng(evidence.seed)
    alike = pair_concentration(item.codes, units, evidence.near_pairs, rng)
    agreeing = [label_concentration(item.codes, units, labels, rng) for labels in evidence.labels]
    found = []
    if alike is not None and _passes(alike, PAIRS_EXCESS, tests):
        found.append(_said("near duplicates lie within a group", alike))
    told = [one for one in agreeing if one is not None and not item.tells_class]
    best = max(told, key=lambda one: one.excess, default=None)
    if best is not None and _passes(best, LABELS_EXCESS, tests):
        found.append(_said("pairs of rows in a group share their label", best))
    # Numbers that begin anew in each class put a row of every class together: their labels avoid each other.
    avoids = any(one is not None and one.p_low * tests <= FALSE for one in agreeing)
    if by_word and item.candidate.named and (found or not avoids):
        found.insert(0, "a word says so")
    return tuple(found)


def _passes(found: Concentration, excess: float, tests: int) -> bool:
    return found.excess >= excess and found.p * tests <= FALSE


def _said(what: str, found: Concentration) -> str:
    return f"{found.inside:.0%} of {what}, {found.chance:.0%} by chance (p = {found.p:.3f})"


def _chains(paths: Sequence[str], chosen: Sequence[Suggestion], evidence: Evidence) -> list[Suggestion]:
    """With what is given; unless that, or a suggestion, holds (nearly) all near duplicates together."""
    pairs = evidence.near_pairs
    if len(pairs) < _LEAST_CHAINED:
        return []
    for suggestion in chosen:
        codes = Candidate("", "", suggestion.names).codes
        if (codes[pairs[:, 0]] == codes[pairs[:, 1]]).mean() >= 0.9:
            return []
    (candidate,) = from_chains(pairs, paths)
    joined = join_codes(candidate.codes, evidence.given)
    given, into = np.unique(np.stack([evidence.given, joined]), axis=1)
    parts = np.bincount(into)  # given groups in each
    if parts.max() == 1:
        return []
    names = tuple(paths[row] for row in np.unique(joined, return_index=True)[1][joined].tolist())
    sizes = np.bincount(candidate.codes)
    rows, longest = int(sizes[sizes > 1].sum()), int(sizes.max())
    reasons = [
        f"{counted(rows, 'row')} in {counted(int((sizes > 1).sum()), 'chain')}, the longest of {longest}"
    ]
    if len(given) < len(paths):
        reasons.append(f"they join {int(parts[parts > 1].sum())} of the {len(given)} groups that are given")
    return [Suggestion(candidate.found, "", names, tuple(reasons))]
