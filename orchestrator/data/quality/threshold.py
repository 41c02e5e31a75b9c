"""From which similarity on two pictures are near duplicates, that is, copies of one picture.

There is a default. It is higher where most pictures of a set have several others that are nearly as similar,
as plain drawings of few kinds have: then similarity alone is no proof.

The data's own groups can only make it stricter: where too many pairs above it lie across groups, it rises
until nearly all lie within. They never lower it, as pictures of one group may be alike without being copies,
such as one person with and without a mask. Nor do they raise it beyond bounds, so that a set whose groups are
torn by copies everywhere does not teach that copies are none. What they say of the pairs above it is how many
lie within groups; of those that do not, nothing says which are copies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEFAULT = 0.8  # what was measured on planted copies: docs/benchmarks/duplicates.md
HIGHEST = 0.9  # of what is learned
STEP = 0.01
PRECISION = 0.99  # of the pairs above a learned threshold, those that lie within a group
PARTS = 5  # parts of the groups, each left out once
Z = 1.96  # standard errors to either end of a 95% interval
Similarities = NDArray[np.float32]


@dataclass(frozen=True)
class Threshold:
    value: float  # pairs of this similarity, or more, are near duplicates
    rule: str  # where it comes from and what is known of it, a sentence
    precision: float | None  # lower end of the 95% interval on groups left out; None where none was learned


@dataclass(frozen=True)
class _Units:
    """What counts once: a group with similar rows, or two groups of which rows are similar."""

    groups: NDArray[np.int64]  # (u, 2) equal for one within a group
    best: Similarities  # (u,) the most similar pair of it

    @property
    def within(self) -> NDArray[np.bool_]:
        return np.asarray(self.groups[:, 0] == self.groups[:, 1], np.bool_)

    def take(self, which: NDArray[np.bool_]) -> _Units:
        return _Units(self.groups[which], self.best[which])


def learned_threshold(
    pairs: NDArray[np.int64],
    similarity: Similarities,
    count: int,
    groups: NDArray[np.int64] | None,
    seed: int,
) -> Threshold:
    """pairs (m, 2) of `count` rows that were compared, of similarity (m,); groups (count,) codes of the rows.

    The precision is that on groups left out: in turn a fifth of them judges what the others taught.
    """
    safe = safe_threshold(pairs, similarity, count)
    if groups is None:
        return _default(safe, "no groups are given that could teach another")
    units, chance = _units(groups[pairs], similarity), _chance(groups)
    taught = _taught(units, chance, safe)
    if taught is None:
        return _default(safe, _why_none(units, safe))
    within, across = _left_out(units, chance, safe, np.random.default_rng(seed))
    share, low, high = _interval(within, within + across)
    source = (
        f"learned from {int(units.within[units.best >= taught].sum())} groups that hold some; in groups left "
        f"out, {share:.1%} of such pairs lie within a group (95% interval {low:.1%} to {high:.1%}), "
        "which is no proof of pairs across groups: look at those"
    )
    return Threshold(taught, _sentence(taught, source), low)


def safe_threshold(pairs: NDArray[np.int64], similarity: Similarities, count: int) -> float:
    """DEFAULT, or more, up to HIGHEST: four deviations above what the third most similar row usually has.

    A copy or two of a row do not change its third; half of the rows would need three copies to do so.
    """
    rows, values = np.concatenate([pairs, pairs[:, ::-1]])[:, 0], np.tile(similarity, 2)
    order = np.lexsort((-values, rows))
    place = np.arange(len(rows)) - np.searchsorted(rows[order], rows[order])
    third = np.zeros(count, np.float32)
    is_third = order[place == 2]
    third[rows[is_third]] = values[is_third]
    low, middle = np.quantile(third, [0.16, 0.5]) if count else (0.0, 0.0)  # one deviation apart
    return round(float(np.clip(middle + 4 * (middle - low), DEFAULT, HIGHEST)), 2)


def _default(value: float, why: str) -> Threshold:
    raised = "" if value == DEFAULT else ", raised because most images have several others nearly as similar"
    return Threshold(value, _sentence(value, f"the safe default{raised}; {why}"), None)


def _why_none(units: _Units, safe: float) -> str:
    similar = units.take(units.best >= safe)
    within, across = int(similar.within.sum()), int((~similar.within).sum())
    if across > within * (1 - PRECISION):
        return f"such images lie within {within} groups, but across {across} pairs of groups as well"
    held = f"{within} of the groups hold" if within else "none of the groups holds"
    return f"{held} two such images, too few to teach another"


def _sentence(value: float, source: str) -> str:
    scale = "(1: no difference)"
    return f"two images count as near duplicates from a similarity of {value:.2f} on {scale}: {source}"


def _units(groups: NDArray[np.int64], similarity: Similarities) -> _Units:
    """groups (m, 2) of pairs. A group with many copies would else outvote all others."""
    ordered = np.sort(groups, axis=1)
    order = np.lexsort((-similarity, ordered[:, 1], ordered[:, 0]))
    ordered, similarity = ordered[order], similarity[order]
    is_new = np.ones(len(ordered), np.bool_)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    return _Units(ordered[is_new], similarity[is_new])


def _chance(groups: NDArray[np.int64]) -> float:
    """How likely two rows are of one group by chance alone."""
    sizes = np.unique(groups, return_counts=True)[1].astype(np.float64)
    pairs = len(groups) * (len(groups) - 1)
    return float((sizes * (sizes - 1)).sum() / pairs) if pairs else 0.0


def _taught(units: _Units, chance: float, safe: float) -> float | None:
    """The lowest threshold above which nearly all lie within groups, one more doubt granted; else None. It is
    never below the safe one."""
    steps = np.arange(safe, HIGHEST + STEP / 2, STEP)
    for value in steps:
        above = units.take(units.best >= value)
        within, across = _counts(above, chance)
        if within > 0 and within / (within + across + 1) >= PRECISION:
            return round(float(value), 2)
    return None


def _counts(units: _Units, chance: float) -> tuple[float, float]:
    """Within groups, and wrong ones: those across groups, and as many within as chance would put there."""
    wrong = float((~units.within).sum()) / max(1 - chance, 1e-9)
    return max(float(len(units.best)) - wrong, 0.0), wrong


def _left_out(units: _Units, chance: float, safe: float, rng: np.random.Generator) -> tuple[float, float]:
    """Pairs within and across groups, above the threshold that the groups of other parts taught."""
    names, codes = np.unique(units.groups, return_inverse=True)
    part = rng.permutation(np.arange(len(names)) % PARTS)[codes.reshape(units.groups.shape)]
    within = across = 0.0
    for number in range(PARTS):
        touches = (part == number).any(axis=1)
        taught = _taught(units.take(~touches), chance, safe)
        is_judged = touches & (units.best >= (safe if taught is None else taught))
        weight = np.where((part == number).all(axis=1), 1.0, 0.5)  # of two parts: judged in both
        wrong = float(weight[is_judged & ~units.within].sum()) / max(1 - chance, 1e-9)
        within += max(float(weight[is_judged].sum()) - wrong, 0.0)
        across += wrong
    return within, across


def _interval(right: float, total: float) -> tuple[float, float, float]:
    """A share and Wilson's 95% interval of it (JASA 22, 1927)."""
    share = right / max(total, 1e-9)
    middle = (right + Z * Z / 2) / (total + Z * Z)
    half = Z * np.sqrt(total * share * (1 - share) + Z * Z / 4) / (total + Z * Z)
    return share, max(middle - half, 0.0), min(middle + half, 1.0)
