"""What docs/how-to/groups.md shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.check import __main__ as check
from orchestrator.data.quality.candidate_groups import from_folders, from_names
from orchestrator.inputs.copies import MANY_GROUPS
from orchestrator.tune import __main__ as tune

PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "groups.md").read_text()


@pytest.mark.parametrize("command", sorted(set(re.findall(r"python -m orchestrator\.(\w+ [^\n`;]*)", PAGE))))
def test_each_command_it_shows_is_understood(command: str) -> None:
    name, *words = command.split()
    {"check": check, "tune": tune}[name].parser().parse_args(words)


def test_each_option_it_names_is_one_of_tune_or_check() -> None:
    known = {*check.parser()._option_string_actions, *tune.parser()._option_string_actions}
    assert set(re.findall(r"`(--[a-z-]+)", PAGE)) <= known


@pytest.mark.parametrize(
    "names, group",
    [
        ([f"C{33 + n // 6}P{1 + n // 3}thinF_IMG_20150619_114756a_cell_{n}.png" for n in range(12)], "C33P1"),
        ([f"patient{7 + n // 6:02d}_tile_{n % 6}_{40 + n}.png" for n in range(12)], "patient07"),
        ([f"video{3 + n // 6:02d}_frame_{123 + n:06d}.jpg" for n in range(12)], "video03"),
    ],
)
def test_the_names_it_shows_are_read_as_it_says(names: list[str], group: str) -> None:
    assert group in {candidate.names[0] for candidate in from_names(names)}


def test_the_folders_it_shows_are_read_as_it_says() -> None:
    paths = [f"scene{7 + n // 6}/{n:04d}.png" for n in range(12)]
    assert [candidate.names[0] for candidate in from_folders(paths) if candidate.named] == ["scene7"]


def test_the_number_of_groups_that_share_an_image_is_the_one_it_names() -> None:
    assert MANY_GROUPS == 5 and "five given groups" in PAGE
