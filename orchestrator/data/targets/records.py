"""Targets and conditions as data, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core.dataset import Factor
from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.typed_fields import check_fields
from orchestrator.data.targets.binned import Binned
from orchestrator.data.targets.categorical import Categorical
from orchestrator.data.targets.changes import Changes
from orchestrator.data.targets.contract import Target
from orchestrator.data.targets.joint import Joint
from orchestrator.data.targets.multi_label import LabelColumns, LabelSets
from orchestrator.data.targets.one_hot import OneHot

KINDS = ("binned", "categorical", "one_hot", "multi_label", "label_sets", "joint")
Given = tuple[Target, str]
"""A target and the class of it that holds."""


def target_from_json(record: Mapping[str, Any]) -> Target:
    """Inverse of `to_json`. Raises SearchSpaceError for a kind that does not exist, ValueError and others for
    what is no target."""
    made = _target_of(record)
    check_fields(type(made), vars(made))
    return made


def _target_of(record: Mapping[str, Any]) -> Target:
    kind, name, missing = record.get("kind"), record.get("name", ""), record.get("missing", "error")
    changes = Changes.from_json(record)
    if kind == "binned":
        return Binned(name, record["column"], tuple(record["edges"]), missing)
    if kind == "categorical":
        return Categorical.from_json(record)
    if kind == "one_hot":
        return OneHot(name, tuple(record["columns"]), missing, changes)
    if kind == "multi_label":
        return LabelColumns(name, tuple(record["columns"]), missing, changes)
    if kind == "label_sets":
        labels = tuple(record["classes"] or ())
        return LabelSets(name, record["column"], record["sep"], labels, missing, changes)
    if kind == "joint":
        return Joint(name, tuple(target_from_json(part) for part in record["parts"]))
    raise SearchSpaceError(f"target kind {kind!r} is not known; use one of {', '.join(KINDS)}")


def factors_of(target: Target) -> tuple[Factor, ...]:
    """The parts of a target in the order of its mixed radix; a single one is its own part."""
    if isinstance(target, Joint):
        return tuple(factor for part in target.parts for factor in factors_of(part))
    edges = target.edges if isinstance(target, Binned) else None
    columns = target.columns
    return (Factor(target.name, target.classes, columns[0], edges, target.ordered, columns),)


def given_text(given: Given) -> str:
    """Such as "gender=female"."""
    return f"{given[0].name}={given[1]}"


def given_to_json(given: Given) -> dict[str, Any]:
    return {"target": given[0].to_json(), "class": given[1]}


def given_from_json(record: Mapping[str, Any] | None) -> Given | None:
    """Inverse of `given_to_json`; None stays None. Raises SearchSpaceError as `target_from_json`."""
    return None if record is None else (target_from_json(record["target"]), str(record["class"]))
