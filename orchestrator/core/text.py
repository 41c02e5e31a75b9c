"""Words for people: plurals, shortened lists and what a misspelt word may have meant."""

from __future__ import annotations

import difflib
import re
import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters but tab and newline, what turns the direction of writing, halves of characters."""


def shown(text: str) -> str:
    """The text with what would steer a terminal written out: ESC is \\x1b. For readers, not for files."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def on_one_line(text: str) -> str:
    """A name from data that stands in a line of ours: `shown`, and a newline in it makes no new line."""
    return shown(text).replace("\n", "\\n").replace("\t", "\\t")


def path_to_paste(path: Path) -> str:
    """As a word of a command that somebody pastes into a shell."""
    return on_one_line(shlex.quote(str(path)))


def shortened(items: Sequence[str], limit: int = 3) -> str:
    """The first few of a list, and how many more there are."""
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(map(on_one_line, items[:limit])) + more


def counted(number: int, word: str, plural: str = "") -> str:
    """1 trial, 2 trials; plural: where it is not the word with an s, as in 2 entries."""
    return f"{number} {word if number == 1 else plural or f'{word}s'}"


def bytes_text(number: float) -> str:
    """512 B, 1.4 kB, 23.4 GB: thousands, as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(number) < 1000:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a refusal of `word`, such as "; did you mean mask?"; empty where no known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def composed(text: str) -> str:
    """With every accent in one character with its letter: names that print alike become equal."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
