"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.text import counted


class Level(StrEnum):
    OK = "ok"
    NOTE = "note"
    """Nothing is wrong; it should be known before something is chosen."""
    WARNING = "warning"
    BLOCKS = "blocks"


@dataclass(frozen=True)
class Finding:
    """One line for the user. way_out: what to do about it; empty where nothing is to be done. `found` and
    `way_out` may hold what another machine said, or names from data: whoever prints them cleans them."""

    level: Level
    topic: str
    found: str
    way_out: str = ""
    code: str = ""  # of core.finding_codes, such as FO101; checks of machines have none
    rows: tuple[int, ...] = ()  # evidence: row numbers of the table that was checked, the clearest first
    pairs: tuple[tuple[int, int], ...] = ()  # evidence that two rows give together, the clearest first
    trials: tuple[int, ...] = ()  # evidence: trials of the study that was checked, the clearest first


@dataclass(frozen=True)
class Section:
    """The findings on one machine, or on what several have in common."""

    title: str
    findings: tuple[Finding, ...]


def ok(topic: str, found: str, way_out: str = "") -> Finding:
    return Finding(Level.OK, topic, found, way_out)


def warning(topic: str, found: str, way_out: str) -> Finding:
    return Finding(Level.WARNING, topic, found, way_out)


def blocks(topic: str, found: str, way_out: str) -> Finding:
    return Finding(Level.BLOCKS, topic, found, way_out)


def count(sections: Iterable[Section], level: Level) -> int:
    return sum(finding.level is level for section in sections for finding in section.findings)


def summary(sections: Iterable[Section]) -> str:
    """One line: how many checks, what blocks, what is worth a look."""
    sections = tuple(sections)
    total = sum(len(section.findings) for section in sections)
    stopping, odd = count(sections, Level.BLOCKS), count(sections, Level.WARNING)
    looked = counted(total, "check")
    if stopping:
        return f"{looked}: {stopping} {'blocks' if stopping == 1 else 'block'}, {counted(odd, 'warning')}"
    return f"{looked}: nothing blocks, {counted(odd, 'warning')}"
