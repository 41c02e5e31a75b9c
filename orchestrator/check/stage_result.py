"""What a stage of a check gives."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.finding import Finding
from orchestrator.pages.blocks import Block


@dataclass(frozen=True)
class StageResult:
    findings: tuple[Finding, ...] = ()
    blocks: tuple[Block, ...] = ()  # tables and pictures of its section
    lines: tuple[str, ...] = ()  # one fact each, above its tables
