"""Which rules are raced, with which numbers."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.errors import InputError
from orchestrator.race import RULES
from orchestrator.race.config import NUMERIC_KNOBS


@dataclass(frozen=True)
class Entry:
    """A rule, by its key in RULES, and numbers of its constructor."""

    key: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rule(self) -> str:
        """The name of its class."""
        return RULES[self.key].rpartition(".")[2]

    def __str__(self) -> str:
        return f"{self.rule}({self.numbers_text})" if self.numbers else self.rule

    @property
    def numbers_text(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.numbers.items())


def parse_entry(text: str, numbers: Mapping[str, Any]) -> Entry:
    """`FoldASHA`, `fold_asha` or `TopKAfterEpochs:finalists=5,grace_period=4`; `numbers` where it names none.

    Raises InputError.
    """
    name, _, rest = text.partition(":")
    keys = {key: key for key in RULES} | {RULES[key].rpartition(".")[2]: key for key in RULES}
    if name not in keys:
        raise InputError(
            f"--rules {text}: {name!r} is not known; use {', '.join(sorted(set(keys) - set(RULES)))}"
        )
    own = dict(_number(text, item) for item in rest.split(",") if item)
    return Entry(keys[name], {**numbers, **own})


def _number(text: str, item: str) -> tuple[str, Any]:
    name, equals, value = item.partition("=")
    if name not in NUMERIC_KNOBS or not equals:
        raise InputError(
            f"--rules {text}: {item!r} must read key=value with one of {', '.join(NUMERIC_KNOBS)}"
        )
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise InputError(f"--rules {text}: {value!r} is no number; write {name}=3") from None
