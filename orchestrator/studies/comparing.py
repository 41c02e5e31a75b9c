"""Studies side by side: what differs between them, and how much better one's best trial is than another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.errors import OrchestratorError
from orchestrator.evaluation.corrected_t import FoldDifference, fold_difference
from orchestrator.studies.differences import JUDGED, Difference, differences, verdict
from orchestrator.study.comparing import Comparison
from orchestrator.study.study import CompleteTrial, Study, compare


@dataclass(frozen=True)
class PairOfStudies:
    """The second study's best trial minus the first's. None: it could not be had, and `refused` says why."""

    names: tuple[str, str]
    trials: tuple[int, int] | None
    scores: tuple[float, float] | None  # mean over folds
    folds: FoldDifference | None  # whether models trained on other rows would differ too
    rows: Comparison | None  # whether these models differ on other groups
    refused: str = ""


@dataclass(frozen=True)
class StudyComparison:
    """pairs: each further study with the first."""

    names: tuple[str, ...]
    differences: tuple[Difference, ...]
    pairs: tuple[PairOfStudies, ...]

    @property
    def verdict(self) -> str:
        return verdict(self.differences)


def compare_settings_and_scores(
    studies: Sequence[Study], seed: int = 0, repeats: int = 2000, trust: bool = False
) -> StudyComparison:
    """Of two studies or more. What has no common rows is compared in its settings alone.

    seed, repeats: of the resampled groups. trust: as of `compare`.
    """
    names = tuple(study.path.name for study in studies)
    pairs = tuple(pair_of(studies[0], other, seed, repeats, trust) for other in studies[1:])
    return StudyComparison(names, differences(studies), pairs)


def pair_of(first: Study, second: Study, seed: int, repeats: int, trust: bool) -> PairOfStudies:
    """Their best trials, paired by fold and by row."""
    names = (first.path.name, second.path.name)
    bests = [next(iter(study.complete_trials()), None) for study in (first, second)]
    one, other = bests
    if one is None or other is None:
        lacks = " and ".join(name for name, best in zip(names, bests, strict=True) if best is None)
        return PairOfStudies(names, None, None, None, None, f"{lacks} has no complete trial; resume it first")
    trials, scores = (one.number, other.number), (one.score, other.score)
    folds = _by_fold(first, second, one, other)
    try:
        rows = compare(first, second, trials=trials, seed=seed, repeats=repeats, trust=trust)
    except OrchestratorError as error:
        return PairOfStudies(names, trials, scores, folds, None, str(error))
    return PairOfStudies(names, trials, scores, folds, rows)


def _by_fold(first: Study, second: Study, one: CompleteTrial, other: CompleteTrial) -> FoldDifference | None:
    """None where the folds hold other rows, or are judged by something else."""
    found = {item.name for item in differences((first, second))}
    if found & {*JUDGED, "data", "folds of rows"} or not first.header.fold_plan:
        return None
    return fold_difference([best.score for best in one.bests], [best.score for best in other.bests])
