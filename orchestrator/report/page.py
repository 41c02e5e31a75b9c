"""The report's page: its sections in the order in which they are read.

A section is a file in `report/sections`. To add one, write that file and its line in SECTIONS:

    TITLE = "Race"
    QUESTION = "Which trials were stopped where, and what did that save?"

    def blocks(context: ReportContext) -> tuple[Block, ...]:
        '''() leaves the section out.'''
"""

from __future__ import annotations

from typing import Protocol

from orchestrator.pages.blocks import Block
from orchestrator.report.context import ReportContext


class Section(Protocol):
    """One file of `report/sections`.

    It raises nothing for a strange study: one without a complete trial, with failures alone, with images or
    tables gone (`StudySnapshot` gives None for those).
    """

    TITLE: str
    QUESTION: str  # the one that it answers, as a sentence

    def blocks(self, context: ReportContext) -> tuple[Block, ...]:
        """() leaves the section out."""


SECTIONS: tuple[Section, ...] = ()
