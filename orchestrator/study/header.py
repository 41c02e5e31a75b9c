"""What defines a study: the header in the first line of its journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from orchestrator.core.errors import StudyError
from orchestrator.core.typed_fields import check_fields
from orchestrator.study.epoch_choice import CHOICES

FORMAT = 1
KEEP_OOF = ("all", "complete")
"""Every trial's, or those of complete trials alone."""
_FORMER_RULE_VERSION = "race"  # its key in journals of version 0.1


@dataclass(frozen=True)
class BudgetHeader:
    """What a study keeps of its budget: fold-epochs count over all its sessions, time does not."""

    fold_epochs: int | None = None
    """The most it may spend in all; None where there is no limit."""
    trials_given: bool = False
    """Whether the user named the number of trials, which a budget then never raises."""
    cohort: int | None = None
    """Trials of the space before a budget changed their number; as many may come at once later."""


@dataclass(frozen=True)
class StudyHeader:
    """The defaults are those of journals from before a field was kept; nothing else knows of old versions."""

    name: str
    """Of the study, which is also its folder below --storage."""
    space: Mapping[str, Any]
    """As `SearchSpace.to_json` gave it, at the scale and with the trials that were asked for."""
    space_name: str = ""
    space_file: str | None = None
    """None where the space was given as an object."""
    own_code: Mapping[str, Any] | None = None
    """space_file, module and digest of a trainable that lay beside its space file; else None."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Parameter -> default of the trainable that the study began with."""
    scale: str = "full"
    seed: int = 0
    rule: str = "fold_asha"
    rule_version: int = 1
    """Of the rules' decisions: a journal goes on with those of the version that wrote it."""
    sampler: str = "random"
    tries: Sequence[Mapping[str, Any]] = ()
    """Configurations that were given to be tried first."""
    fold_order: Sequence[int] = ()
    """The order in which every trial visits its folds."""
    demo: bool = False
    """Whether the data are the embedded drawn images."""
    storage: str | None = None
    """Where checkpoints lie; None stands for the study's own folder."""
    keep_oof: str = "all"
    """Whose epochs' validation probabilities stay: one of KEEP_OOF."""
    epoch_choice: str = "best"
    """Which epoch of a fold run is kept: a key of `epoch_choice.CHOICES`."""
    budget: BudgetHeader = BudgetHeader()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    """source, root and fingerprint of the rows."""
    label_fixes: Mapping[str, Any] | None = None
    """The file of corrections and its digest; None where there was none."""
    label_rules: Mapping[str, Any] | None = None
    """What was left out or merged: rows without a label, rare classes, copies with two labels; None where
    nothing was."""
    copies: Mapping[str, Any] | None = None
    """How many images hold the same as another, and what groups became of it; None where none do."""
    extra: Sequence[Mapping[str, Any]] = ()
    """As `manifest`, of every source of rows that are trained on and never validated."""
    fold_plan: str = ""
    """Fingerprint of the folds."""
    classes: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    """Package -> digest of the code that the study began with (`study.sources`); empty until version 0.2."""

    @property
    def rows_fingerprint(self) -> str:
        """Of the manifest; "" in a header that names none."""
        return str(self.manifest.get("fingerprint", ""))

    @property
    def metric(self) -> str:
        return str(self.space["metric"])

    @property
    def mode(self) -> str:
        return str(self.space["mode"])

    @property
    def cohort(self) -> int:
        return self.space["trials"] if self.budget.cohort is None else self.budget.cohort

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> StudyHeader:
        """Of this version or an earlier one. Raises StudyError for another format or no header."""
        if record.get("format") != FORMAT:
            found = record.get("format")
            raise StudyError(f"the header has format {found}, not {FORMAT}; use the version that wrote it")
        former = {"rule_version": record[_FORMER_RULE_VERSION]} if _FORMER_RULE_VERSION in record else {}
        try:
            budget = BudgetHeader(**_known(BudgetHeader, record.get("budget", {})))
            values = {**_known(cls, record), **former, "budget": budget}
            check_fields(cls, values)
            header = cls(**values)
        except (TypeError, ValueError, AttributeError) as error:
            raise StudyError(f"the header is none of a study ({error}); restore it from a copy") from error
        if header.epoch_choice not in CHOICES:
            raise StudyError(
                f"the header's epoch_choice is {header.epoch_choice!r}, none of {', '.join(CHOICES)}; use "
                "the version that wrote it"
            )
        return header

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads; what was not given (code, corrections, extra rows) has no key.

        Neither has a choice that is the default.
        """
        optional = {
            "own_code": self.own_code,
            "label_fixes": self.label_fixes,
            "label_rules": self.label_rules,
            "copies": self.copies,
            "extra": self.extra,
            "sources": self.sources,
            "keep_oof": self.keep_oof != "all",
            "epoch_choice": self.epoch_choice != "best",
        }
        record = {name: value for name, value in vars(self).items() if optional.get(name, True)}
        return {"format": FORMAT, **record, "budget": vars(self.budget)}


def _known(kind: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Without the keys of a later version of the same format."""
    values = {item.name: record[item.name] for item in fields(kind) if item.name in record}
    if kind is BudgetHeader:
        check_fields(kind, values)
    return values
