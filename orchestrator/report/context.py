"""What every section of a report is made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from orchestrator.core.finding import Finding
from orchestrator.pages.thumbnails import ReadThumbnails
from orchestrator.report.answers import JudgedAnswers, judged_answers
from orchestrator.snapshot import StudySnapshot


@dataclass(frozen=True)
class ReportContext:
    """Of one study, or of several side by side: the first is the one that the report is about."""

    snapshots: tuple[StudySnapshot, ...]
    findings: tuple[tuple[Finding, ...], ...]  # of each study's checks
    images: ReadThumbnails | None  # of rows of the first study; None where no image can be read
    seed: int = 0  # of whatever a section resamples

    @property
    def main(self) -> StudySnapshot:
        return self.snapshots[0]

    @cached_property
    def answers(self) -> JudgedAnswers | None:
        """`judged_answers` of the first study, once for all sections: a large ensemble takes a second."""
        return judged_answers(self.main)

    @property
    def others(self) -> tuple[StudySnapshot, ...]:
        return self.snapshots[1:]
