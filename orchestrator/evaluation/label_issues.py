"""Which given labels are likely to be wrong, by out-of-fold probabilities and the labels beside them. Pure.

Rows that must share a label are judged together: those of a group, where the target is a property of the
group (a patient's sex), and copies of one image. One wrong entry for a group is then one suspect, with the
evidence of all its images, and one image that disagrees with its six neighbours stands out.

The model. A unit (the rows that share a label) has a true class z, with probability p(z) by the models. The
class that was entered for the unit is another one with probability ENTRY; each of its rows then shows another
class than the entered one with probability `slip`. Errors fall on the other classes evenly. For units of one
row the order is that of the probability of the given label, which confident learning calls self-confidence
(Northcutt, Jiang, Chuang, JAIR 2021); whatever ENTRY is does not change it.

Images of one group look alike, so that models err on them alike: n rows count as n / (1 + (n - 1) rho), as
answers with an intraclass correlation rho do (Kish, Survey Sampling, 1965). rho is fitted to the labels, for
each half of the units on the other half.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels
from orchestrator.data.quality.joined_groups import join_codes
from orchestrator.evaluation.vector_scaling import shares_of
from orchestrator.evaluation.voting import LEAST

ENTRY = 0.05
"""Prior probability that a wrong class was entered for a unit."""

SLIPS = (0.005, 0.2)
"""The least and the largest share of rows taken to differ from what was entered for their unit."""

SHARED = 0.5
"""Agreement within groups beyond chance from which a target counts as a property of the group."""

CORRELATIONS = np.linspace(0, 1, 11)

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class JudgedLabels:
    """What is known of n given labels, by models and by the labels beside them.

    labels (n,): as given. codes (n,): rows of one unit share a number. probabilities (n, C): what the models
    say of the row's unit, given labels aside. posterior (n, C): the unit's true class, given labels counted
    in. at_odds (n,): whether the unit's rows have different labels.
    """

    labels: Labels
    codes: Codes
    probabilities: Floats
    posterior: Floats
    at_odds: NDArray[np.bool_]

    @cached_property
    def wrong(self) -> Floats:
        """(n,): probability that the given label is wrong."""
        return 1 - self.posterior[np.arange(len(self.labels)), self.labels]

    @cached_property
    def likely(self) -> Labels:
        """(n,): the likeliest class but the given one."""
        others = self.posterior.copy()
        others[np.arange(len(self.labels)), self.labels] = -1
        found: Labels = others.argmax(axis=1)
        return found


def judge_labels(probabilities: Floats, labels: Labels, codes: Codes) -> JudgedLabels:
    """probabilities (n, C), rows summing to 1; labels (n,) in [0, C); codes (n,): the unit of each row."""
    codes = np.unique(codes, return_inverse=True)[1].ravel().astype(np.int64)
    counts = np.zeros((int(codes.max(initial=-1)) + 1, probabilities.shape[1]))
    np.add.at(counts, (codes, labels), 1)
    units = _unit_probabilities(probabilities, counts, codes)
    at_odds = (counts > 0).sum(axis=1) > 1
    return JudgedLabels(labels, codes, units[codes], _posterior(units, counts)[codes], at_odds[codes])


def share_of_agreement(labels: Labels, codes: Codes) -> float:
    """Of pairs of rows in one group: how much more often they share a label than pairs of any two rows do.

    1: always; 0: no more often than by chance (Cohen's kappa of such pairs). NaN without a group of two.
    """
    codes = np.unique(codes, return_inverse=True)[1].ravel()
    sizes = np.bincount(codes)
    counts = np.zeros((len(sizes), int(labels.max(initial=0)) + 1))
    np.add.at(counts, (codes, labels), 1)
    pairs = (sizes * (sizes - 1)).sum()
    shares = counts.sum(axis=0) / max(len(labels), 1)
    chance = float((shares**2).sum())
    if pairs == 0 or chance == 1:
        return float("nan")
    return float(((counts * (counts - 1)).sum() / pairs - chance) / (1 - chance))


def units_of(labels: Labels, groups: Codes, copies: Codes | None = None) -> tuple[Codes, bool]:
    """(n,) the unit of each row, and whether the target is a property of the group.

    groups, copies (n,): numbers of the group and of the identical images. Identical ones show one thing, so
    they always share a label; near duplicates may be two things that look alike, and join nothing. Rows of a
    group share one where they agree far beyond chance.
    """
    of_group = share_of_agreement(labels, groups) >= SHARED
    parts = [groups] if of_group else [np.arange(len(labels))]
    return join_codes(*parts, *([] if copies is None else [copies])), bool(of_group)


def confidently_wrong(probabilities: Floats, labels: Labels) -> NDArray[np.bool_]:
    """(n,): rows that confident learning counts as mislabelled.

    A class's threshold is the mean probability of it over rows with that label; a row is counted where the
    likeliest class at or above its threshold is not the given one. How many there are estimates the number of
    wrong labels. Source: Northcutt, Jiang, Chuang, JAIR 2021; cleanlab's compute_confident_joint.
    """
    rows, classes = np.arange(len(labels)), probabilities.shape[1]
    totals = np.bincount(labels, probabilities[rows, labels], classes)
    sizes = np.bincount(labels, minlength=classes)
    thresholds = np.where(sizes > 0, totals / np.maximum(sizes, 1), np.inf)
    above = np.where(probabilities >= thresholds - 1e-6, probabilities, -1.0)
    best = above.argmax(axis=1)
    found: NDArray[np.bool_] = (above[rows, best] >= 0) & (best != labels)
    return found


# ---- the model ----


def _unit_probabilities(probabilities: Floats, counts: Floats, codes: Codes) -> Floats:
    """(U, C): the rows' evidence beyond the classes' frequencies, added up with the correlation in mind."""
    logs = np.log(np.clip(probabilities, LEAST, 1))
    prior = np.log(np.clip(probabilities.sum(axis=0) / max(len(logs), 1), LEAST, 1))
    sums: Floats = np.column_stack(
        [np.bincount(codes, logs[:, at] - prior[at], len(counts)) for at in range(logs.shape[1])]
    )
    sizes = counts.sum(axis=1)
    halves = np.arange(len(counts)) % 2
    found = np.empty_like(sums)
    for half in (0, 1):
        rho = _fitted_correlation(sums, prior, counts, sizes, halves != half)
        found[halves == half] = _unit_shares(sums, prior, sizes, rho)[halves == half]
    return found


def _unit_shares(sums: Floats, prior: Floats, sizes: Floats, rho: float) -> Floats:
    return shares_of(prior + sums / (1 + (sizes - 1) * rho)[:, None])


def _fitted_correlation(
    sums: Floats, prior: Floats, counts: Floats, sizes: Floats, among: NDArray[np.bool_]
) -> float:
    """Under which the units' most frequent labels are likeliest; 1, the careful end, without units of two."""
    several = among & (sizes > 1)
    if not several.any():
        return 1.0
    given = counts[several].argmax(axis=1)
    rows = np.arange(len(given))
    losses = []
    for rho in CORRELATIONS:
        shares = _unit_shares(sums[several], prior, sizes[several], float(rho))
        losses.append(-np.log((1 - ENTRY) * shares[rows, given] + ENTRY / counts.shape[1]).sum())
    return float(CORRELATIONS[int(np.argmin(losses))])


def _posterior(units: Floats, counts: Floats) -> Floats:
    """(U, C): probability of each class given the models and the unit's labels, counts (U, C)."""
    classes = counts.shape[1]
    others = max(classes - 1, 1)
    slip = _slip(counts)
    sizes = counts.sum(axis=1, keepdims=True)
    logs = counts * np.log(1 - slip) + (sizes - counts) * np.log(slip / others)
    entered = np.exp(logs - logs.max(axis=1, keepdims=True))
    elsewhere = entered.sum(axis=1, keepdims=True) - entered
    shares = units * ((1 - ENTRY) * entered + ENTRY / others * elsewhere)
    found: Floats = shares / shares.sum(axis=1, keepdims=True)
    return found


def _slip(counts: Floats) -> float:
    """Half the share of pairs in one unit with different labels: two rows differ where either slipped."""
    sizes = counts.sum(axis=1)
    pairs = (sizes * (sizes - 1)).sum()
    if pairs == 0:
        return SLIPS[0]
    share = 1 - (counts * (counts - 1)).sum() / pairs
    return float(np.clip(share / 2, *SLIPS))
