"""Pages that promise something name, for every sentence, the test that holds it; and that test is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
MARK = re.compile(r"<!-- (?:(no promise)|test: ([^>]+?)) -->")
ABOUT = "<!-- Behind every sentence stands the test that holds it: tests/test_promises.py reads them. -->"
NEXT_SENTENCE = re.compile(r"[.!?] +(?=[A-Z`\[])")
"""Where one sentence ends and another begins."""


@cache
def names_in(file: str) -> frozenset[str]:
    """Of the tests of a file, those of a class with its name before them."""
    found = set()
    for node in ast.parse((TESTS / file).read_text()).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


def fault_of(test: str) -> str:
    file, _, name = test.partition("::")
    if not (TESTS / file).is_file():
        return f"{test}: there is no such file below tests/"
    return "" if name in names_in(file) else f"{test}: there is no such test"


def units(page: str) -> list[str]:
    """Paragraphs, items of lists and rows of tables, without headings, code and heads of tables."""
    text = re.sub(r"```.*?```|^    .*?$", "", page, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^\|[^\n]*\n\|[-| ]+\|\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^#.*$", "", text, flags=re.MULTILINE)
    blocks = re.split(r"\n\s*\n|\n(?=- |\|)", text.replace(ABOUT, ""))
    return [" ".join(block.split()) for block in blocks if block.strip()]


def faults(page: str) -> list[str]:
    """What no test holds, in the words of the page; and tests that are not there."""
    found = []
    for unit in units(page):
        *sentences, rest = MARK.split(unit)[::3]
        if rest.strip(" |"):
            found.append(f"nothing stands behind: {rest.strip()[:80]}")
        texts = [text.strip(" |") for text in sentences]
        found += [f"two sentences, one mark: {text[:80]}" for text in texts if NEXT_SENTENCE.search(text)]
        found += [f"a mark of nothing in: {unit[:80]}" for text in texts if not text]
    named = [test.strip() for mark in MARK.finditer(page) for test in (mark[2] or "").split(",") if test]
    return found + [fault for test in named if (fault := fault_of(test))]


@pytest.mark.parametrize("page", ["security.md", "reliability.md"])
def test_every_sentence_of_the_page_is_held_by_a_test_or_promises_nothing(page: str) -> None:
    text = (ROOT / "docs" / "explanation" / page).read_text()
    assert faults(text) == []
    assert len(MARK.findall(text)) > 20


GOOD = "<!-- test: test_promises.py::test_what_is_wrong_with_a_page_is_found -->"


@pytest.mark.parametrize(
    "page, fault",
    [
        (f"# A\n\nIt holds. {GOOD}\n", None),
        (f"It holds. {GOOD} And this\nalso does. <!-- no promise -->\n", None),
        ("It holds.\n", "nothing stands behind: It holds."),
        (f"It holds. {GOOD} This does not.\n", "nothing stands behind: This does not."),
        (f"It holds. So does this. {GOOD}\n", "two sentences, one mark"),
        (f"- it holds {GOOD}\n- this does not\n", "nothing stands behind: - this does not"),
        (f"| a | b |\n|---|---|\n| x | y {GOOD} |\n| z | no |\n", "nothing stands behind: | z | no |"),
        ("It holds. <!-- test: test_promises.py::test_gone -->\n", "there is no such test"),
        ("It holds. <!-- test: gone.py::test_gone -->\n", "there is no such file"),
        ("It holds. <!-- test: core/test_known_code.py::place -->\n", "there is no such test"),
        ("It holds. <!-- tests: a -->\n", "nothing stands behind"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_page_is_found(page: str, fault: str | None) -> None:
    found = faults(page)
    assert found == [] if fault is None else len(found) == 1 and fault in found[0]
