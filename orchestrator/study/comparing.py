"""Two studies on the same rows: by how much one's best trial is better than the other's."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Probabilities
from orchestrator.core.errors import NoCompleteTrialError, StudyError
from orchestrator.core.text import counted
from orchestrator.data.manifest import Manifest
from orchestrator.evaluation.paired import PairedDifference, paired_difference
from orchestrator.space import SearchSpace
from orchestrator.space.condition import condition_mask
from orchestrator.study.predictions import Prediction
from orchestrator.study.sources import code_notes


@dataclass(frozen=True)
class Comparison:
    """`difference` is the second study's trial minus the first's, on rows that neither model trained on."""

    first: Path
    second: Path
    trials: tuple[int, int]  # the trial of each study that was compared
    difference: PairedDifference
    mode: str  # of the metric: "max" where more is better
    notes: tuple[str, ...] = ()  # where the two ran with different code

    @property
    def verdict(self) -> str:
        if not self.difference.is_decided:
            return "undecided: the interval holds zero"
        second = (self.difference.low > 0) == (self.mode == "max")
        return f"{self._name(int(second))} is better"

    def __str__(self) -> str:
        line = f"{self._name(1)} minus {self._name(0)}: {self.difference}; {self.verdict}"
        return "\n".join([line, *(f"note: {note}" for note in self.notes)])

    __repr__ = __str__

    def _name(self, which: int) -> str:
        return f"{(self.first, self.second)[which].name} trial {self.trials[which]}"

    def _repr_html_(self) -> str:
        found = self.difference
        rows = [
            (self._name(0), f"{found.first:.4f}"),
            (self._name(1), f"{found.second:.4f}"),
            ("difference", f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})"),
        ]
        cells = "".join(f"<tr><td>{html.escape(name)}</td><td>{value}</td></tr>" for name, value in rows)
        words = f"{self.verdict}; {found.level:.0%} interval over {counted(found.n_groups, 'group')}"
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in (words, *self.notes))
        return f"<table><tr><th></th><th>{found.metric}</th></tr>{cells}</table>{lines}"


class _CompleteTrial(Protocol):
    @property
    def number(self) -> int: ...


class Comparable(Protocol):
    """What is needed of a study; `Study` itself stands on this file."""

    path: Path

    @property
    def space(self) -> SearchSpace: ...

    def complete_trials(self) -> Sequence[_CompleteTrial]: ...

    def manifest(self) -> Manifest: ...

    def oof(self, trial: int) -> Prediction: ...

    @property
    def sources(self) -> Mapping[str, Sequence[str]]: ...


def compare_studies(
    first: Comparable,
    second: Comparable,
    trials: tuple[int | None, int | None],
    rng: np.random.Generator,
    repeats: int,
) -> Comparison:
    """See `study.compare`."""
    studies = (first, second)
    numbers = [trial_to_compare(study, asked) for study, asked in zip(studies, trials, strict=True)]
    one, other = (scored_rows(study, number) for study, number in zip(studies, numbers, strict=True))
    other = _in_order_of(one, other)
    refuse_unequal(one, other)
    found = paired_difference(
        one.labels, one.probabilities, other.probabilities, one.groups, one.metric, rng, repeats
    )
    names = (one.study.name, other.study.name)
    notes = code_notes(names, first.sources, second.sources)
    return Comparison(one.study, other.study, (numbers[0], numbers[1]), found, first.space.mode, notes)


@dataclass(frozen=True)
class ScoredRows:
    """The rows a study is scored on and what one trial predicts of them; arrays are (n,) or (n, C)."""

    study: Path
    metric: str
    classes: tuple[str, ...]
    paths: NDArray[np.str_]
    groups: NDArray[np.str_]
    folds: NDArray[np.int16]
    labels: NDArray[np.int64]
    probabilities: Probabilities

    def taken(self, rows: NDArray[np.generic]) -> ScoredRows:
        """Those at rows (m,), or where rows (n,) is true."""
        arrays = ("paths", "groups", "folds", "labels", "probabilities")
        return replace(self, **{name: getattr(self, name)[rows] for name in arrays})


def trial_to_compare(study: Comparable, asked: int | None) -> int:
    complete = [trial.number for trial in study.complete_trials()]  # best first
    if not complete:
        raise NoCompleteTrialError(f"study {study.path} has no complete trial to compare; resume it first")
    if asked is not None and asked not in complete:
        known = ", ".join(map(str, sorted(complete)))
        raise StudyError(f"study {study.path}: trial {asked} is not complete; complete are {known}")
    return complete[0] if asked is None else asked


def scored_rows(study: Comparable, trial: int) -> ScoredRows:
    prediction = study.oof(trial)
    frame = study.manifest().frame
    mask = condition_mask(study.space, frame)
    kept = np.ones(len(prediction.rows), np.bool_) if mask is None else mask[prediction.rows]
    rows = prediction.rows[kept]
    return ScoredRows(
        study.path,
        study.space.metric,
        tuple(study.space.target.classes),
        frame["path"].to_numpy(dtype=str)[rows],
        frame["group"].to_numpy(dtype=str)[rows],
        prediction.folds[kept],
        prediction.labels[kept],
        prediction.probabilities[kept],
    )


def _in_order_of(first: ScoredRows, other: ScoredRows) -> ScoredRows:
    """Rows with role extra may give the same images other numbers. Raises StudyError for other images."""
    alone = np.setxor1d(first.paths, other.paths)
    if len(alone):
        raise StudyError(
            f"studies {first.study} and {other.study} validated different rows ({len(alone)} are in one of "
            f"them alone, such as {alone[0]}); a paired difference needs the same data in both"
        )
    # Ranks of the first's paths, looked up in the other's sorted ones: no Python loop over the rows.
    return other.taken(np.argsort(other.paths)[np.argsort(np.argsort(first.paths))])


_SAME = ("metrics", "classes", "labels", "groups", "folds")


def refuse_unequal(first: ScoredRows, other: ScoredRows, what: Sequence[str] = _SAME) -> None:
    """Raises StudyError for what makes two scores of the same rows another thing."""
    fixes = "run both with the same label fixes, or see python -m orchestrator.audit --compare"
    for name, mine, theirs, way_out in (
        ("metrics", first.metric, other.metric, "run both with one metric"),
        ("classes", first.classes, other.classes, "compare studies of one target"),
        ("labels", first.labels, other.labels, fixes),
        ("groups", first.groups, other.groups, "run both with the same group column"),
        ("folds", first.folds, other.folds, "run both with the same folds, seed and stratify"),
    ):
        if name in what and not np.array_equal(mine, theirs):
            raise StudyError(f"studies {first.study} and {other.study} have different {name}; {way_out}")
