"""docs/how-to/submission.md shows what is written, and its commands and calls exist."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import orchestrator as fo
from orchestrator.core.task import Task
from orchestrator.ensemble.__main__ import parser
from orchestrator.ensemble.submission.asked import Asked, needs_of
from orchestrator.ensemble.submission.deciding import decide
from orchestrator.ensemble.submission.filling import check, check_probabilities, fill
from orchestrator.ensemble.submission.ids import match_ids
from orchestrator.ensemble.submission.template import read_template, rendered
from orchestrator.evaluation.thresholds import decide_labels

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "submission.md").read_text()
EXAMPLES = [section for section in PAGE.split("\n## ")[1:] if "```csv" in section]
CHANCES = np.array([[0.25, 0.625, 0.125], [0.5, 0.25, 0.25]], np.float32)


def test_it_has_an_example_of_each_kind() -> None:
    assert len(EXAMPLES) == 8


@pytest.mark.parametrize("section", EXAMPLES, ids=lambda section: section.splitlines()[0])
def test_its_examples_are_what_is_written(section: str, tmp_path: Path) -> None:
    asked_for, written = re.findall(r"```csv\n(.*?)```", section, flags=re.DOTALL)
    (kind, names), *_ = re.findall(r"^(Classes|Labels): ([\w, ]+)\.", section, flags=re.MULTILINE)
    task = Task(tuple(names.split(", ")), multi_label=kind == "Labels")
    (metric,) = re.findall(r"Metric: `(\w+)`", section) or ["macro_f1"]
    (tmp_path / "t.csv").write_text(asked_for)
    template = read_template(tmp_path / "t.csv")
    layout = decide(template, Asked(task, metric=metric, needs=needs_of(metric)))
    rows = match_ids(template, layout.kept, ["a.jpg", "b.jpg"], {})
    chances = CHANCES[rows]
    if len(task) == 2:  # the same images, rust against the rest
        chances = np.stack([1 - chances[:, 1], chances[:, 1]], axis=1)
    labels = chances.argmax(axis=1)
    if task.multi_label:
        labels = decide_labels(chances, np.array([0.5, 0.2, 0.5]))
    check_probabilities(chances, 2, task)
    filled = fill(template, layout, task, chances, labels)
    check(filled, template, layout, task)
    assert rendered(filled).decode() == written


def test_its_commands_and_calls_exist() -> None:
    (command,) = re.findall(r"python -m orchestrator\.ensemble (.*)", PAGE)
    assert parser().parse_args(shlex.split(command)).submission == Path("out.csv")
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    calls = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    (call,) = [call for call in calls if ast.unparse(call.func) == "fo.write_submission"]
    inspect.signature(fo.write_submission).bind(*call.args, **{str(item.arg): None for item in call.keywords})
