"""docs/reference/targets.md: every table, with its target, becomes the labels that the page says."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from orchestrator.data.table_files import read_csv
from orchestrator.data.targets import Target, categorical, target_from_json

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "targets.md").read_text()
EXAMPLES = re.findall(r"```csv\n(.*?)```\s*```python\n(.*?)```\s*```text\n(.*?)```", PAGE, re.DOTALL)


def described(target: Target, table: Path) -> str:
    """What the page writes under an example."""
    frame = read_csv(table)
    found = target.resolve(frame)
    gone = found.excluded(frame)
    kind = {found.multi_label: " (several at once)", found.ordered: " (ordered)"}.get(True, "")
    lines = [f"classes: {', '.join(found.classes)}{kind}"]
    if gone.any():
        lines.append(f"left out: {', '.join(frame['path'][gone])}")
    labels = found.encode(frame[~gone].reset_index(drop=True)).reshape(int((~gone).sum()), -1)
    lines.append(f"labels: {', '.join(' '.join(map(str, row)) for row in labels)}")
    assert target_from_json(found.to_json()) == found
    return "\n".join(lines) + "\n"


def test_the_page_has_an_example_of_every_kind_of_target() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == PAGE.count("```csv") == 12
    for name in ("categorical", "age_bins", "binary", "one_hot", "multi_label", "joint"):
        assert any(f"{name}(" in code for _, code, _ in EXAMPLES)


@pytest.mark.parametrize(("table", "code", "said"), EXAMPLES)
def test_an_example_is_what_the_page_says(table: str, code: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(table)
    (tmp_path / "space.py").write_text(f"from orchestrator.space import *\n{code}")
    target = runpy.run_path(str(tmp_path / "space.py"))["target"]
    found = categorical(target) if isinstance(target, str) else target
    assert described(found, tmp_path / "t.csv") == said
