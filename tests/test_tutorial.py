"""The tutorial's commands, run small on drawn data in the order in which the page has them."""

from __future__ import annotations

import importlib
from pathlib import Path

import pandas as pd
import pytest

from tests.support.code_blocks import Command, code_blocks, commands_of

pytestmark = [pytest.mark.torch, pytest.mark.slow]
BLOCKS = code_blocks(Path(__file__).parents[1] / "docs" / "tutorial" / "first_submission.md")
COMMANDS = [command for block in BLOCKS for command in commands_of(block)]


def in_small(command: Command) -> list[str]:
    """As the page has it, but for what would take minutes or the internet."""
    words = list(command.arguments)
    if command.module == "orchestrator.tune" and "--space" in words:
        words += ["--inline", "--trials", "1", "--max-epochs", "2"]
        for setting in ("backbone=test_resnet", "pretrained=False", "image_size=32", "lr=0.01"):
            words += ["--set", setting]
    elif command.module == "orchestrator.tune" and "--resume" in words:
        words += ["--inline"]
    return words


def test_its_commands_end_in_a_submission_and_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    [draws] = [block for block in BLOCKS if block.language == "python"]
    exec(compile(draws.text, draws.where, "exec"), {"__name__": "__main__"})  # noqa: S102  our own page
    for command in COMMANDS:
        if command.module == "orchestrator.doctor":
            continue  # of the machine that the tests run on
        main = importlib.import_module(f"{command.module}.__main__").main
        assert main(in_small(command)) == 0, command
    sample, filled = pd.read_csv("leaves/sample_submission.csv"), pd.read_csv("submission.csv")
    assert filled["image_id"].tolist() == sample["image_id"].tolist()
    assert set(filled["label"]) <= {"healthy", "rust", "scab"}
    assert filled["label"].nunique() > 1
    assert "0.871" in Path("runs/leaves/report.html").read_text()
