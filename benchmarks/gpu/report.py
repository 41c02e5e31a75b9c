"""All that one run of the command found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.gpu.limits import FAIL, LIMITS, NOT_RUN, PASS
from benchmarks.gpu.records import CUT, StageResult, as_json

FORMAT = 1  # of the JSON


@dataclass(frozen=True)
class Report:
    date: str
    dry: bool
    seconds: float
    host: Mapping[str, Any]
    software: Mapping[str, str]
    before: Mapping[str, str]  # what nvidia-smi said of the card
    after: Mapping[str, str]
    stages: Sequence[StageResult]

    @property
    def failed(self) -> bool:
        return any(stage.failed for stage in self.stages)

    @property
    def counts(self) -> dict[str, int]:
        """Of checks, by status."""
        found = [check.status for stage in self.stages for check in stage.checks]
        return {status: found.count(status) for status in (PASS, FAIL, NOT_RUN)}

    @property
    def conclusion(self) -> str:
        broken = [f"{item.stage} {item.ended}" for item in self.stages if item.error]
        cut = [item.stage for item in self.stages if item.ended == CUT]
        count = self.counts
        text = f"{count[PASS]} checks PASS, {count[FAIL]} FAIL, {count[NOT_RUN]} NOT RUN"
        text += f"; stages that broke: {', '.join(broken)}" if broken else ""
        return text + (f"; not all of: {', '.join(cut)} (time)" if cut else "")

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = as_json(
            {
                "format": FORMAT,
                **{key: value for key, value in asdict(self).items() if key != "stages"},
                "failed": self.failed,
                "counts": self.counts,
                "stages": [_stage(item) for item in self.stages],
            }
        )
        return found


def _stage(result: StageResult) -> dict[str, Any]:
    made = asdict(result)
    for check in made["checks"]:
        check["limit"] = LIMITS[check["name"]].text()
        check["what"] = LIMITS[check["name"]].what
    return made
