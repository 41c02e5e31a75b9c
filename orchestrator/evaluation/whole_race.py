"""What an ensemble's score is worth once the race that found its members is counted in. Pure.

In each resample of the groups everything is done again that looked at a score: the race with its rungs and
quotas, the choice of each fold's epoch, of members, weights, temperature and decisions; the groups left out
are then scored. Groups, never rows, are resampled.

Left out are the parts of a partition, a tenth of the groups at a time, and not what a bootstrap leaves out:
a choice made on bags that hold 63% of the groups is worse than the one that was made on all of them, which
made such an estimate 0.007 too low on drawn studies (docs/decisions.md, Estimates).
Source of the idea: Tsamardinos, Greasidou, Borboudakis, Machine Learning 107 (2018).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.callbacks import Progress, Steps
from orchestrator.core.errors import EnsembleError
from orchestrator.evaluation.bootstrap import group_codes
from orchestrator.evaluation.estimate import Estimate, no_estimate
from orchestrator.evaluation.intervals import DEFAULT, Answers, moved, scored
from orchestrator.evaluation.kept_epochs import InBagScores, KeptEpochs, in_bag_scores
from orchestrator.evaluation.missing_scores import completed
from orchestrator.evaluation.race_again import RaceAgain
from orchestrator.evaluation.refined_epochs import refined_epochs
from orchestrator.evaluation.resampled_scores import affordable, defined
from orchestrator.evaluation.resamples import Resamples, folds_of_groups, parts_in_turn, scores_left_out

PARTS = 10
CACHED = 512  # chosen fold-epochs held in memory: 150 MB of 18,900 rows, 18 classes and 5 folds


@dataclass(frozen=True)
class Raced:
    """One study's race and what it kept."""

    kept: KeptEpochs
    race: RaceAgain
    labels: Labels  # (n,), or (n, L): of the study's own target
    metric: str  # by which its trials are ranked, as the mean over folds
    scored: NDArray[np.bool_] | None = None  # (n,), the rows they are ranked on; None stands for all
    refines: bool = False  # a fold's kept epoch: by log loss after temperature; False: by the metric

    @property
    def mode(self) -> str:
        return self.race.cfg.mode

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.race.trials, self.race.cfg.folds, self.race.cfg.max_t


@dataclass(frozen=True)
class ReplayedTrial:
    """A trial that owns all folds at the end of a replay, and its answers at the epochs chosen in it."""

    trial: int
    epochs: tuple[int, ...]  # by fold, from 1
    score: float  # mean over folds on the rows of the bag
    probabilities: Probabilities  # (n, C), out-of-fold


Fit = Callable[[Sequence[Sequence[ReplayedTrial]], NDArray[np.float32]], Probabilities]
"""Of every study its complete trials, best first, and weights of rows (n,) -> the answers of all rows, as a
`Method` gives them: fitted on the rows of positive weight alone."""


@dataclass(frozen=True)
class WholeRace:
    """The estimate, and how often a replay went where the record could not follow."""

    estimate: Estimate
    scores: Floats  # of each time that all groups were left out once
    left: float  # share of replays in which a trial without a complete record ended as a finalist
    replaced: float  # share of finalists' places that another trial took for this reason


def whole_race(
    studies: Sequence[Raced],
    fit: Fit,
    answers: Answers,
    rng: np.random.Generator,
    repeats: int = 500,
    level: float = 0.95,
    interval: str = DEFAULT,
    workers: int = 1,
    progress: Progress | None = None,
    parts: int = PARTS,
) -> WholeRace:
    """answers: of the ensemble as it was made. repeats: races of each study; workers: processes for them;
    parts: one of so many is left out in each.

    A replay may let a trial go on that was pruned in truth, by the scores of `missing_scores`. If it ends as
    a finalist, the best trial with a complete record that did not takes its place. The outcome is the same
    for any number of workers. Where the estimate cannot be made, it says why.
    """
    title = f"BBC {answers.metric}, whole race"
    try:
        codes, count = group_codes(answers.groups)
        fold_of = folds_of_groups(answers.folds, codes, count)
        resamples = parts_in_turn(fold_of, affordable(repeats, answers.metric), rng, parts)
        races = (len(studies) + 1) * len(resamples)  # each study's, and the answers of all
        steps = Steps(sum(map(_epochs_to_read, studies)) + races, progress)
        replays = [_Replays(study, codes, resamples, workers, steps) for study in studies]

        def answered(number: int) -> Probabilities:
            steps(1)
            return fit([study.trials(number) for study in replays], resamples.weights[number][codes])

        scores, note = defined(
            scores_left_out(resamples, answered, answers.labels, codes, answers.metric), answers.metric
        )
        base = scored(answers, rng, level=level, interval=interval)
    except EnsembleError as error:
        missing = no_estimate("bbc_race", title, f"{error}.", level)
        return WholeRace(missing, np.empty(0), float("nan"), float("nan"))
    left, replaced = _shares(replays, len(resamples))
    how = f"whole race replayed, {resamples.words}; {base.method}"
    found = moved(base, float(scores.mean()), how, answers.metric).noted(note)
    meaning = _meaning(resamples.pooled, left, replaced)
    described = found.described("bbc_race", title, meaning, _summary(left, replaced))
    return WholeRace(described, scores, left, replaced)


def uniform(
    top: int,
    vote: Callable[[Sequence[Probabilities]], Probabilities],
    combine: Callable[[Sequence[Probabilities]], Probabilities],
) -> Fit:
    """The vote of the best `top` of each study, all alike, the studies combined: nothing else is fitted."""

    def fit(studies: Sequence[Sequence[ReplayedTrial]], weights: NDArray[np.float32]) -> Probabilities:
        return combine([vote([trial.probabilities for trial in study[:top]]) for study in studies])

    return fit


# ---- replays -------------------------------------------------------------------------------------------


class _Replays:
    """All replays of one study's race."""

    def __init__(
        self, study: Raced, codes: NDArray[np.int64], resamples: Resamples, workers: int, steps: Steps
    ) -> None:
        _, folds, max_t = study.shape
        self._study, self._recorded = study, study.kept.complete(folds, max_t)
        if not self._recorded:
            raise EnsembleError(
                "Not made: no trial's predictions were kept of every fold and epoch, as those of a complete "
                "one are, and a replay ends with such a trial"
            )
        self._scores = in_bag_scores(
            study.kept, study.labels, codes, study.metric, study.mode, resamples.weights, study.scored,
            lambda done, total: steps(1),
        )  # fmt: skip
        self._refined = None if not study.refines else refined_epochs(
            study.kept, self._recorded, study.labels, codes, resamples.weights, study.scored, steps
        )  # fmt: skip
        self._ends = _race_all(study, self._scores, workers, steps)
        self._read = lru_cache(CACHED)(study.kept.read)
        self._answers = lru_cache(8)(self._assembled)

    def trials(self, number: int) -> list[ReplayedTrial]:
        """Those that end complete, best first; one without a record is replaced by the best that has one."""
        table = _larger_is_better(self._study, self._scores.table(number, self._study.shape))
        epochs = {trial: self._epochs(trial, number, table[trial]) for trial in self._recorded}
        means = {
            trial: float(np.take_along_axis(table[trial], own[:, None] - 1, axis=1).mean())
            for trial, own in epochs.items()
        }
        ended = self._ends[number]
        others = sorted(set(means) - set(ended), key=lambda trial: (-means[trial], trial))
        chosen = [trial for trial in ended if trial in means]
        chosen += others[: max(len(ended), 1) - len(chosen)]
        return [
            self._replayed(trial, epochs[trial], means[trial])
            for trial in sorted(chosen, key=lambda trial: (-means[trial], trial))
        ]

    def lost(self, number: int) -> tuple[int, int]:
        """How many that end complete have no record, and how many end complete."""
        ended = self._ends[number]
        return sum(trial not in self._recorded for trial in ended), len(ended)

    def _epochs(self, trial: int, number: int, scores: Floats) -> NDArray[np.int64]:
        """(folds,) from 1, the earliest of equals. scores (folds, epochs), larger is better."""
        best: NDArray[np.int64] = (
            scores.argmax(axis=1) + 1 if self._refined is None else self._refined[trial][number]
        )
        return best

    def _replayed(self, trial: int, epochs: NDArray[np.int64], mean: float) -> ReplayedTrial:
        own, chosen = mean if self._study.mode == "max" else -mean, tuple(epochs.tolist())
        return ReplayedTrial(trial, chosen, own, self._answers(trial, chosen))

    def _assembled(self, trial: int, epochs: tuple[int, ...]) -> Probabilities:
        rows = self._study.kept.rows
        parts = [self._read(trial, fold, epochs[fold]) for fold in rows]
        found = np.empty((len(self._study.labels), parts[0].shape[1]), np.float32)
        for own, part in zip(rows.values(), parts, strict=True):
            found[own] = part
        return found


def _epochs_to_read(study: Raced) -> int:
    _, folds, max_t = study.shape
    again = len(study.kept.complete(folds, max_t)) * folds * max_t if study.refines else 0
    return len(study.kept.keys) + again


def _larger_is_better(study: Raced, table: Floats) -> Floats:
    return table if study.mode == "max" else -table


def _race_all(study: Raced, scores: InBagScores, workers: int, steps: Steps) -> list[list[int]]:
    """Of each replay the trials that end complete; the same however many processes share the work."""
    numbers = range(len(scores.values))
    ends = []
    if workers < 2:
        for number in numbers:
            ends.append(_race_once(study.race, scores, number))
            steps(1)
        return ends
    # Not forked: a fork would take along whatever threads and locks this process has.
    with ProcessPoolExecutor(
        workers, get_context("spawn"), initializer=_begin, initargs=(study.race, scores)
    ) as pool:
        for end in pool.map(_race_in_worker, numbers, chunksize=10):
            ends.append(end)
            steps(1)
    return ends


def _race_once(race: RaceAgain, scores: InBagScores, number: int) -> list[int]:
    table = scores.table(number, (race.trials, race.cfg.folds, race.cfg.max_t))
    sign = 1.0 if race.cfg.mode == "max" else -1.0
    filled = sign * completed(sign * table)
    for trial, fold in race.failed:
        filled[trial, fold] = table[trial, fold]
    return race.complete(filled)


_worker: list[tuple[RaceAgain, InBagScores]] = []  # of this worker process


def _begin(race: RaceAgain, scores: InBagScores) -> None:
    _worker.append((race, scores))


def _race_in_worker(number: int) -> list[int]:
    return _race_once(*_worker[0], number)


# ---- words ---------------------------------------------------------------------------------------------


def _shares(replays: Sequence[_Replays], count: int) -> tuple[float, float]:
    lost = np.array([[study.lost(number) for study in replays] for number in range(count)])
    left = float((lost[:, :, 0] > 0).any(axis=1).mean())
    return left, float(lost[:, :, 0].sum() / max(lost[:, :, 1].sum(), 1))


def _meaning(parts: int, left: float, replaced: float) -> str:
    return (
        f"The whole race is run again with one of {parts} parts of the groups left out: its rungs, quotas "
        "and choice of epochs, then members and all that is fitted; the part left out is scored. "
        f"{_not_corrected(left, replaced)} "
        "It judges one fold model per trial and row; new images get the mean of all folds' models."
    )


def _not_corrected(left: float, replaced: float) -> str:
    if not left:
        return "Every finalist of these repeats had been trained to the end, so nothing had to be guessed."
    return (
        f"In {_share(left)} of these repeats the race chose a trial that the real one had stopped, whose end "
        f"nobody knows; a trial that was trained to the end took its place ({_share(replaced)} of all places "
        "of finalists). So far the race's choice is not corrected."
    )


def _summary(left: float, replaced: float) -> str:
    corrected = "corrected: the race, epochs and all that is fitted"
    if not left:
        return f"{corrected}; no replay left the record"
    return (
        f"{corrected}; but {_share(left)} of the replays wanted a trial that was stopped in truth, and took "
        f"another ({_share(replaced)} of finalists' places)"
    )


def _share(value: float) -> str:
    return f"{value:.0%}" if value >= 0.01 else "less than 1%"
