"""What stands where in a submission."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What the columns that are filled in hold."""

    LABEL = "label"  # one column: the most probable class
    RANKING = "ranking"  # one column: the most probable classes, the likeliest first
    LABEL_SET = "label_set"  # one column: all labels that were found, with a separator between them
    PROBABILITIES = "probabilities"  # each column: the probability of its class
    FLAGS = "flags"  # each column: whether the row has its class


@dataclass(frozen=True)
class Layout:
    """How a template is filled in."""

    kind: Kind
    columns: tuple[int, ...]  # that are filled in
    classes: tuple[int, ...]  # the class of each of them; empty for one column of labels
    words: tuple[str, ...]  # (C,) how classes are written; of FLAGS: how "no" and "yes" are
    kept: tuple[int, ...]  # the other columns; the first whose cells name the images holds the ids
    says: str  # for the user, in one line
    separator: str = " "  # of LABEL_SET and RANKING
    count: int = 1  # classes of a cell, of RANKING
    zeros: tuple[int, ...] = ()  # columns of classes that are known and never predicted
