"""Reference pages that are made from the code say what the code says now."""

from __future__ import annotations

import argparse
from pathlib import Path

from docs import generate
from orchestrator.cli.commands import COMMANDS
from orchestrator.tune.__main__ import parser
from trainables.parameters import PARAMETERS


def test_no_generated_page_is_stale() -> None:
    assert not generate.stale(), "an option, a field or a parameter changed: python -m docs.generate"


def test_a_changed_a_missing_and_a_left_over_page_are_seen(tmp_path: Path) -> None:
    generate.write(tmp_path)
    assert generate.stale(tmp_path) == []
    (tmp_path / "space.md").write_text("changed")
    (tmp_path / "parameters.md").unlink()
    (tmp_path / "commands" / "gone.md").write_text("of a command that is gone")
    assert generate.stale(tmp_path) == ["commands/gone.md", "parameters.md", "space.md"]
    generate.write(tmp_path)
    assert generate.stale(tmp_path) == []


def test_every_command_option_and_parameter_stands_in_its_page() -> None:
    made = {str(path): text for path, text in generate.pages().items()}
    assert {f"commands/{command}.md" for command in COMMANDS} <= made.keys()
    shown = [item for item in parser()._actions if item.help is not argparse.SUPPRESS and item.nargs != 0]
    options = [item.option_strings[0] for item in shown if item.option_strings]
    assert not [option for option in options if f"`{option} " not in made["commands/tune.md"]]
    assert not [name for name in PARAMETERS if f"| `{name}` |" not in made["parameters.md"]]


def test_a_cell_keeps_its_text_whatever_signs_it_has() -> None:
    """GitHub would end the cell at a bar, Markdown would make emphasis and tags of the others."""
    assert generate._table(("a", "b"), [(generate._plain("x|y *z* <b> _q_ a_b [1]"), "`p|q`")]) == (
        "| a | b |\n|---|---|\n| x\\|y \\*z\\* \\<b\\> \\_q\\_ a_b \\[1\\] | `p\\|q` |"
    )
