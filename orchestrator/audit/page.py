"""The gallery: each suspect's images with given and likely label, probability and group."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from orchestrator.audit.evidence import Evidence
from orchestrator.audit.suspects import PartAudit, Suspect
from orchestrator.core.finding import Finding
from orchestrator.core.text import counted
from orchestrator.pages.blocks import Page, PageSection, Pictures
from orchestrator.study.study import Study

MOST_IMAGES = 8
"""Of one suspect, those beside it included."""


def audit_page(
    studies: Sequence[Study],
    evidence: Evidence,
    audits: Sequence[PartAudit],
    suspects: Sequence[Suspect],
    findings: Sequence[Finding],
    lines: Sequence[str],
) -> Page:
    """suspects: in the order in which they are to be looked at. A section for each target; the joint label's
    has as many as they are."""
    sections = []
    for item in audits:
        listed = enumerate(item.suspects[: len(suspects)] if item.part.is_joint else suspects, 1)
        shown = [pair for pair in listed if pair[1].part.name == item.part.name]
        if shown:
            sections.append(PageSection(item.part.name, (_gallery(shown),)))
    # A finding's evidence is in the sections already, with what the models say of it.
    bare = tuple(replace(item, rows=(), pairs=()) for item in findings)
    names = ", ".join(study.path.name for study in studies)
    captions = _captions(evidence.frame, audits)
    return Page(f"Label audit of {names}", tuple(lines), bare, tuple(sections), captions)


def _gallery(suspects: Sequence[tuple[int, Suspect]]) -> Pictures:
    """suspects: each with its number, which is that of the terminal's table."""
    sets = tuple(_shown(item) for _, item in suspects)
    heads = tuple(head(number, item) for number, item in suspects)
    return Pictures("Labels to look at, the clearest first", sets, _NOTE, heads)


_NOTE = (
    "Images of one frame should share a label. A probability is what models say that never saw any of these "
    "labels; that a label is wrong is for a person to decide. "
    "Variability: the standard deviation over epochs of the given label's probability."
)


def _shown(item: Suspect) -> tuple[int, ...]:
    """Suspected rows first; of those beside them as many as there is room for, one at least."""
    beside = (*item.near, *item.beside)[: max(1, MOST_IMAGES - len(item.rows))]
    return (*item.rows[: MOST_IMAGES - len(beside)], *beside)


def head(number: int, item: Suspect) -> str:
    """One line of everything that speaks for and against."""
    given, likely = item.part.classes[item.given], item.part.classes[item.likely]
    why = "a near duplicate has another label, " if item.near else ""
    why = "identical images with different labels, " if item.is_copy else why
    said = f"{number}: {why}given {given} ({item.p_given:.2f}), likely {likely} ({item.p_likely:.2f}), "
    rows = counted(len(item.rows), "row")
    rows += f", and {counted(len(item.beside), 'row')} beside with another label" if item.beside else ""
    said += f"wrong with probability {item.wrong:.2f}; {rows}"
    if math.isnan(item.learnt):
        return said
    late = "never learnt" if item.learnt >= 1 else f"learnt after {item.learnt:.0%} of the epochs"
    return f"{said}; {late}, variability {item.variability:.2f}"


def _captions(frame: pd.DataFrame, audits: Sequence[PartAudit]) -> Callable[[int], tuple[str, ...]]:
    """Of a row: path, group, and each target's given label."""
    given: dict[int, list[str]] = {}
    for item in audits:
        if not item.part.is_joint:
            for row, label in zip(item.rows.tolist(), item.judged.labels.tolist(), strict=True):
                given.setdefault(row, []).append(f"{item.part.name}: {item.part.classes[label]}")
    paths, groups = frame["path"].astype(str).tolist(), frame["group"].astype(str).tolist()

    def caption(row: int) -> tuple[str, ...]:
        group = () if groups[row] == paths[row] else (f"group {groups[row]}",)
        return (paths[row], *group, *given.get(row, ()))

    return caption
