"""What a tracker is told of a study, and what it must do with it.

A tracker lives in the mirror's process alone. Every call may raise whatever the tracker's library does: the
mirror says so, lets the tracker rest for a while, and tells it the same again later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from orchestrator.core.events import EpochEnded, FoldRunKey, State
from orchestrator.race.contract import TrialStatus

Scalar = bool | int | float | str
Config = Mapping[str, Any]


@dataclass(frozen=True)
class StudyFacts:
    """What is known of a study from its first moment."""

    name: str
    started: float  # unix seconds; tells studies of one name apart
    metric: str
    mode: str  # "max" where a larger value is better, "min" where a smaller one is
    settings: Mapping[str, Scalar]  # folds, epochs, rule, sampler, seed and the like
    parameters: Sequence[str]  # names of what the space varies or fixes

    @property
    def identity(self) -> str:
        """A name for it that no other study has."""
        return f"{self.name}-{digest_of_study(self.name, self.started)}"


@dataclass(frozen=True)
class Progress:
    """Where the study stood when a trial ended."""

    ended: int  # trials that had ended, this one included; a trial that is run again ends again
    complete: int  # of them, complete
    fold_epochs: int  # spent until then, those run again included
    best_score: float | None  # of complete trials; None while there is none

    @property
    def values(self) -> dict[str, float]:
        """Without `ended`, which is the step that they belong to."""
        counts: dict[str, float] = {"trials_complete": self.complete, "fold_epochs": self.fold_epochs}
        return counts if self.best_score is None else {**counts, "best_score": self.best_score}


@dataclass(frozen=True)
class TrialEnd:
    """A trial that is complete, pruned or failed."""

    status: TrialStatus
    config: Config
    folds: Sequence[FoldRunKey]  # its fold runs that began
    error: str = ""  # of the fold run that failed last


@dataclass(frozen=True)
class LeaderboardRow:
    rank: int  # from 1
    status: TrialStatus
    config: Config

    @property
    def cells(self) -> dict[str, Scalar | None]:
        """By column; of parameters, the name alone."""
        status = self.status
        return {
            "rank": self.rank,
            "trial": status.trial,
            "state": status.state.value,
            "score": status.score,
            "folds_complete": status.folds_complete,
            "epochs_spent": status.epochs_spent,
            **{name: scalar_of(value) for name, value in self.config.items()},
        }


class StudyTracker(Protocol):
    """Somewhere a study is shown. A call that returns has taken over what it was given."""

    title: ClassVar[str]  # as messages name it
    arrives_at_once: ClassVar[bool]
    """True: what was taken over has arrived. False: only a `close` that returns says so."""

    def open_study(self, study: StudyFacts) -> None:
        """Comes first, and once in a process; a study that was opened before goes on."""

    def log_epochs(self, key: FoldRunKey, config: Config, epochs: Sequence[EpochEnded], best: float) -> None:
        """Epochs of a fold run that were not told yet, in their order; best: its score that counts so far."""

    def end_trial(self, end: TrialEnd) -> None: ...

    def log_progress(self, points: Sequence[Progress]) -> None:
        """Those that were not told yet."""

    def show_leaderboard(self, rows: Sequence[LeaderboardRow]) -> None:
        """In place of the one before; best first, complete trials before the others."""

    def show_ensemble(self, name: str, scores: Mapping[str, float]) -> None:
        """name: of its folder; scores: `<estimate>`, `<estimate>_low` and `<estimate>_high`."""

    def add_artifact(self, path: Path) -> None:
        """In place of the one of that name before."""

    def close(self) -> None: ...


def scalar_of(value: Any) -> Scalar | None:
    """What every tracker can hold of a parameter's value: None stays, a list and the like become text."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def table_of(rows: Sequence[LeaderboardRow]) -> tuple[list[str], list[list[Scalar | None]]]:
    """Columns in the order in which they appear, and a line for each row."""
    cells = [row.cells for row in rows]
    columns = list(dict.fromkeys(name for line in cells for name in line))
    return columns, [[line.get(name) for name in columns] for line in cells]


def digest_of_study(name: str, started: float) -> str:
    """Tells studies of one name apart. started: unix seconds when it began."""
    return hashlib.sha256(f"{name}/{started!r}".encode()).hexdigest()[:8]


ENDED = (State.COMPLETE, State.PRUNED, State.FAIL)
