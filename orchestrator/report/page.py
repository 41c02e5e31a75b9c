"""The report's page: its sections in the order in which they are read.

A section is a file in `report/sections`. To add one, write that file and its line in SECTIONS:

    TITLE = "Race"
    QUESTION = "How far did each trial come, why was it stopped, and what did that save?"

    def blocks(context: ReportContext) -> tuple[Block, ...]:
        '''() leaves the section out.'''
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.text import counted
from orchestrator.pages.blocks import Block, Page, PageSection, Text
from orchestrator.report.context import ReportContext
from orchestrator.report.sections import (
    answer,
    checks,
    curves,
    data,
    ensemble,
    errors,
    leaderboard,
    race,
    reproduce,
    trials,
)
from orchestrator.snapshot import StudySnapshot


class Section(Protocol):
    """One file of `report/sections`.

    It raises nothing for a strange study: one without a complete trial, with failures alone, with images or
    tables gone (`StudySnapshot` gives None for those).
    """

    TITLE: str
    QUESTION: str  # the one that it answers, as a sentence

    def blocks(self, context: ReportContext) -> tuple[Block, ...]:
        """() leaves the section out."""


SECTIONS: tuple[Section, ...] = (
    answer, checks, race, trials, curves, errors, data, ensemble, leaderboard, reproduce,
)  # fmt: skip


def report_page(
    context: ReportContext, progress: Progress | None = None, sections: Sequence[Section] = SECTIONS
) -> Page:
    """progress: of its sections."""
    made = []
    for number, section in enumerate(sections, 1):
        found = _blocks(section, context)
        if found:
            made.append(PageSection(section.TITLE, found, section.QUESTION, section.TITLE.lower()))
        if progress is not None:
            progress(number, len(sections))
    names = ", ".join(snapshot.name for snapshot in context.snapshots)
    lines = tuple(_line(snapshot) for snapshot in context.snapshots)
    return Page(f"Report of {names}", lines, (), tuple(made), _captions(context.main), script=True)


def _blocks(section: Section, context: ReportContext) -> tuple[Block, ...]:
    """What a part of a study forbids is told in its place: the rest of the report stands."""
    try:
        return section.blocks(context)
    except (OrchestratorError, OSError) as error:
        return (Text((f"This part could not be made: {error}",)),)


def _line(snapshot: StudySnapshot) -> str:
    """What the study is, in one line."""
    space, header = snapshot.space, snapshot.header
    data = "the embedded demo data" if header.demo else str(header.manifest.get("source", "data not named"))
    taken = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(snapshot.taken))
    direction = "larger" if snapshot.larger_is_better else "smaller"
    return (
        f"{snapshot.name}: {header.space_name or 'a space without a name'} on {data}, judged by "
        f"{space.metric} ({direction} is better), {counted(snapshot.study.trials, 'trial')} x "
        f"{counted(space.folds, 'fold')} x {counted(space.max_t, 'epoch')}; as of {taken}"
    )


def _captions(snapshot: StudySnapshot) -> Callable[[int], tuple[str, ...]]:
    """Of a row of the first study: its path, its group where it has one, its label."""
    manifest = snapshot.manifest
    if manifest is None:
        return lambda row: (f"row {row}",)
    paths, groups = manifest.frame["path"].astype(str).tolist(), manifest.frame["group"].astype(str).tolist()
    labels = _labels(snapshot)

    def caption(row: int) -> tuple[str, ...]:
        group = () if groups[row] == paths[row] else (f"group {groups[row]}",)
        return (paths[row], *group, *labels(row))

    return caption


def _labels(snapshot: StudySnapshot) -> Callable[[int], tuple[str, ...]]:
    """Of a row: its class, or each class that it has."""
    manifest, target = snapshot.manifest, snapshot.space.target
    assert manifest is not None  # whoever asks has looked
    try:
        encoded = target.encode(manifest.frame)
    except OrchestratorError:
        return lambda row: ()
    if encoded.ndim == 1:
        return lambda row: (target.classes[encoded[row]],) if encoded[row] >= 0 else ()
    return lambda row: tuple(name for name, has in zip(target.classes, encoded[row], strict=True) if has)
