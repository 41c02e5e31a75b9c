"""Images that are there twice: the same pixels, or the same picture resized, cut, turned or re-encoded.

Rows with role test that are copies of others are FO127's: no group could hold them together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
    is_test = np.asarray(look.roles == "test", np.int64)  # a group never joins them with the others
    order = np.argsort(-found.similarity, kind="stable")  # the pairs that are most alike come first
    near = [
        (int(one), int(other))
        for one, other in found.near_pairs[order].tolist()
        if is_test[one] == is_test[other]
    ]
    apart = [pair for pair in near if look.groups[pair[0]] != look.groups[pair[1]]]
    findings = (*_identical(look, first_with_each(found.exact * 2 + is_test)), *_alike(look, apart))
    loose = _not_joined(look, apart)
    lines = [f"copies: {found.rule}"]
    if len(apart) < len(near):
        within = counted(len(near) - len(apart), "pair")
        lines.append(f"copies: {within} of near duplicates within a group, which no fold tears apart")
    if loose:
        lines.append(
            f"copies: {counted(len(loose), 'pair')} of near duplicates that --write-groups leaves in two "
            f"groups, as one of the two is nearer to others: {_named(look, loose)}"
        )
    return StageResult(findings, lines=tuple(lines))


def _identical(look: Look, pairs: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    if pairs:
        named = shortened([f"{look.paths[one]} = {look.paths[other]}" for one, other in pairs])
        said = f"{counted(len(pairs), 'image')} with the pixels of another: {named}"
        yield coded("FO121", Level.WARNING, said, _WAY_OUT, pairs=pairs)


def _alike(look: Look, pairs: Sequence[tuple[int, int]]) -> Iterator[Finding]:
    if pairs:
        rows = len({row for pair in pairs for row in pair})
        of_groups = " that no group holds together" if look.has_groups else ""
        said = (
            f"{counted(len(pairs), 'pair')} of near duplicates{of_groups}, among {rows} images: "
            f"{_named(look, pairs)}"
        )
        yield coded("FO122", Level.WARNING, said, _WAY_OUT, pairs=pairs)


def _not_joined(look: Look, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that stay in two groups where clusters join given ones: clusters do not grow along chains."""
    return [(one, other) for one, other in pairs if look.joined[one] != look.joined[other]]


def _named(look: Look, pairs: Sequence[tuple[int, int]]) -> str:
    return shortened([f"{look.paths[one]} ~ {look.paths[other]}" for one, other in pairs])


def first_with_each(codes: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Of each set of rows with equal codes: its first row with each of the others."""
    _, first, numbers = np.unique(codes, return_index=True, return_inverse=True)
    firsts = first[numbers.ravel()]
    return [(int(one), row) for row, one in enumerate(firsts.tolist()) if one != row]
