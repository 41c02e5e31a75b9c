"""Tables of learning curves: every trial's score on every fold after every epoch, and how long that took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats
from orchestrator.core.errors import InputError

MOST_EPOCHS = 100_000  # a mistaken column (a time stamp, say) would ask for terabytes


class CurveTableError(InputError):
    """A table of learning curves is not what it should be."""


@dataclass(frozen=True)
class CurveTable:
    """Learning curves of trials that all ran to the end. Higher scores are better."""

    scores: Floats  # (trials, folds, epochs) of each epoch alone; NaN where it was not reached
    seconds: Floats  # (trials, folds, epochs) that epoch took
    test: Floats  # (trials,) scores on a test set, NaN where there is none
    votes: NDArray[np.float32] | None = None  # (trials, rows, classes) test probabilities of the soft vote
    labels: NDArray[np.int64] | None = None  # (rows,) of the votes
    metric: str = "macro_f1"  # by which the votes are judged

    @property
    def cv(self) -> Floats:
        """(trials,) mean over the folds of the best epoch's score: by what exhaustive search chooses."""
        running = np.maximum.accumulate(self.scores, axis=2)
        mean: Floats = running[:, :, -1].mean(axis=1)
        return mean

    def draw(self, subset: int | None, rng: np.random.Generator) -> CurveTable:
        """`subset` of the trials (None: all) in random order, the folds permuted."""
        trials = rng.permutation(len(self.scores))[:subset]
        folds = rng.permutation(self.scores.shape[1])
        return replace(
            self,
            scores=self.scores[trials][:, folds],
            seconds=self.seconds[trials][:, folds],
            test=self.test[trials],
            votes=None if self.votes is None else self.votes[trials],
        )


def build_table(
    epochs: pd.DataFrame, trials: pd.DataFrame | None, name: str, mode: str = "max"
) -> CurveTable:
    """From the rows of epochs.parquet (trial, fold, epoch, score, seconds) and trials.parquet (trial,
    test_score; None or without that column: there is no test set). mode "min": lower scores are better.

    Raises CurveTableError naming the file and the way out.
    """
    source = f"{name}/epochs.parquet"
    keys = _keys(epochs, source)
    numbers, rows = np.unique(keys[0], return_inverse=True)
    names, folds = np.unique(keys[1], return_inverse=True)
    shape = (len(numbers), len(names), int(keys[2].max()))
    at = (rows, folds, keys[2] - 1)
    scores = _filled(shape, at, _floats(epochs, "score", source))
    seconds = _filled(shape, at, _seconds(epochs, source))
    scores[np.logical_or.accumulate(~np.isfinite(scores), axis=2)] = np.nan  # nothing follows a failure
    seconds = np.where(np.isnan(seconds), np.nanmean(seconds, axis=(1, 2), keepdims=True), seconds)
    if not np.isfinite(scores[:, :, -1]).all(axis=1).any():
        raise CurveTableError(
            f"{source}: no trial has a score for all {shape[1]} folds and {shape[2]} epochs"
        )
    sign = -1.0 if mode == "min" else 1.0
    return CurveTable(sign * scores, seconds, sign * _tests(trials, numbers, name))


def _keys(epochs: pd.DataFrame, source: str) -> list[NDArray[np.int64]]:
    """Trial, fold and epoch of each row; no two rows have the same. Raises CurveTableError."""
    _require(epochs, ("trial", "fold", "epoch", "score"), source)
    if epochs.empty:
        raise CurveTableError(f"{source} has no row; it needs one for each trial, fold and epoch")
    keys = [_integers(epochs, column, source) for column in ("trial", "fold", "epoch")]
    if keys[2].min() < 1:
        raise CurveTableError(f"{source}: epoch {keys[2].min()} is below 1; count epochs from 1")
    if keys[2].max() > MOST_EPOCHS:
        raise CurveTableError(f"{source}: epoch {keys[2].max()} is above {MOST_EPOCHS}; count epochs from 1")
    twice = pd.DataFrame(dict(enumerate(keys))).duplicated().to_numpy()
    if twice.any():
        trial, fold, epoch = (int(key[twice][0]) for key in keys)
        raise CurveTableError(
            f"{source}: trial {trial} fold {fold} epoch {epoch} has more than one row; keep one"
        )
    return keys


def _seconds(epochs: pd.DataFrame, source: str) -> Floats:
    """What each row's epoch took; 1 where the table has no such column. Raises CurveTableError."""
    seconds = _floats(epochs, "seconds", source) if "seconds" in epochs else np.ones(len(epochs))
    if not (np.isfinite(seconds) & (seconds > 0)).all():
        raise CurveTableError(f"{source}: seconds must be numbers above 0; correct that column")
    return seconds


def _tests(trials: pd.DataFrame | None, numbers: NDArray[np.int64], name: str) -> Floats:
    if trials is not None and "state" in trials and (trials["state"] == "PRUNED").any():
        raise CurveTableError(
            f"{name}/trials.parquet: trials were pruned, so their curves stop early and cannot judge another "
            "rule; make the study with --rule exhaustive"
        )
    if trials is None or "test_score" not in trials:  # a study's own table has none
        return np.full(len(numbers), np.nan)
    _require(trials, ("trial",), f"{name}/trials.parquet")
    own = _integers(trials, "trial", f"{name}/trials.parquet")
    if len(np.unique(own)) < len(own):
        raise CurveTableError(f"{name}/trials.parquet: a trial has more than one row; keep one of each")
    scores = dict(zip(own.tolist(), _floats(trials, "test_score", f"{name}/trials.parquet"), strict=True))
    return np.array([scores.get(int(number), np.nan) for number in numbers])


def _require(frame: pd.DataFrame, columns: Sequence[str], source: str) -> None:
    missing = [column for column in columns if column not in frame]
    if missing:
        found = ", ".join(map(str, frame.columns))
        raise CurveTableError(f"{source}: column {', '.join(missing)} is missing among {found}; add it")


def _integers(frame: pd.DataFrame, column: str, source: str) -> NDArray[np.int64]:
    values = _floats(frame, column, source)
    if not (np.isfinite(values) & (values == np.round(values)) & (np.abs(values) < 2**53)).all():
        raise CurveTableError(f"{source}: column {column} must hold whole numbers below 2**53; correct it")
    return values.astype(np.int64)


def _floats(frame: pd.DataFrame, column: str, source: str) -> Floats:
    try:
        values: Floats = frame[column].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise CurveTableError(f"{source}: column {column} must hold numbers; correct it") from None
    return values


def _filled(shape: tuple[int, ...], at: tuple[Any, ...], values: Floats) -> Floats:
    filled = np.full(shape, np.nan)
    filled[at] = values
    return filled
