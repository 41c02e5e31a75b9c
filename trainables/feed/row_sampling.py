"""Which training rows an epoch visits, and in which order.

Two steps, both drawn anew for each epoch: `one_row_each` leaves one row of many near copies, `epoch_order`
orders the rows that are left, some of them several times. Every epoch has `epoch_length` rows.

Labels are classes (n,), or (n, L) of 0 and 1 where a row may have several: there the class of a row is its
rarest answer, and a class is as large as the number of rows that give this answer, see rarity.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.errors import TrainableError
from trainables.feed.rarity import Rarity, answer_counts, rarity
from trainables.parameters import SAMPLERS

Positions = NDArray[np.int64]


def epoch_order(
    sampler: str,
    labels: NDArray[np.int64],
    classes: int,
    rng: np.random.Generator,
    groups: NDArray[Any] | None = None,
) -> Positions:
    """Positions in `labels`, the training rows' own, in the order they are trained on.

    "none": a permutation. With replacement, n of them: "weighted": every class present equally likely;
    "inverse_sqrt": a row weighs 1/sqrt(rows of its class), so a class comes as often as the root of its size.
    "oversample": every row, rows of smaller classes repeated until each class has as many as the largest.
    "oversample_groups": whole `groups` (n,), each a whole number of times, see `group_repeats`.
    Raises TrainableError.
    """
    if sampler == "none":
        return rng.permutation(len(labels))
    if sampler in ("weighted", "inverse_sqrt"):
        home, of_class = rarity(labels, classes)
        counts = of_class[home]
        weights = 1.0 / (counts if sampler == "weighted" else np.sqrt(counts))
        return rng.choice(len(labels), size=len(labels), replace=True, p=weights / weights.sum())
    if sampler == "oversample":
        return rng.permutation(np.repeat(np.arange(len(labels)), _row_repeats(rarity(labels, classes), rng)))
    if sampler == "oversample_groups":
        if groups is None:
            raise TrainableError(
                "sampler='oversample_groups' repeats whole groups, but the rows have none; "
                "name a group column or use sampler='oversample'"
            )
        repeats = group_repeats(labels, groups, classes)
        return rng.permutation(np.repeat(np.arange(len(labels)), repeats))
    raise TrainableError(f"sampler={sampler!r} is not known; use one of {', '.join(SAMPLERS)}")


def _row_repeats(rare: Rarity, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each row comes, (n,): whole repeats, and one more for a random few of its class."""
    home, counts = rare
    most = counts[home].max()
    repeats = most // counts[home]
    for number in np.unique(home):
        own = np.flatnonzero(home == number)
        more = most % counts[number] * len(own) // counts[number]  # of classes, own are all that it counts
        repeats[rng.choice(own, size=more, replace=False)] += 1
    return np.asarray(repeats, np.int64)


def group_repeats(labels: NDArray[np.int64], groups: NDArray[Any], classes: int) -> NDArray[np.int64]:
    """How often each row comes, (n,) >= 1, the same for all rows of a group; groups: (n,).

    A group counts, with all its rows, as of its rarest class. Groups of a class come so often that its rows
    are about as many as those of the largest class of groups, but never more often than the class's own rows
    would: else one person who lacks a photo that all others have would be repeated a hundred times.
    """
    _, group = np.unique(groups, return_inverse=True)
    own, counts = rarity(labels, classes)
    order = np.lexsort((own, counts[own], group))
    home = own[order[np.unique(group[order], return_index=True)[1]]]
    rows = np.bincount(home[group], minlength=len(counts))
    repeats = np.ones(len(counts))
    present = rows > 0
    repeats[present] = np.minimum(rows.max() / rows[present], counts[own].max() / counts[present])
    return np.maximum(1, np.rint(repeats)).astype(np.int64)[home[group]]


def expected_counts(
    sampler: str,
    labels: NDArray[np.int64],
    classes: int,
    groups: NDArray[Any] | None = None,
    per_values: NDArray[Any] | None = None,
) -> NDArray[np.int64]:
    """Rows of each class that an epoch visits on average, (classes,), at least 1 where the class has rows.

    Where a row may have several labels: rows without and with each, (L, 2).

    What class weights and priors have to know: a sampler that evens the classes out must not be corrected for
    once more. Arguments as in `epoch_length`.
    """
    share = np.ones(len(labels))
    if per_values is not None and groups is not None:
        pair, pairs = _pairs(groups, per_values)
        share = 1.0 / np.bincount(pair, minlength=pairs)[pair]
    if sampler == "oversample_groups" and groups is not None:
        share = share * group_repeats(labels, groups, classes)
    power = {"weighted": 0.0, "oversample": 0.0, "inverse_sqrt": 0.5}.get(sampler, 1.0)
    if labels.ndim == 2:
        return _expected_answers(sampler, labels, share, power)
    rows = np.bincount(labels, weights=share, minlength=classes)
    present = rows > 0
    counts = np.zeros(classes)
    counts[present] = rows[present] ** power
    if power != 1.0:
        counts *= rows.max() / counts.max() if sampler == "oversample" else rows.sum() / counts.sum()
    return np.where(present, np.maximum(1, np.rint(counts)), 0).astype(np.int64)


def _expected_answers(
    sampler: str, labels: NDArray[np.int64], share: NDArray[np.float64], power: float
) -> NDArray[np.int64]:
    """Rows without and with each label, (L, 2), where row i would come share[i] times without the sampler."""
    rows = answer_counts(labels, share).ravel()[rarity(labels, labels.shape[1]).home]
    visits = share * rows ** (power - 1.0)
    if power != 1.0:
        visits *= rows.max() if sampler == "oversample" else share.sum() / visits.sum()
    counts = answer_counts(labels, visits)
    present = answer_counts(labels, np.ones(len(labels))) > 0
    return np.where(present, np.maximum(1, np.rint(counts)), 0).astype(np.int64)


def one_row_each(groups: NDArray[Any], values: NDArray[Any], rng: np.random.Generator) -> Positions:
    """One random row for each pair of group and value that occurs, such as one of five near copies.

    groups, values: (n,); a missing value counts as a value of its own. Positions in them, rising.
    """
    pair, pairs = _pairs(groups, values)
    order = rng.permutation(len(pair))
    first = np.full(pairs, -1, np.int64)
    first[pair[order]] = order  # the last one written stays, and the order is random
    return np.sort(first)


def epoch_length(
    sampler: str,
    labels: NDArray[np.int64],
    classes: int,
    groups: NDArray[Any] | None = None,
    per_values: NDArray[Any] | None = None,
) -> int:
    """How many rows every epoch has, whatever is drawn. per_values (n,): None leaves all rows.

    Raises TrainableError, also where the length would change with the rows that are left.
    """
    rng = np.random.default_rng(0)
    if per_values is None:
        return len(epoch_order(sampler, labels, classes, rng, groups))
    if groups is None:
        raise TrainableError(
            "one_row_per leaves one row for each group and value, but the rows have no groups; "
            "name a group column or leave one_row_per out"
        )
    if sampler.startswith("oversample"):
        _check_one_label_each(sampler, labels, groups, per_values)
    rows = one_row_each(groups, per_values, rng)
    return len(epoch_order(sampler, labels[rows], classes, rng, groups[rows]))


def _check_one_label_each(
    sampler: str, labels: NDArray[np.int64], groups: NDArray[Any], values: NDArray[Any]
) -> None:
    one = "label" if labels.ndim == 1 else "set of labels"
    if labels.ndim == 2:  # the number of each set
        labels = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)
    pair, pairs = _pairs(groups, values)
    lowest, highest = np.full(pairs, np.iinfo(np.int64).max), np.full(pairs, -1)
    np.minimum.at(lowest, pair, labels)
    np.maximum.at(highest, pair, labels)
    mixed = np.flatnonzero(lowest != highest)
    if len(mixed):
        row = int(np.flatnonzero(pair == mixed[0])[0])
        raise TrainableError(
            f"one_row_per with sampler={sampler!r} needs one {one} for each group and value, but "
            f"{len(mixed)} have several (group {groups[row]}, value {values[row]}); "
            "use another column or sampler='weighted'"
        )


def _pairs(groups: NDArray[Any], values: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """The number of each row's pair (n,), and how many pairs there are."""
    group, value = (np.unique(column, return_inverse=True)[1] for column in (groups, values))
    names, pair = np.unique(group * (value.max() + 1) + value, return_inverse=True)
    return pair, len(names)
