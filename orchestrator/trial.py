"""Records that travel between rooms: legs, events, decisions, and the contract of a trainable.

Events are the lines of the journal. `to_json` and `from_json` are exact inverses, so that a race
rebuilt from the journal is the race that wrote it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Config = Mapping[str, Any]
"""One configuration: parameter name -> JSON value. Inactive conditional parameters are absent."""

Progress = Callable[[int, int], None]
"""Called as progress(done, total)."""


class State(StrEnum):
    WAITING = "WAITING"
    RUNNING = "RUNNING"
    PARKED = "PARKED"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"


@dataclass(frozen=True, order=True)
class FoldRunKey:
    """One trial on one fold (both from 0): what Ray schedules and what owns a checkpoint."""

    trial: int
    fold: int

    def __str__(self) -> str:
        return f"t{self.trial:04d}-f{self.fold}"


@dataclass(frozen=True)
class Leg:
    """A stretch of one fold run: from `start` epochs already done up to `end` epochs done."""

    trial: int
    fold: int
    start: int
    end: int
    speculative: bool = False
    reason: str = ""

    @property
    def key(self) -> FoldRunKey:
        return FoldRunKey(self.trial, self.fold)


class Action(StrEnum):
    CONTINUE = "CONTINUE"  # this fold run goes on: inside its leg, or with the next leg in `Decision.leg`
    PARK = "PARK"  # this fold run is saved and gives its slot away
    STOP = "STOP"  # this fold run ends and gives its slot away; its trial is out, failed or complete
    PROMOTE = "PROMOTE"  # a trial is certain to be inside a rung's quota
    PRUNE = "PRUNE"  # a trial is out of the race; its running fold runs stop at their next report
    COMPLETE = "COMPLETE"  # a trial owns all folds at full length
    FAIL = "FAIL"  # a trial is out because a fold run failed
    RETRY = "RETRY"  # a failed fold run will be run again from its last stored epoch


@dataclass(frozen=True)
class Decision:
    """What the race answers. CONTINUE, PARK and STOP are for the fold run whose event was observed."""

    action: Action
    trial: int
    reason: str
    fold: int | None = None
    leg: Leg | None = None


# ---- events ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proposed:
    """The sampler gave trial number `trial` (0, 1, ...) its configuration."""

    kind: ClassVar[str] = "proposed"
    trial: int
    config: dict[str, Any]


@dataclass(frozen=True)
class LegStarted:
    """A slot took a leg. node: the server it is on, where there are several."""

    kind: ClassVar[str] = "leg_started"
    trial: int
    fold: int
    start: int
    end: int
    speculative: bool = False
    reason: str = ""
    node: str = ""

    @property
    def leg(self) -> Leg:
        return Leg(self.trial, self.fold, self.start, self.end, self.speculative, self.reason)


@dataclass(frozen=True)
class EpochEnded:
    """A fold run has `epoch` epochs done, all of it stored. `score` is this epoch's, not the running best."""

    kind: ClassVar[str] = "epoch_ended"
    trial: int
    fold: int
    epoch: int
    score: float
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class LegFailed:
    """A leg ended by `failure`: exception (its code raised), nan (loss or score not finite), lost (its node
    or its resume state is gone), killed (its process died alone, most often for memory) or memory (its share
    of a GPU was too small; from then on it has one to itself).

    `epoch` is the number of epochs stored before the failure.
    """

    kind: ClassVar[str] = "leg_failed"
    trial: int
    fold: int
    epoch: int
    failure: str
    error: str
    traceback: str = ""


@dataclass(frozen=True)
class Resumed:
    """A new driver took over: every leg that was under way is parked at its last reported epoch."""

    kind: ClassVar[str] = "resumed"


@dataclass(frozen=True)
class Extended:
    """The study now has `trials` trials in all; the new ones form a cohort of their own."""

    kind: ClassVar[str] = "extended"
    trials: int


@dataclass(frozen=True)
class Shortened:
    """No trial from number `trials` on will be proposed; none of those had started."""

    kind: ClassVar[str] = "shortened"
    trials: int


@dataclass(frozen=True)
class BudgetSpent:
    """What is left of the budget is for the finalists' folds alone: every other trial is out."""

    kind: ClassVar[str] = "budget_spent"
    reason: str


@dataclass(frozen=True)
class Decided:
    """What the race answered, kept for the report; a replay derives it again and ignores this line."""

    kind: ClassVar[str] = "decided"
    action: str
    trial: int
    reason: str
    fold: int | None = None


@dataclass(frozen=True)
class Opened:
    """First line of a journal: everything that defines the study, as JSON."""

    kind: ClassVar[str] = "opened"
    header: dict[str, Any]


@dataclass(frozen=True)
class Closed:
    """The driver ended: `outcome` is finished, interrupted or stopped."""

    kind: ClassVar[str] = "closed"
    outcome: str
    reason: str = ""


RaceEvent = Proposed | LegStarted | EpochEnded | LegFailed | Resumed | Extended | Shortened | BudgetSpent
Event = RaceEvent | Decided | Opened | Closed
_KINDS: dict[str, type[Any]] = {
    cls.kind: cls
    for cls in (
        *(Proposed, LegStarted, EpochEnded, LegFailed, Resumed, Extended, Shortened, BudgetSpent),
        *(Decided, Opened, Closed),
    )
}


def to_json(event: Event) -> dict[str, Any]:
    """The event as a JSON object with its kind under "event"."""
    return {"event": event.kind, **vars(event)}  # flat all of them; asdict copies every value, slowly


def from_json(record: Mapping[str, Any]) -> Event:
    """Inverse of `to_json`; ignores the key "time" that the journal adds. Raises KeyError or TypeError."""
    fields = {key: value for key, value in record.items() if key not in ("event", "time")}
    event: Event = _KINDS[record["event"]](**fields)
    return event


# ---- the contract between a worker and a trainable ------------------------------------------------


@dataclass(frozen=True)
class Factor:
    """One part of what is predicted, read from one column of the manifest.

    edges: class c holds edges[c - 1] <= value < edges[c], so the classes are ordered; None: they are not.
    """

    name: str
    classes: tuple[str, ...]
    column: str
    edges: tuple[float, ...] | None = None


@dataclass(frozen=True)
class ImageFiles:
    """The image files a study was begun with, to tell other ones from them.

    host, root: where they were looked at; sizes: (n,) int64 bytes, in the order of `Dataset.paths`;
    digests: row -> SHA-256 (hex) of its file, of all rows or a sample.
    """

    host: str
    root: str
    sizes: NDArray[np.int64]
    digests: Mapping[int, str]


@dataclass(frozen=True)
class Origin:
    """What machines other than the driver's need to find a dataset's images (orchestrator.local_data).

    cache: identity of the driver's cache folder; data_root: where images may lie on others (--data-root);
    drawn: they are the demo faces; private: what is written is for its owner alone; files None: not known.
    """

    cache: str
    data_root: str | None = None
    drawn: bool = False
    private: bool = False
    files: ImageFiles | None = None


@dataclass(frozen=True)
class Dataset:
    """What a fold run may see: the rows with role train or extra. Rows with role test are not in it.

    paths: (n,) image paths relative to `root`; labels: (n,) int64 in [0, len(classes));
    folds: (n,) int16, the fold in which a row is validated; for role extra -1 (every training part) or
    -2 - f (the training part of fold f alone, such as a label that fold f's model gave);
    fingerprint: of the images' identity, names the image store; cache_dir: where a node may keep it;
    factors: the parts of a label, which is their class numbers in mixed radix, the first most significant;
    columns: the manifest's others, each (n,), numbers as float64 (NaN: missing) and all else as text;
    within: (n,) bool, the rows that are trained on and scored; None: all. The others get probabilities too;
    origin: what another machine needs to find the images; None: this one's paths hold wherever it goes.
    """

    root: str
    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    folds: NDArray[np.int16]
    classes: tuple[str, ...]
    metric: str
    mode: str
    fingerprint: str
    cache_dir: str
    factors: tuple[Factor, ...] = ()
    columns: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    within: NDArray[np.bool_] | None = None
    origin: Origin | None = None

    def validation_rows(self, fold: int) -> NDArray[np.int64]:
        return np.flatnonzero(self.folds == fold)

    def training_rows(self, fold: int) -> NDArray[np.int64]:
        joins = (self.folds != fold) & ((self.folds >= -1) | (self.folds == -2 - fold))
        return np.flatnonzero(joins if self.within is None else joins & self.within)

    def scored(self, fold: int) -> NDArray[np.bool_]:
        """Which of `validation_rows(fold)` the score is of."""
        rows = self.validation_rows(fold)
        return np.ones(len(rows), np.bool_) if self.within is None else self.within[rows]


TTA = ("none", "flip", "five_crop", "five_crop_flip")
"""Test-time augmentation: the views of an image whose probabilities are averaged."""


@dataclass(frozen=True)
class Resources:
    """What one fold run may use. gpus is a fraction; 0 means CPU."""

    cpus: int = 1
    gpus: float = 0.0


@dataclass(frozen=True)
class Parameter:
    """One parameter a trainable accepts. `choices` None: any value of `types`."""

    default: Any
    types: tuple[str, ...] = ("float",)  # of: "bool", "int", "float", "str", "none"
    choices: tuple[Any, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    doc: str = ""


class Predictor(Protocol):
    """One model in memory."""

    def predict(
        self,
        paths: Sequence[str],
        tta: str = "none",
        progress: Progress | None = None,
        columns: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.float32]:
        """Class probabilities, shape (len(paths), C), rows summing to 1. Raises ImageReadError.

        columns: of the manifest, as in `Dataset.columns`, each of len(paths); face boxes for example.
        """
        ...


class Trainable(Protocol):
    """One fold run in memory. Built by a worker, driven epoch by epoch.

    `python -m orchestrator.check` also uses two classmethods where they exist: check_values(values, dataset),
    which raises InputError for values that cannot work, and preview(dataset, config, fold, rows, repeats,
    seed), which gives paths, labels and images as training and validation see them.
    """

    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None: ...

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        """Every parameter it accepts; a space that names another one is refused."""
        ...

    @classmethod
    def prepare(
        cls, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress | None = None
    ) -> None:
        """Once per node before anything runs: check weights, decode images. `values` maps each parameter
        to the values it can take (defaults included). Raises InputError."""
        ...

    def run_epoch(self) -> dict[str, float]:
        """Trains one epoch and validates. Finite metrics, `dataset.metric` among them.

        Raises NonFiniteError.
        """
        ...

    def probabilities(self) -> NDArray[np.float32]:
        """Of the last `run_epoch`, (n_val, C), in the order of `dataset.validation_rows(fold)`."""
        ...

    def weights(self) -> bytes:
        """The model as safetensors: what `load_predictor` needs."""
        ...

    def state(self) -> bytes:
        """All that continuing needs: model, optimizer, scheduler, RNG, position.

        Loads with weights_only=True.
        """
        ...

    def load_state(self, data: bytes) -> None: ...

    def close(self) -> None:
        """Frees memory, GPU memory included."""
        ...

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> Predictor:
        """A predictor from `weights()`; resources None: a GPU if there is one, else all cores."""
        ...


class CheckpointStore(Protocol):
    """Takes bytes under a name such as `t0003-f1/resume-e0005.pt` and returns them. Picklable."""

    def put(self, name: str, data: bytes) -> None:
        """Whole or not at all. Raises StorageError."""
        ...

    def get(self, name: str) -> bytes:
        """Raises KeyError when there is no such name."""
        ...

    def names(self, prefix: str = "") -> list[str]: ...

    def delete(self, name: str) -> None:
        """No error when it is already gone."""
        ...


# ---- the contract of a race ------------------------------------------------------------------------


@dataclass(frozen=True)
class TrialStatus:
    """Where a trial stands. `score` is the mean running best over the folds of its last finished rung."""

    trial: int
    state: State
    rung: int | None
    score: float | None
    folds_complete: int
    epochs_spent: int
    reason: str


class Race(Protocol):
    """A rule. Deterministic: the same events give the same state. `next` asks and changes nothing."""

    @property
    def done(self) -> bool:
        """Nothing is running and nothing is left to run."""
        ...

    def next(self) -> Leg | None:
        """The leg a free slot should take; None: nothing now (something is running) or done."""
        ...

    def observe(self, event: RaceEvent) -> list[Decision]:
        """Takes one event. Raises ValueError for one that cannot follow the events before it."""
        ...

    def state(self, trial: int) -> State: ...

    def statuses(self) -> list[TrialStatus]:
        """One per trial, best first: complete ones by score, then by rung reached and score."""
        ...

    @property
    def planned_fold_epochs(self) -> int:
        """Fold-epochs the rule expects to spend in all, speculation not counted."""
        ...

    @property
    def spent_fold_epochs(self) -> int: ...

    def remaining_fold_epochs(self, trials: int) -> int:
        """Expected to be spent still if no trial from number `trials` on were proposed."""
        ...

    @property
    def finish_fold_epochs(self) -> int:
        """What completing the finalists takes if nothing else runs from now on (`BudgetSpent`)."""
        ...
