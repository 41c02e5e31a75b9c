"""Completion in a real shell: commands, options, choices and names of studies, without asking Python."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.cli.commands import COMMANDS
from orchestrator.completion.__main__ import SHELLS, main
from orchestrator.completion.scripts import SHELLS as MAKERS
from orchestrator.completion.words import all_words

HOSTILE = ["with space", "$(touch pwned)", "a;b", "-dash", "it's", 'say "x"', "*"]


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "bash"
    path.write_text(MAKERS["bash"](all_words()))
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name in ("age", "age_b", "gender", *HOSTILE):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "journal.jsonl").touch()
    (tmp_path / "runs" / "no-study").mkdir()
    return tmp_path


def completed(script: Path, folder: Path, *lines: Sequence[str]) -> list[list[str]]:
    """Of each line, whose last word is being typed, what the shell would offer."""
    code = [f"source {shlex.quote(str(script))}", "PATH=/nowhere  # nothing else is called"]
    for words in lines:
        quoted = " ".join(map(shlex.quote, words))
        code += [
            f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}",
            '__fold_orchestrator; printf "%s\\n" "${COMPREPLY[@]}"; echo END',
        ]
    done = subprocess.run(
        ["/bin/bash", "--norc", "-c", "\n".join(code)],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=120,
    )
    assert not done.stderr, done.stderr
    parts = done.stdout.split("END\n")[:-1]
    return [[line for line in part.splitlines() if line] for part in parts]


def test_commands_options_and_choices_of_both_spellings(bash: Path, runs: Path) -> None:
    found = completed(
        bash, runs,
        ["fold-orchestrator", ""],
        ["fold-orchestrator", "tu"],
        ["python", "-m", "orchestrator.stu"],
        ["python3", "-m", "orchestrator", "ens"],
        ["fold-orchestrator", "tune", "--max-"],
        ["python", "-m", "orchestrator.tune", "--scale", ""],
        ["python", "-m", "orchestrator.studies", "co"],
        ["python", "-m", "orchestrator.studies", "list", "--sort", "b"],
        ["fold-orchestrator", "completion", "f"],
        ["python", "-m", "orchestrator.studies", "list", "--s"],
    )  # fmt: skip
    assert found[0] == list(COMMANDS) and found[1] == ["tune"]
    assert found[2] == ["orchestrator.studies"] and found[3] == ["ensemble"]
    assert {"--max-epochs", "--max-fold-epochs"} <= set(found[4])
    assert found[5] == ["full", "small", "smoke"] and found[6] == ["compare"]
    assert found[7] == ["begun", "best"] and found[8] == ["fish"] and found[9] == ["--sort", "--state"]


def test_names_of_studies_are_offered_where_one_is_meant(bash: Path, runs: Path) -> None:
    shutil.copytree(runs / "runs" / "gender", runs / "elsewhere" / "other")
    found = completed(
        bash, runs,
        ["python", "-m", "orchestrator.studies", "rm", "ag"],
        ["python", "-m", "orchestrator.studies", "compare", "age", "g"],
        ["fold-orchestrator", "tune", "--resume", "--study", "age_"],
        ["fold-orchestrator", "studies", "show", "--runs", "elsewhere", ""],
        ["fold-orchestrator", "ensemble", "--runs", "=", "elsewhere", "--study", "=", ""],
        ["fold-orchestrator", "studies", "list", "n"],
    )  # fmt: skip
    assert found == [["age", "age_b"], ["gender"], ["age_b"], ["other"], ["other"], []]


def test_a_name_is_quoted_so_that_the_shell_takes_it_for_one_word(bash: Path, runs: Path) -> None:
    [found] = completed(bash, runs, ["fold-orchestrator", "studies", "show", ""])
    assert {shlex.split(word)[0] for word in found} == {"age", "age_b", "gender", *HOSTILE}
    assert all(len(shlex.split(word)) == 1 for word in found) and not (runs / "pwned").exists()


def test_other_python_commands_are_left_alone(bash: Path, runs: Path) -> None:
    found = completed(bash, runs, ["python", "a"], ["python", "-m", "js"], ["python", "-m", "json.tool", ""])
    assert found == [[], [], []]


def test_without_studies_nothing_is_offered(bash: Path, tmp_path: Path) -> None:
    assert completed(bash, tmp_path, ["fold-orchestrator", "studies", "rm", ""]) == [[]]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize(
    "line, offered",
    [
        ("fold-orchestrator tu", ["tune"]),
        ("fold-orchestrator studies comp", ["compare"]),
        ("fold-orchestrator studies rm ag", ["age", "age_b"]),
        ("python -m orchestrator.tune --scale s", ["small", "smoke"]),
        ("python3 -m orchestrator studies show gen", ["gender"]),
        ("python -m orchestrator.comp", ["orchestrator.completion"]),
        ("fold-orchestrator studies show --runs elsewhere o", ["other"]),
    ],
)
def test_fish_offers_the_same(runs: Path, line: str, offered: list[str]) -> None:
    shutil.copytree(runs / "runs" / "gender", runs / "elsewhere" / "other")
    (runs / "script").write_text(MAKERS["fish"](all_words()))
    done = subprocess.run(
        ["fish", "-N", "-c", f"source script; complete -C {shlex.quote(line)}"],
        capture_output=True, text=True, cwd=runs, timeout=120,
    )  # fmt: skip
    assert not done.stderr
    assert [found.split("\t")[0] for found in done.stdout.splitlines()] == offered


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_reads_the_same_script(runs: Path) -> None:
    (runs / "script").write_text(MAKERS["zsh"](all_words()))
    code = "source ./script; emulate -L sh; setopt ksharrays\n"
    code += "COMP_WORDS=(fold-orchestrator studies rm ag); COMP_CWORD=3; __fold_orchestrator\n"
    code += 'echo "${COMPREPLY[@]}"'
    done = subprocess.run(["zsh", "-f", "-c", code], capture_output=True, text=True, cwd=runs, timeout=120)
    assert (done.stdout, done.stderr) == ("age age_b\n", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([shell]) == 0
    script = capsys.readouterr().out
    for words in all_words():
        assert words.path[-1] in script
        for option in words.options:
            name = option.name if shell != "fish" else f"-l {option.name.removeprefix('--')}"
            assert name in script
    assert all(char.isprintable() or char == "\n" for char in script)


def test_help_offers_the_shells_that_there_are() -> None:
    assert list(MAKERS) == list(SHELLS)


def test_values_that_name_studies_are_known_as_such() -> None:
    found = {words.path: words for words in all_words()}
    takes = {(path[0], option.name) for path, words in found.items() for option in words.options
             if option.takes == "study"}  # fmt: skip
    assert {
        ("tune", "--study"),
        ("ensemble", "--study"),
        ("audit", "--study"),
    } <= takes
    assert ("audit", "--compare") in takes and found["tracking",].takes_studies
    by_name = {path[1] for path, words in found.items() if words.takes_studies and len(path) > 1}
    assert by_name == {"list", "show", "compare", "rm", "export", "note", "score"}
