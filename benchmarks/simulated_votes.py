"""What is fitted to a simulated study's complete trials, by the project's own code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated_worlds import Epochs, SimulatedStudy
from orchestrator.evaluation.calibration import Calibration, calibrate
from orchestrator.evaluation.choose_vote import TOP, VoteChoice, choose_vote
from orchestrator.evaluation.decisions import DecisionsChoice, choose_decisions
from orchestrator.evaluation.fitted_vote import FittedVote
from orchestrator.evaluation.fold_scores import fold_scores
from orchestrator.evaluation.pool import Pool

VOTES = {"single": "best trial", "soft": "uniform vote of three", "greedy": "greedy"}


@dataclass(frozen=True)
class Fitted:
    """A vote, a temperature and decisions, as an ensemble has them: members (m, N, C) -> (N, C)."""

    vote: FittedVote
    choice: VoteChoice | None = None  # None: nothing was chosen
    calibration: Calibration | None = None  # None: not asked for
    decisions: DecisionsChoice | None = None

    def __call__(self, members: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.vote.kind == "soft":  # as `FittedVote.apply`, but for rounding, in a tenth of the time
            found = np.tensordot(np.array(self.vote.weights, np.float32), members, 1)
        else:
            found = self.vote.apply(members)
        if self.calibration is not None:
            found = self.calibration.temperature.apply(found)
        if self.decisions is not None and self.decisions.decisions is not None:
            found = self.decisions.decisions.apply(found)
        return found


def pool_of(study: SimulatedStudy, trials: Sequence[int], members: Sequence[NDArray[np.float32]]) -> Pool:
    """members: each trial's out-of-fold answers (n, C)."""
    return Pool(
        members=np.stack(members),
        names=tuple(f"trial {trial}" for trial in trials),
        families=tuple(study.families[trial] for trial in trials),
        labels=study.labels,
        folds=study.folds,
        codes=study.codes,
        metric=study.metric,
        mode="max",
    )


def fit_vote(pool: Pool, vote: str) -> Fitted:
    """The vote alone, on all rows. vote: a kind of `choose_vote`, or "single" for the best trial by CV."""
    if vote == "single":
        means = [fold_scores(pool.labels, item, pool.folds, pool.metric).mean for item in pool.members]
        return Fitted(FittedVote("soft", tuple(np.eye(len(means))[int(np.argmax(means))].tolist())))
    if vote == "soft" and len(pool.names) <= TOP:
        return Fitted(FittedVote("soft", (1 / len(pool.names),) * len(pool.names)))
    choice = choose_vote(pool, None, vote, np.random.default_rng(0))
    return Fitted(choice.fitted, choice)


def fit_all(pool: Pool, weights: NDArray[np.float32] | None = None, quick: bool = False) -> Fitted:
    """`--vote auto`, then a temperature, then class offsets, each behind its gate."""
    choice = choose_vote(pool, weights, "auto", np.random.default_rng(0), quick=quick)
    calibration = calibrate(pool, choice.answers, weights)
    decisions = choose_decisions(pool, calibration.answers, weights)
    return Fitted(choice.fitted, choice, calibration, decisions)


def vote_over(study: SimulatedStudy, members: Sequence[tuple[int, Epochs]], vote: str) -> Fitted:
    """A vote over these members, in this order, fitted to all rows of the study."""
    answers = [study.member(*member) for member in members]
    return fit_vote(pool_of(study, [trial for trial, _ in members], answers), vote)
