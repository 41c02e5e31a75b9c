"""What an honest estimate of an ensemble is made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.evaluation.intervals import Answers
from orchestrator.evaluation.method import Method
from orchestrator.evaluation.voted import PlainVote
from orchestrator.evaluation.whole_race import Fit, Raced


@dataclass(frozen=True)
class Races:
    """What a replay of the whole race needs."""

    studies: Sequence[Raced]
    fit: Fit
    unfinished: int = 0  # trials that may vote with fewer epochs than a replay asks of its members


@dataclass(frozen=True)
class Judged:
    """The out-of-fold rows an ensemble is judged on, its answers, and how they were come by."""

    answers: Answers  # of the ensemble as it was made, decisions in them
    method: Method  # that made them of weights of 1
    quick: Method  # as `method`, with less averaging: for hundreds of resamples
    rows: str  # in a sentence, which rows these are: "72 rows with gender=female"
    views: str  # in a sentence, which views of an image the members saw: "without test-time augmentation"
    races: Races | str  # or a sentence on why there are none
    workers: int = 1  # processes for races
    plain: PlainVote | None = None  # the method, where it is no more than that
