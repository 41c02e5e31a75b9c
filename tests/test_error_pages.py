"""docs/reference/errors: each message that is quoted is one that the program has."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "reference" / "errors").glob("*.md"))
MESSAGES = [
    (page.name, message)
    for page in PAGES
    for message in re.findall(r"^\| `(.+?)` \| ", page.read_text(), re.M)
]
ANY = "\N{HORIZONTAL ELLIPSIS}"  # of what varies, in the pages; and here of what is filled in


@cache
def texts() -> str:
    """Every text of the sources, what an f-string fills in as one sign."""
    found = []
    for folder in ("orchestrator", "trainables"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            nodes = ast.walk(ast.parse(path.read_text()))
            found += [_text(node) for node in nodes if isinstance(node, ast.JoinedStr | ast.Constant)]
    return "\n".join(found)


def _text(node: ast.JoinedStr | ast.Constant) -> str:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    return "".join(
        part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else ANY
        for part in parts
    )


def exists(message: str) -> bool:
    pieces = [re.escape(piece) for piece in message.split(ANY)]
    return re.search("[^\\n]{0,60}".join(pieces), texts()) is not None


@pytest.mark.parametrize("page, message", MESSAGES)
def test_a_quoted_message_is_one_of_the_program(page: str, message: str) -> None:
    assert exists(message)


def test_a_message_that_is_gone_would_be_seen() -> None:
    assert len(MESSAGES) > 40 and len(PAGES) == 7
    assert exists(f"folds={ANY}: cross-validation needs at least 2")
    assert not exists(f"folds={ANY}: cross-validation needs at least 3")
    assert not exists(f"the folds={ANY}: cross-validation needs at least 2")
