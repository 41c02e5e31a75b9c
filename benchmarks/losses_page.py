"""The figures of `benchmarks.losses` as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

TOLD = {
    "exit code 2: error: disk full": "a write was refused",
    "exit code 2: error: cannot write": "a write was refused",
    "exit code 2: error: disk": "stopped before a write was refused",
    "exit code 1: [": "Ray ended the command",
    "exit code 0": "the study ended all the same",
}
"""First words of what a loss came to -> what they mean."""


def page(found: Mapping[str, Any]) -> str:
    """A table of the parts, and under it where it was measured."""
    rows = [_row(part) for part in found["parts"].values() if part["losses"]]
    head = ["| taken | times | studies | faults | what came of it |", "|---|---|---|---|---|"]
    where = f"Seed {found['seed']}; {found['machine']}; {found['date']}, commit {found['commit']}."
    return "\n".join([*head, *rows, "", where])


def _row(part: Mapping[str, Any]) -> str:
    faults = sum(len(study["faults"]) for study in part["studies"])
    told = Counter(_meaning(loss["told"]) for loss in part["losses"])
    words = ", ".join(f"{times} x {what}" for what, times in told.most_common())
    return f"| {part['kind']} | {len(part['losses'])} | {len(part['studies'])} | {faults} | {words} |"


def _meaning(told: str) -> str:
    return next((meaning for words, meaning in TOLD.items() if told.startswith(words)), told[:100])
