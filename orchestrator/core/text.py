"""Words for people: plurals, shortened lists and what a misspelt word may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def shortened(items: Sequence[str], limit: int = 3) -> str:
    """The first few of a list, and how many more there are."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more


def counted(number: int, word: str, plural: str = "") -> str:
    """1 trial, 2 trials; plural: where it is not the word with an s, as in 2 entries."""
    return f"{number} {word if number == 1 else plural or f'{word}s'}"


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a refusal of `word`, such as "; did you mean mask?"; empty where no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
