"""Images that are there twice: the same pixels, or the same picture resized, cut, turned or re-encoded."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from orchestrator.check.look import Look
from orchestrator.check.stage_result import StageResult
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.core.text import counted, shortened

_WAY_OUT = (
    "keep one of each, or give copies one group (--write-groups FILE); else one is trained on and another "
    "judged on"
)


def look_at_copies(look: Look) -> StageResult:
    found = look.duplicates
    findings = (*_identical(look, found.exact), *_alike(look, found.near_pairs, found.similarity))
    return StageResult(findings, lines=(f"copies: {found.rule}",))


def _identical(look: Look, codes: NDArray[np.int64]) -> Iterator[Finding]:
    pairs = first_with_each(codes)
    if pairs:
        named = shortened([f"{look.paths[one]} = {look.paths[other]}" for one, other in pairs])
        said = f"{counted(len(pairs), 'image')} with the pixels of another: {named}"
        yield coded("FO121", Level.WARNING, said, _WAY_OUT, pairs=pairs)


def _alike(look: Look, near: NDArray[np.int64], similarity: NDArray[np.float32]) -> Iterator[Finding]:
    """The pairs that are most alike come first."""
    order = np.argsort(-similarity, kind="stable")
    pairs = [(int(one), int(other)) for one, other in near[order].tolist()]
    if pairs:
        named = shortened([f"{look.paths[one]} ~ {look.paths[other]}" for one, other in pairs])
        rows = len(np.unique(near))
        said = f"{counted(len(pairs), 'pair')} of near duplicates among {rows} images: {named}"
        yield coded("FO122", Level.WARNING, said, _WAY_OUT, pairs=pairs)


def first_with_each(codes: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Of each set of rows with equal codes: its first row with each of the others."""
    _, first, numbers = np.unique(codes, return_index=True, return_inverse=True)
    firsts = first[numbers.ravel()]
    return [(int(one), row) for row, one in enumerate(firsts.tolist()) if one != row]
