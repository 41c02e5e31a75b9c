"""Words for people: plurals and shortened lists."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(items: Sequence[str], limit: int = 3) -> str:
    """The first few of a list, and how many more there are."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more


def counted(number: int, word: str) -> str:
    """1 trial, 2 trials."""
    return f"{number} {word}{'s' * (number != 1)}"
