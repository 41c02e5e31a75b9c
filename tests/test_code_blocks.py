"""Every code block of README and docs runs, is parsed, or says why it does not."""

from __future__ import annotations

import argparse
import importlib
import json
import re
from pathlib import Path

import pytest

from orchestrator.cli.commands import COMMANDS
from tests.support.code_blocks import PAGES, ROOT, CodeBlock, Command, code_blocks, commands_of, other_lines

EVERY = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
RUN = [block for page in PAGES for block in code_blocks(page) if block.mark == "run"]


def faults(block: CodeBlock) -> list[str]:
    """Why nothing stands behind the block; nothing where it runs, or says why not."""
    wrong = [fault for command in commands_of(block) if (fault := fault_of(command))]
    if block.mark == "tested":
        wrong += fault_of_test(block)
    elif block.mark == "run" and block.language != "python":
        wrong.append(f"only Python is run, this is {block.language or 'of no language'}")
    elif not block.mark and block.language == "json":
        json.loads(block.text)
    elif not block.mark and (others := other_lines(block)):
        wrong.append(f"nothing runs it, and no mark says why: {others[0]}")
    return [f"{block.where}: {fault}" for fault in wrong]


def fault_of_test(block: CodeBlock) -> list[str]:
    file = ROOT / block.detail
    if not file.is_file():
        return [f"there is no {block.detail}"]
    text = file.read_text()
    reads = block.page.name in text or block.page.stem in text or f'"{block.page.parent.name}"' in text
    return [] if reads else [f"{block.detail} does not read this page"]


def fault_of(command: Command) -> str:
    if command.module.startswith("orchestrator."):
        return fault_of_ours(command)
    place = ROOT / command.module.replace(".", "/")
    if not place.with_suffix(".py").is_file() and not (place / "__main__.py").is_file():
        return f"there is no {command.module}"
    sources = "".join(path.read_text() for path in (ROOT / "benchmarks").rglob("*.py"))
    unknown = [word for word in command.arguments if word.startswith("--") and f'"{word}"' not in sources]
    return f"{command.module} knows no {unknown[0]}" if unknown else ""


def fault_of_ours(command: Command) -> str:
    name = command.module.removeprefix("orchestrator.")
    if name not in COMMANDS:
        return f"there is no command {name}"
    try:
        importlib.import_module(f"{command.module}.__main__").parser().parse_args(command.arguments)
    except SystemExit as end:
        return f"{name} refuses {' '.join(command.arguments)}" if end.code else ""
    return ""


@EVERY
def test_every_block_of_the_page_runs_or_says_why_not(page: Path) -> None:
    assert [fault for block in code_blocks(page) for fault in faults(block)] == []


@EVERY
def test_every_command_between_words_has_the_options_it_is_given(page: Path) -> None:
    """Such a text may be a part of a command, so that required options may be missing."""
    written = re.findall(r"`(?:python -m orchestrator\.|fold-orchestrator )(\w[^`]*)`", page.read_text())
    commands = [text.split() for text in written if text.split()[0] not in ("X", "COMMAND")]
    assert [name for name, *_ in commands if name not in COMMANDS] == []
    given = {
        (name, word.split("=")[0]) for name, *words in commands for word in words if word.startswith("--")
    }
    assert [(name, option) for name, option in given if option not in options_of(name)] == []


def options_of(command: str) -> set[str]:
    """Of sub-commands too."""
    parsers = [importlib.import_module(f"orchestrator.{command}.__main__").parser()]
    for action in parsers[0]._actions:
        if isinstance(action, argparse._SubParsersAction):
            parsers += action.choices.values()
    return {name for parser in parsers for name in parser._option_string_actions}


@pytest.mark.parametrize("block", RUN, ids=lambda block: block.where)
def test_a_block_that_is_marked_to_run_runs(
    block: CodeBlock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block.text, block.where, "exec"), {"__name__": "__main__"})  # noqa: S102  our own page


@pytest.mark.parametrize(
    "text, fault",
    [
        ("    python -m orchestrator.tune --space age\n", None),
        ("    python -m orchestrator.tune --spice age\n", "tune refuses --spice age"),
        ("    python -m orchestrator.tone --space age\n", "there is no command tone"),
        ("    fold-orchestrator tune --space age   # a comment\n", None),
        ("    for t in age mask; do python -m orchestrator.tune --space $t; done\n", None),
        ("    for t in age mask; do python -m orchestrator.tune --spice $t; done\n", "tune refuses"),
        ("    python -m orchestrator.tune \\\n        --spice age\n", "tune refuses --spice age"),
        ("    python -m benchmarks.gone\n", "there is no benchmarks.gone"),
        ("    python -m benchmarks.race --gone\n", "benchmarks.race knows no --gone"),
        ("    make demo\n", None),
        ("    make gone\n", "nothing runs it, and no mark says why: make gone"),
        ("```python\nprint(1)\n```\n", "nothing runs it, and no mark says why: print(1)"),
        ("<!-- run -->\n```python\nprint(1)\n```\n", None),
        ("<!-- run -->\n\nWords.\n\n```python\nprint(1)\n```\n", "nothing runs it"),
        ("<!-- run -->\n```\nls\n```\n", "only Python is run"),
        ("<!-- not run: it needs a GPU -->\n```\nnvidia-smi\n```\n", None),
        ("<!-- not run: x -->\n```\nnvidia-smi\n```\n", "nothing runs it"),
        ("<!-- not run: it needs a GPU -->\n\n    python -m orchestrator.tune --spice age\n", "tune refuses"),
        ("<!-- tested: tests/gone.py -->\n```python\nx\n```\n", "there is no tests/gone.py"),
        ("<!-- tested: tests/test_arrows.py -->\n```python\nx\n```\n", "does not read this page"),
        ("<!-- tested: tests/test_code_blocks.py -->\n```python\nx\n```\n", None),
        ("```python\nx\n```\n\n<!-- every block is tested: tests/test_code_blocks.py -->\n", None),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_block_is_found(text: str, fault: str | None, tmp_path: Path) -> None:
    page = tmp_path / "some_page_of_a_test.md"
    page.write_text(text)
    found = [fault for block in code_blocks(page) for fault in faults(block)]
    assert found == [] if fault is None else len(found) >= 1 and fault in found[0]
