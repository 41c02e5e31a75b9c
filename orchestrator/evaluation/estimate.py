"""A score with its interval and what it means."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Estimate:
    """A score and how far to believe it. In a notebook it shows as its title, its numbers and its meaning."""

    score: float
    low: float  # lower end of the interval
    high: float  # upper end of the interval
    level: float  # share of such intervals that should hold the true value, such as 0.95
    method: str  # how the interval was obtained
    n_groups: int  # groups that were resampled
    title: str = ""  # what it is, in a few words: "BBC-CV macro_f1"
    meaning: str = ""  # what the number says and what it does not, in sentences

    @property
    def words(self) -> dict[str, str]:
        return {"title": self.title, "meaning": self.meaning}

    @property
    def numbers(self) -> dict[str, Any]:
        """Every field that is not in `words`."""
        return {key: value for key, value in asdict(self).items() if key not in self.words}

    def __str__(self) -> str:
        return f"{self.score:.4f} ({self.level:.0%} interval {self.low:.4f} to {self.high:.4f})"

    def _repr_html_(self) -> str:
        title, meaning = html.escape(self.title or self.method), html.escape(self.meaning)
        return f"<p><b>{title}: {html.escape(str(self))}</b><br>{meaning}</p>"
