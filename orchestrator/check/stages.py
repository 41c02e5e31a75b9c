"""The stages of a check, in order: each looks at the data and gives findings, tables and pictures.

A new one is a file stage_<what>.py with a function of a `Look`, and a line in STAGES. It reads
`look.measures` for what one pass over the images gave, `look.tasks` for labels; it prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.check.look import Look
from orchestrator.check.stage_baseline import look_at_baseline
from orchestrator.check.stage_classes import look_at_classes
from orchestrator.check.stage_copies import look_at_copies
from orchestrator.check.stage_files import look_at_files
from orchestrator.check.stage_folds import look_at_folds
from orchestrator.check.stage_groups import look_at_groups
from orchestrator.check.stage_images import look_at_images
from orchestrator.check.stage_leaks import look_at_leaks
from orchestrator.check.stage_result import StageResult
from orchestrator.check.stage_sheets import draw_sheets
from orchestrator.check.stage_shift import look_at_shift


@dataclass(frozen=True)
class Stage:
    title: str  # of its section in the page
    run: Callable[[Look], StageResult]


STAGES: tuple[Stage, ...] = (
    Stage("Classes", look_at_classes),
    Stage("Folds", look_at_folds),
    Stage("Files", look_at_files),
    Stage("Images", look_at_images),
    Stage("Copies", look_at_copies),
    Stage("Crossing copies", look_at_leaks),
    Stage("Groups", look_at_groups),
    Stage("What a leak is worth", look_at_baseline),
    Stage("Shift", look_at_shift),
    Stage("Contact sheets", draw_sheets),
)


def run_stages(look: Look, stages: Sequence[Stage] = STAGES) -> Iterator[tuple[Stage, StageResult]]:
    for stage in stages:
        yield stage, stage.run(look)
