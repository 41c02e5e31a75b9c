"""Every command that there is: its help, its examples, and what it answers to a misspelling."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.__main__ import main
from orchestrator.__main__ import parser as all_commands
from orchestrator.cli.commands import COMMANDS
from orchestrator.cli.options import SHARED
from orchestrator.cli.parser import CommandParser
from orchestrator.core.choices import VOTE_KINDS
from orchestrator.evaluation.voting import FITTED_VOTES, VOTES

ROOT = Path(__file__).parents[2]
HEAVY = {"cv2", "ray", "torch", "timm", "optuna", "sklearn", "matplotlib"}
QUICK = (
    "doctor",
    "check",
    "tune",
    "ensemble",
    "studies",
    "audit",
    "pseudo_labels",
    "tracking",
    "servers",
    "completion",
    "race.simulate",
)  # their work is in a module of its own: command.py
EVERY = pytest.mark.parametrize("command", COMMANDS)


def parser(command: str) -> CommandParser:
    made = importlib.import_module(f"orchestrator.{command}.__main__").parser()
    assert isinstance(made, CommandParser)
    return made


def parsers(command: str) -> Iterator[argparse.ArgumentParser]:
    """A command's own parser, and those of its sub-commands."""
    made = parser(command)
    yield made
    for action in made._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def run(*words: str, bare: bool = False) -> subprocess.CompletedProcess[str]:
    python = [sys.executable, *(["-S"] if bare else []), "-m"]
    return subprocess.run([*python, *words], capture_output=True, text=True, cwd=ROOT)


def test_every_command_is_in_the_table() -> None:
    folder = ROOT / "orchestrator"
    found = {".".join(path.parent.relative_to(folder).parts) for path in folder.rglob("*/__main__.py")}
    assert found == set(COMMANDS)


REQUIRED = {
    "pseudo_labels": ("--predict", "a", "--out", "b"),
    "tracking": ("a",),
    "studies": ("list",),
    "completion": ("bash",),
    "race.simulate": ("a",),
}


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "servers"])
def test_before_setup_a_command_says_what_to_do(command: str) -> None:
    """-S: without the packages of this environment. `servers` does something without them, too."""
    ran = run(f"orchestrator.{command}", *REQUIRED.get(command, ()), bare=True)
    assert ran.returncode == 2, ran.stderr
    assert "make setup" in ran.stderr and len(ran.stderr.splitlines()) == 2 and not ran.stdout


@EVERY
def test_help_fits_a_terminal_of_80_columns_and_says_something_of_every_option(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for made in parsers(command):
        long = [line for line in made.format_help().splitlines() if len(line) > 80]
        assert not long
        for action in made._actions:
            if isinstance(action, argparse._SubParsersAction):
                continue  # each sub-command has its own line below it
            assert action.help, action.option_strings
            assert not re.match(r"(of|as|the same) ", action.help), f"{action.help!r} begins with no noun"


@EVERY
def test_options_are_in_groups(command: str) -> None:
    [general] = [group for group in parser(command)._action_groups if group.title == "general"]
    assert {action.dest for action in general._group_actions} == {"help", "version"}


@EVERY
def test_the_examples_of_help_are_commands_it_takes(command: str) -> None:
    made = parser(command)
    assert made.examples
    for example in made.examples:
        assert f"  {example}\n" in made.format_help()
        python, flag, module, *words = shlex.split(example.replace("\\\n", " "))
        assert [python, flag, module] == ["python", "-m", f"orchestrator.{command}"]
        made.parse_args(words)


@EVERY
def test_a_misspelt_option_is_refused_in_two_lines_with_the_one_that_may_be_meant(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for made in parsers(command):
        shown = [action for action in made._actions if action.help is not argparse.SUPPRESS]
        for name in [name for item in shown for name in item.option_strings if len(name) > 5]:
            with pytest.raises(SystemExit) as stop:
                made.parse_args([f"{name[:4]}{name[5:]}=x"])
            assert stop.value.code == 2
            refusal, where = capsys.readouterr().err.splitlines()
            assert refusal.startswith("error: --") and f"did you mean {name}" in refusal
            assert where == f"see {made.prog} --help"


def test_no_abbreviation_is_taken_for_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser("tune").parse_args(["--max", "9"])
    assert "did you mean --max-epochs or --max-fold-epochs?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parser("tune").parse_args(["--time", "2h"])
    assert "did you mean --time-budget?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parser("tune").parse_args(["-trials", "8"])
    assert "-trials is no option of this command; did you mean --trials?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words, refusal",
    [
        (["--trials", "many"], "--trials: invalid int value: 'many'"),
        (["--seed", "-1"], "--seed: '-1' is not a whole number of at least 0"),
        (["--scale", "ful"], "--scale: invalid choice: 'ful' (choose from 'full', 'small', 'smoke')"),
        (["age"], "unrecognized arguments: age"),
        (["--space"], "--space: expected one argument"),
        (["--zzz"], "--zzz is no option of this command"),
    ],
)
def test_a_wrong_value_is_refused_in_two_lines(
    words: list[str], refusal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        parser("tune").parse_args(words)
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"error: {refusal}\nsee python -m orchestrator.tune --help\n"


def test_what_follows_two_dashes_and_what_has_a_space_is_no_option() -> None:
    made = CommandParser(prog="x")
    made.add_argument("--name")
    made.add_argument("rest", nargs="*")
    assert made.parse_args(["--", "--what"]).rest == ["--what"]
    assert made.parse_args(["--name=--what"]).name == "--what"
    assert made.parse_args(["--in a sentence", "-1", "-"]).rest == ["--in a sentence", "-1", "-"]


def test_options_that_commands_share_mean_the_same_everywhere() -> None:
    for command in COMMANDS:
        for action in parser(command)._actions:
            for name in {*action.option_strings} & {*SHARED}:
                assert action.type == SHARED[name].get("type"), f"{name} of {command}"
                assert action.metavar == SHARED[name].get("metavar"), f"{name} of {command}"


def test_every_kind_of_vote_has_its_function() -> None:
    assert set(VOTE_KINDS) == {*VOTES, *FITTED_VOTES}


def test_no_help_loads_what_takes_seconds() -> None:
    """One process asks all of them: what none of them loads, none of them waits for."""
    modules = ", ".join(f"orchestrator.{command}.__main__" for command in COMMANDS)
    code = f"import sys, {modules}\n"
    code += "".join(f"orchestrator.{command}.__main__.parser().format_help()\n" for command in COMMANDS)
    code += "print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert not set(done.stdout.split()) & HEAVY


@pytest.mark.parametrize("command", QUICK)
def test_help_and_the_list_of_commands_load_no_table_either(command: str) -> None:
    code = f"import sys\nfrom orchestrator.{command}.__main__ import main\n"
    code += "from orchestrator.__main__ import main as all_of_them\nall_of_them([])\n"
    code += "try: main(['--help'])\nexcept SystemExit: print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    loaded = set(done.stdout.rpartition("loaded ")[2].split())
    assert f"orchestrator.{command}.__main__" in loaded
    assert not loaded & {*HEAVY, "pandas", "numpy", "pyarrow", "rich"}


# ---- python -m orchestrator, fold-orchestrator ----------------------------------------------------


def test_without_a_command_all_are_listed_with_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed and f" {line}\n" in printed for name, line in COMMANDS.items())
    assert max(map(len, printed.splitlines())) <= 80


def test_a_command_is_run_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["race.simulate", "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == parser("race.simulate").format_help()


def test_the_exit_code_of_a_command_is_handed_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--space", str(tmp_path / "none.py")]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("given, meant", [("tun", "tune"), ("pseudo-labels", "pseudo_labels")])
def test_a_misspelt_command_is_refused_with_the_one_that_may_be_meant(
    given: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([given, "--space", "age"])
    assert stop.value.code == 2
    expected = f"error: {given!r} is no command; did you mean {meant}?\nsee python -m orchestrator --help\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_the_version_is_told_by_all(command: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    made = all_commands() if command is None else parser(command)
    with pytest.raises(SystemExit) as stop:
        made.parse_args(["--version"])
    assert stop.value.code == 0
    assert re.fullmatch(r"fold-orchestrator \d+\.\d+\S*\n", capsys.readouterr().out)


def test_the_version_is_no_value_of_a_command() -> None:
    assert not hasattr(parser("doctor").parse_args([]), "version")


def test_python_m_orchestrator_runs() -> None:
    done = run("orchestrator", "tune", "--trails", "8")
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean --trials?" in done.stderr


def test_the_console_script_is_the_same() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, name = scripts["fold-orchestrator"].partition(":")
    assert getattr(importlib.import_module(module), name) is main
