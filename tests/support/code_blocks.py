"""Every code block of README and docs, and what is to become of it in a test.

A block of which every line is a command (of this program, of benchmarks, a target of make, a comment) needs
no mark: its commands are parsed. Any other says what runs it, in a comment right before it:

    <!-- run -->                       Python, executed in an empty folder
    <!-- tested: tests/test_x.py -->   that file reads this page and runs the block
    <!-- not run: why -->
    <!-- every block is tested: tests/test_x.py -->    the same for all of a page, anywhere in it
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_MARK = re.compile(r"<!-- (?:(run)|not run: ([^>]{8,}?)|tested: (\S+?)) -->")
_EVERY = re.compile(r"<!-- every block is tested: (\S+?) -->")
_OURS = re.compile(
    r"^(?:python -m ((?:orchestrator|benchmarks|docs)\.[\w.]+)|fold-orchestrator (\w[\w.]*))( .*|$)"
)
_LOOP = re.compile(r"^for (\w+) in ([^;]+); do (.+); done$")
_MAKE = re.compile(r"^make ([a-z-]+)$")


@dataclass(frozen=True)
class Command:
    """module: such as orchestrator.tune; arguments: what follows it."""

    module: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class CodeBlock:
    """One of a page; mark: run, not run, tested or empty; detail: the reason or the test's file."""

    page: Path
    line: int
    language: str
    text: str
    mark: str
    detail: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT) if self.page.is_relative_to(ROOT) else self.page}:{self.line}"


def code_blocks(page: Path) -> list[CodeBlock]:
    text = page.read_text()
    every = _EVERY.search(text)
    found, before = [], ""
    for token in MarkdownIt("commonmark").parse(text):
        if token.type in ("fence", "code_block"):
            mark, detail = _mark_of(before) if before else ("tested", every[1]) if every else ("", "")
            line = (token.map or [0])[0] + 1
            found.append(CodeBlock(page, line, token.info, token.content, mark, detail))
        before = token.content.strip() if token.type == "html_block" and _MARK.search(token.content) else ""
    return found


def _mark_of(comment: str) -> tuple[str, str]:
    found = _MARK.search(comment)
    assert found is not None
    run, reason, test = found.groups()
    return ("run", "") if run else ("not run", reason) if reason else ("tested", test)


def commands_of(block: CodeBlock) -> list[Command]:
    """Of this program; of a block marked `not run` too, whose other lines need what a test has not."""
    if block.detail == "the shape of the command":  # in its reference: nothing that one types
        return []
    return [command for line in _lines(block.text) for command in _commands(line)]


def other_lines(block: CodeBlock) -> list[str]:
    """Those that are neither a command of this program, nor a target of make, nor a comment."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    made = {f"make {target}" for target in targets}
    return [line for line in _lines(block.text) if not (list(_commands(line)) or line in made)]


def _lines(text: str) -> list[str]:
    """Without comments; a backslash at the end joins a line with the next."""
    joined = text.replace("\\\n", " ")
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines()]
    return [line for line in lines if line]


def _commands(line: str) -> Iterator[Command]:
    if loop := _LOOP.match(line):
        for value in loop[2].split():
            yield from _commands(loop[3].replace(f"${loop[1]}", value))
    elif ours := _OURS.match(line):
        yield Command(ours[1] or f"orchestrator.{ours[2]}", tuple(shlex.split(ours[3])))
