"""What docs/how-to/studies.md shows can be typed as it stands there, and what it lists is what there is."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest

from orchestrator.completion.__main__ import parser as completion
from orchestrator.studies.__main__ import STATES, parser
from orchestrator.studies.command import DEFAULT_AGE
from orchestrator.studies.listing import ListedStudy
from orchestrator.studies.scoring import KNOWN
from tests.support.drawn_study import draw_study

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "studies.md").read_text()
COMMANDS = re.findall(r"^    python -m orchestrator\.studies (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_one(line: str) -> None:
    parser().parse_args(shlex.split(line))


def test_every_sub_command_is_shown() -> None:
    [action] = [item for item in parser()._actions if item.dest == "command"]
    assert set(action.choices or ()) == {shlex.split(line)[0] for line in COMMANDS}


def test_the_states_the_estimates_and_the_age_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| ([a-z, ]+) \| .* \|$", PAGE, re.MULTILINE)
    assert {name for row in rows for name in row.split(", ")} - {"state"} == set(STATES)
    assert "`" + "`, `".join(KNOWN) + "`" in " ".join(PAGE.split())
    assert f"--older {DEFAULT_AGE}" in PAGE


def test_chance_is_as_the_orders_say() -> None:
    orders = list(itertools.permutations(range(4)))
    alike = sum(order == (0, 1, 2, 3) for order in orders)
    turned = sum(order == (3, 2, 1, 0) for order in orders)
    text = " ".join(PAGE.split())
    assert f"agrees in all four is chance once in {len(orders) // alike}" in text
    assert f"agrees or is reversed in all four, once in {len(orders) // (alike + turned)}" in text


def test_the_lines_for_shells_name_shells() -> None:
    shells = re.findall(r"orchestrator completion (\w+)", PAGE)
    assert shells == ["bash", "zsh", "fish"]
    for shell in shells:
        completion().parse_args([shell])


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_study(tmp_path / "runs" / "age", trials=2, folds=2, max_t=1, rows=24)
    monkeypatch.chdir(tmp_path)
    [block] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(block, names)  # noqa: S102 - the page's own words
    assert len(names["found"]) == 1  # type: ignore[arg-type]
    columns = re.findall(r'"(\w+)"', block.splitlines()[-1])
    assert set(columns) <= set(ListedStudy.__dataclass_fields__)
