"""What a user asks of a search, and what comes of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from orchestrator.core.dataset import Dataset
from orchestrator.execution.backends import Backend
from orchestrator.inputs.data_options import FIXED, LIMIT, OWN, REPEATED, DataOptions
from orchestrator.space import SearchSpace
from orchestrator.study.study import CompleteTrial, Study
from orchestrator.tune.coercion import coerced


@dataclass(frozen=True)
class Request(DataOptions):
    """What a user asked of a search, one field for every option of `tune`; None: the user did not say.

    A field's metadata tells what `--resume` does with it (see DataOptions), and the option's name where
    that is not the field's. A program may give what it has, such as texts for paths, "2h" for a time and
    numbers of numpy (`coercion.py`). Raises InputError for what is of no use.
    """

    # an object, a path, or a name in search_spaces/
    space: SearchSpace | str | None = field(default=None, metadata=OWN)
    study: str | None = field(default=None, metadata=OWN)
    scale: str | None = field(default=None, metadata=FIXED)
    trials: int | None = field(default=None, metadata=LIMIT)  # with resume: extend to this many
    max_epochs: int | None = field(default=None, metadata=FIXED)
    settings: Mapping[str, Any] = field(default_factory=dict, metadata={**FIXED, "option": "--set"})
    seed: int | None = field(default=None, metadata=FIXED)
    rule: str | None = field(default=None, metadata=FIXED)
    sampler: str | None = field(default=None, metadata=FIXED)
    tries: Sequence[Mapping[str, Any]] = field(default=(), metadata={**FIXED, "option": "--try"})
    time_budget: float | None = field(default=None, metadata=LIMIT)  # seconds, of this command
    max_fold_epochs: int | None = field(default=None, metadata=LIMIT)  # of the whole study
    storage: str | None = field(default=None, metadata=OWN)
    resume: bool = field(default=False, metadata=OWN)
    inline: bool = field(default=False, metadata=REPEATED)
    address: str | None = field(default=None, metadata=REPEATED)
    gpus_per_fold_run: str = field(default="auto", metadata=REPEATED)
    cpus_per_fold_run: int | None = field(default=None, metadata=REPEATED)
    wandb: str | None = field(default=None, metadata=REPEATED)

    def __post_init__(self) -> None:
        for name, value in coerced(vars(self)).items():
            object.__setattr__(self, name, value)

    def fixed(self) -> list[str]:
        """The options that were given and that a study which exists cannot take."""
        return [
            option_of(item)
            for item in fields(self)
            if item.metadata["on_resume"] == "fixed" and _is_given(getattr(self, item.name))
        ]


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
