"""A score with its interval and what it means."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from orchestrator.core.typed_fields import check_fields

ORDER = ("naive", "cross_fitted", "bbc", "bbc_race", "untouched")
"""Keys of an ensemble's estimates: the one that flatters most first, rows that nothing was fitted on last."""

_NUMBERS = ("score", "low", "high")


@dataclass(frozen=True)
class Estimate:
    """A score and how far to believe it. In a notebook it shows as its title, its numbers and its meaning.

    Where it could not be made, score, low and high are NaN and the meaning is the reason.
    """

    score: float
    low: float  # lower end of the interval
    high: float  # upper end of the interval
    level: float  # share of such intervals that should hold the true value, such as 0.95
    method: str  # how the score and the interval were obtained
    n_groups: int  # groups that were resampled
    title: str = ""  # what it is, in a few words: "BBC-CV macro_f1"
    meaning: str = ""  # what the number says, what it corrects and what it does not, in sentences
    key: str = ""  # one of ORDER where it is an ensemble's
    summary: str = ""  # what it corrects and what it does not, in a line; "" where it could not be made

    @property
    def is_defined(self) -> bool:
        return math.isfinite(self.score)

    @property
    def words(self) -> dict[str, str]:
        return {"title": self.title, "meaning": self.meaning, "summary": self.summary}

    @property
    def numbers(self) -> dict[str, Any]:
        """Every field that is not in `words`, nor the key."""
        return {key: value for key, value in asdict(self).items() if key not in {*self.words, "key"}}

    def described(self, key: str, title: str, meaning: str, summary: str = "") -> Estimate:
        """The same numbers with what they are; what the meaning said already, such as how many resamples
        were left out, stands at the end of both."""
        whole = f"{meaning} {self.meaning}".rstrip()
        line = f"{summary}. {self.meaning}" if summary and self.meaning else summary
        return replace(self, key=key, title=title, meaning=whole, summary=line)

    def noted(self, note: str) -> Estimate:
        """With a sentence on the score, "" for none; what the meaning said already is of the interval."""
        both = f"{note} For the interval: {self.meaning}"
        return replace(self, meaning=both if note and self.meaning else note or self.meaning)

    def to_json(self) -> dict[str, Any]:
        """Every field; JSON has no NaN."""
        record = asdict(self)
        return record | {name: record[name] if math.isfinite(record[name]) else None for name in _NUMBERS}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Estimate:
        """Inverse of `to_json`. Raises TypeError, ValueError for what is none."""
        known = {name: value for name, value in record.items() if name in cls.__dataclass_fields__}
        missing = {name: math.nan for name in _NUMBERS if known.get(name) is None}
        check_fields(cls, {**known, **missing})
        return cls(**{**known, **missing})

    def __str__(self) -> str:
        if not self.is_defined:
            return "none"
        if not math.isfinite(self.low):
            return f"{self.score:.4f} (no interval)"
        return f"{self.score:.4f} ({self.level:.0%} interval {self.low:.4f} to {self.high:.4f})"

    def _repr_html_(self) -> str:
        title, meaning = html.escape(self.title or self.method), html.escape(self.meaning)
        return f"<p><b>{title}: {html.escape(str(self))}</b><br>{meaning}</p>"


def no_estimate(key: str, title: str, reason: str, level: float = 0.95, n_groups: int = 0) -> Estimate:
    """What stands where an estimate cannot be made, with the reason in a sentence."""
    return Estimate(math.nan, math.nan, math.nan, level, "none", n_groups, title, reason, key)
