"""How a finding's level is shown in a terminal."""

from __future__ import annotations

from orchestrator.core.finding import Level

MARKS = {Level.OK: "✓", Level.NOTE: "i", Level.WARNING: "!", Level.BLOCKS: "✗"}
# For a terminal whose encoding lacks these.
PLAIN = {Level.OK: "+", Level.NOTE: "i", Level.WARNING: "!", Level.BLOCKS: "x"}
STYLES = {Level.OK: "green", Level.NOTE: "cyan", Level.WARNING: "yellow", Level.BLOCKS: "bold red"}


def mark(level: Level, encoding: str) -> str:
    """encoding: of the terminal."""
    return (MARKS if is_unicode(encoding) else PLAIN)[level]


def arrow(encoding: str) -> str:
    """Before a way out."""
    return "→" if is_unicode(encoding) else "->"


def is_unicode(encoding: str) -> bool:
    return encoding.lower().startswith("utf")
