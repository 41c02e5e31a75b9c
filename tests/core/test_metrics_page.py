"""docs/reference/metrics.md lists every metric as the table in the code has it."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.core.metrics import METRICS
from orchestrator.core.metrics.row_sums import BINS
from orchestrator.core.task import Task
from orchestrator.evaluation.resampled_scores import OWN_REPEATS

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text()
KINDS = {
    "two classes": Task(("a", "b")),
    "more classes": Task(tuple("abcdef")),
    "ordered classes": Task(tuple("abcdef"), ordered=True),
    "several labels": Task(tuple("abcdef"), multi_label=True),
}


def applies(name: str) -> str:
    found = [kind for kind, task in KINDS.items() if not METRICS[name].refusal(task)]
    return "every target" if len(found) == len(KINDS) else ", ".join(found)


def line(name: str) -> str:
    metric = METRICS[name]
    better = "larger" if metric.mode == "max" else "smaller"
    source = metric.source if " " in metric.source else f"`{metric.source}`"
    return f"| `{name}` | {better} | {metric.needs} | {applies(name)} | {metric.meaning} | {source} |"


def test_the_page_has_a_line_for_every_metric_and_no_other() -> None:
    listed = [row for row in PAGE.splitlines() if row.startswith("| `")]
    assert listed == [line(name) for name in METRICS]


def test_numbers_on_the_page_are_those_of_the_code() -> None:
    assert re.search(rf"has {BINS} bins of equal width", PAGE)
    assert f"at most {OWN_REPEATS} resamples" in PAGE
