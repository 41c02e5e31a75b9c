"""A target as the Python that makes it."""

from __future__ import annotations

from orchestrator.core.errors import InputError
from orchestrator.data.targets import Binned, Categorical, Joint, Target


def code_of(target: Target) -> str:
    """Such as categorical("mask", ["worn", "none"]). Raises InputError for a kind that no layout has."""
    if isinstance(target, Joint):
        return f"joint({', '.join(code_of(part) for part in target.parts)})"
    if isinstance(target, Binned):
        edges = ", ".join(f"{edge:g}" for edge in target.edges)
        names = "" if target.column == target.name == "age" else f', "{target.column}", "{target.name}"'
        return f"age_bins([{edges}]{names})"
    if isinstance(target, Categorical):
        classes = ", ".join(f'"{label}"' for label in target.classes)
        return f'categorical("{target.column}", [{classes}])'
    raise InputError(f"target {target!r} cannot be written into a space file")
