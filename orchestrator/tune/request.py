"""What a user asks of a search, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from orchestrator.core.dataset import Dataset
from orchestrator.core.disk_needs import DiskNeeds
from orchestrator.core.errors import InputError, NoCompleteTrialError
from orchestrator.evaluation.confidence_set import ConfidenceSet
from orchestrator.execution.backends import Backend
from orchestrator.inputs.data_options import FIXED, LIMIT, OWN, REPEATED, DataOptions
from orchestrator.space import SearchSpace
from orchestrator.study.study import CompleteTrial, Study
from orchestrator.tracking.destinations import HERE, Destinations
from orchestrator.tune.coercion import (
    OF_DATA,
    Coerce,
    as_flag,
    as_flag_or_text,
    as_gpus,
    as_mapping,
    as_mappings,
    as_pause,
    as_seconds,
    as_space,
    as_text,
    as_trials,
    as_whole_number,
)


def _option(
    on_resume: Mapping[str, str],
    coerce: Coerce,
    option: str | None = None,
    *,
    default: Any = None,
    factory: Callable[[], Any] | None = None,
) -> Any:
    """A field of `Request`. option: its name on the command line, where that is not the field's."""
    about = {**on_resume, "coerce": coerce, **({"option": option} if option else {})}
    return (
        field(default_factory=factory, metadata=about) if factory else field(default=default, metadata=about)
    )


@dataclass(frozen=True)
class Request(DataOptions):
    """What a user asked of a search, one field for every option of `tune`; None: the user did not say.

    A field says what `--resume` does with it (see DataOptions) and what makes its value of what a program
    has, such as a text for a path, "2h" for a time or a number of numpy (`coercion.py`). Raises InputError
    for what is of no use.
    """

    # an object, a path, or a name in search_spaces/
    space: SearchSpace | str | None = _option(OWN, as_space)  # noqa: RUF009  it is a field
    study: str | None = _option(OWN, as_text("a name"))
    scale: str | None = _option(FIXED, as_text("'full', 'small' or 'smoke'"))
    trials: int | None = _option(LIMIT, as_whole_number())  # with resume: extend to this many
    max_epochs: int | None = _option(FIXED, as_whole_number())
    settings: Mapping[str, Any] = _option(FIXED, as_mapping, "--set", factory=dict)
    seed: int | None = _option(FIXED, as_whole_number(0))
    rule: str | None = _option(FIXED, as_text("the name of a rule, such as 'fold_asha'"))
    sampler: str | None = _option(FIXED, as_text("'random', 'grid' or 'tpe'"))
    tries: Sequence[Mapping[str, Any]] = _option(FIXED, as_mappings, "--try", default=())
    time_budget: float | None = _option(LIMIT, as_seconds)  # seconds, of this command
    max_fold_epochs: int | None = _option(LIMIT, as_whole_number(1))  # of the whole study
    keep_oof: str | None = _option(FIXED, as_text("'all' or 'complete'"))
    storage: str | None = _option(OWN, as_text("a path or an address such as 's3://bucket/folder'"))
    resume: bool = _option(OWN, as_flag, default=False)
    # with resume: failed trials that run again, () for all of them
    retry_failed: Sequence[int] | None = _option(OWN, as_trials)
    trust: bool = _option(
        REPEATED, as_flag, default=False
    )  # with resume: what the study names may be imported
    inline: bool = _option(REPEATED, as_flag, default=False)
    address: str | None = _option(REPEATED, as_text("the address of a Ray cluster, such as 'auto'"))
    gpus_per_fold_run: str = _option(REPEATED, as_gpus, default="auto")
    cpus_per_fold_run: int | None = _option(REPEATED, as_whole_number(1))
    checkpoint_every: float | None = _option(REPEATED, as_pause)  # seconds of finished epochs, of a fold run
    wandb: str | None = _option(REPEATED, as_text("the name of a project"))
    no_report: bool = _option(REPEATED, as_flag, default=False)  # of the command, at its end
    json: bool = _option(REPEATED, as_flag, default=False)  # what the command prints, and that alone
    quiet: bool = _option(REPEATED, as_flag, default=False)
    wandb_fold_runs: bool = _option(REPEATED, as_flag, default=False)
    # True: in the study's folder
    tensorboard: bool | str | None = _option(REPEATED, as_flag_or_text("True, or a folder"))
    # True: what MLFLOW_TRACKING_URI says
    mlflow: bool | str | None = _option(REPEATED, as_flag_or_text("True, or the address of a server"))

    def __post_init__(self) -> None:
        for name, coerce in COERCE.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, coerce(name, value))
        if self.json and self.quiet:
            raise InputError("--json and --quiet: the one prints every event, the other none; leave one out")
        if self.retry_failed is not None and not self.resume:
            raise InputError(
                "--retry-failed runs failed trials of a study again: give it with --resume and --study"
            )
        _ = self.destinations  # raises for what contradicts itself

    @property
    def destinations(self) -> Destinations:
        """Where the study is sent to while it runs."""
        named = [HERE if value is True else value or None for value in (self.tensorboard, self.mlflow)]
        return Destinations(self.wandb or None, self.wandb_fold_runs, *named)

    def fixed(self) -> list[str]:
        """The options that were given and that a study which exists cannot take."""
        return [
            option_of(item)
            for item in fields(self)
            if item.metadata["on_resume"] == "fixed" and _is_given(getattr(self, item.name))
        ]


COERCE: dict[str, Coerce] = {
    **OF_DATA,
    **{item.name: item.metadata["coerce"] for item in fields(Request) if "coerce" in item.metadata},
}
"""Field -> what makes its value of what was given."""


def option_of(item: Field[Any]) -> str:
    """The command line's name of a request's field."""
    return str(item.metadata.get("option", f"--{item.name.replace('_', '-')}"))


def _is_given(value: object) -> bool:
    """None and an empty collection were not said; 0 and an empty text were."""
    return value is not None and (
        isinstance(value, str) or not isinstance(value, Collection) or len(value) > 0
    )


def repeated_options(given: Mapping[str, Any], budget_spent: bool) -> list[str]:
    """The words of a command that hold for one command alone, for the next one that resumes its study.

    given: option values as the user typed them, by field name.
    """
    words: list[str] = []
    for item in fields(Request):
        kind, value = item.metadata["on_resume"], given.get(item.name, item.default)
        # A new study keeps its --trials itself; a spent budget is for good and refuses another.
        kept = kind == "limit" and (budget_spent or (item.name == "trials" and not given["resume"]))
        if kind in ("repeated", "limit") and value != item.default and not kept:
            words += [option_of(item)] if value is True else [option_of(item), str(value)]
    return words


@dataclass(frozen=True)
class Result:
    study: Path
    complete: list[CompleteTrial]
    seconds: float
    confidence_set: ConfidenceSet  # of the best of them


class NothingCompleteError(NoCompleteTrialError):
    """The search ended without a complete trial; `study` is where the reasons are."""

    def __init__(self, study: Study) -> None:
        super().__init__(
            f"study {study.path} ended without a complete trial; the reasons are in {study.files.journal}"
        )
        self.study = study.path


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, after everything was saved; `study` is what to resume.

    budget_spent: it is for good, so no other can be given; space_file: to be named again, because the
    trainable lies beside it.
    """

    def __init__(
        self, study: Path, budget_spent: bool = False, own_code: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"study {study} was interrupted; everything finished is saved and it can be resumed")
        self.study, self.budget_spent = study, budget_spent
        self.space_file = None if own_code is None else str(own_code["space_file"])


@dataclass(frozen=True)
class PreparedStudy:
    """A study whose lock is held, on a backend that has seen its data."""

    study: Study
    space: SearchSpace
    dataset: Dataset
    backend: Backend
    disk_needs: DiskNeeds | None = None  # what the trainable says that fold runs will store
