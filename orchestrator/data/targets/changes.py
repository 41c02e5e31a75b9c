"""Rare classes left out or merged into one: what becomes of the values that a table has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Changes:
    """None, for most targets. A value is left out, or counts as another class, or is a class itself."""

    left_out: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    into: str = ""  # the class of all that are merged

    def classes(self, values: Sequence[str]) -> tuple[str, ...]:
        """What remains, in the order of the values; a class that is none of them is the last."""
        gone = {*self.left_out, *self.merged}
        kept = tuple(value for value in values if value not in gone)
        return (*kept, self.into) if self.merged and self.into not in kept else kept

    def numbers(self, values: Sequence[str]) -> list[int]:
        """The class number of each value, -1 for one that is left out."""
        number = {name: at for at, name in enumerate(self.classes(values))}
        if self.merged:
            number.update(dict.fromkeys(self.merged, number[self.into]))
        return [number.get(value, -1) for value in values]

    def without(self, names: Iterable[str]) -> Changes:
        return Changes((*self.left_out, *names), self.merged, self.into)

    def merging(self, names: Iterable[str], into: str) -> Changes:
        return Changes(self.left_out, tuple(name for name in names if name != into), into)

    def to_json(self) -> dict[str, Any]:
        """Empty where nothing is changed: such targets keep the fingerprints they had in version 0.2."""
        merged = {"merged": list(self.merged), "into": self.into} if self.merged else {}
        return merged | ({"left_out": list(self.left_out)} if self.left_out else {})

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Changes:
        merged, into = tuple(record.get("merged", ())), str(record.get("into", ""))
        return cls(tuple(record.get("left_out", ())), merged, into)


NO_CHANGES = Changes()
