"""Text from data reaches the terminal through one door: nothing in it steers the terminal."""

from __future__ import annotations

import ast
import io
import logging
import shutil
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from orchestrator.cli.exit_codes import exit_code
from orchestrator.cli.terminal import Terminal, log_warnings
from orchestrator.core.errors import ManifestError
from orchestrator.core.text import on_one_line, shortened, shown
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.tune.__main__ import main as tune

ROOT = Path(__file__).parents[2]
CLEAR = "\x1b[2J\x1b]0;owned\x07"
BAD = ["\x1b", "\x9b", "\x07", "\x08", "\r", "\x00", "\x7f", "\u202e", "\u2066", "\u2028", "\ud800"]


@pytest.mark.parametrize("sign", BAD)
def test_what_steers_a_terminal_is_written_out(sign: str) -> None:
    found = shown(f"a{sign}b")
    assert sign not in found and found.startswith("a\\") and found.endswith("b")
    assert shown(found) == found


def test_everything_else_is_left_alone() -> None:
    text = "Ünïcode 漢字 עברית 👩\u200d🔬 \u3000\u00a0 two\nlines\tand a tab \\x1b"
    assert shown(text) == text


def test_a_name_makes_no_line_of_its_own() -> None:
    assert on_one_line("cat\nerror: forged\tx") == "cat\\nerror: forged\\tx"
    assert shortened(["a\nb", "c"]) == "a\\nb, c"


@pytest.mark.parametrize("what", [CLEAR, Text(CLEAR), "table", f"[bold]{CLEAR}"])
def test_a_console_writes_no_control_character_but_its_own(what: object) -> None:
    file = io.StringIO()
    if what == "table":
        what = Table(title=CLEAR)
        what.add_column(CLEAR)
        what.add_row(Text(CLEAR, style="bold"))
    Terminal(file=file, width=120).print(what, markup=False)
    written = file.getvalue()
    assert "\\x1b[2J" in written and not set(written) & set("\x1b\x07")


def test_its_own_colours_stay() -> None:
    file = io.StringIO()
    terminal = Terminal(file=file, force_terminal=True, color_system="standard", width=80)
    terminal.print(Text("x\x1by", "bold red"))
    assert file.getvalue() == "\x1b[1;31mx\\x1by\x1b[0m\n"


def test_colons_in_a_name_make_no_picture() -> None:
    """rich reads ":100:" as a sign of its own, also where it reads no markup."""
    file = io.StringIO()
    console = Terminal(file=file, width=80)
    console.print("1:100:5 beside a:b:c", markup=False)
    table = Table("x:o:")
    table.add_row("1:100:5")
    console.print(table)
    assert "1:100:5 beside a:b:c" in file.getvalue() and file.getvalue().count("1:100:5") == 2
    assert "x:o:" in file.getvalue()


def test_an_error_and_a_warning_go_through_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> None:
        raise ManifestError(f"image {CLEAR}.png is missing")

    assert exit_code(refuse, "") == 2
    assert capsys.readouterr().err == "error: image \\x1b[2J\\x1b]0;owned\\x07.png is missing\n"
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    root.handlers = []
    try:
        log_warnings()
        logging.getLogger("some.library").warning("column %s", CLEAR)
    finally:
        root.handlers = before
    assert capsys.readouterr().err == "column \\x1b[2J\\x1b]0;owned\\x07\n"


def test_classes_and_file_names_of_a_study_reach_no_terminal_raw(
    tmp_path: Path, faces: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(faces.parent, tmp_path / "faces")
    rows = (folder / "faces.csv").read_text().replace(",red", f",{CLEAR}red")
    (folder / "faces.csv").write_text(rows)
    (tmp_path / "space.py").write_text(
        "from orchestrator.space import SearchSpace, categorical\n"
        'space = SearchSpace(trainable="tests.pixel_trainable:PixelTrainable", params={},\n'
        "    folds=2, trials=2, max_t=1, grace_period=1, finalists=1,\n"
        f"    target=categorical('tint', {[f'{CLEAR}red', 'blue']!r}))\n"
    )
    words = ["--space", str(tmp_path / "space.py"), "--data", str(folder / "faces.csv"), "--inline"]
    assert tune([*words, "--runs", str(tmp_path / "runs"), "--study", "a"]) == 0
    study = ["--study", str(tmp_path / "runs" / "a"), "--out", str(tmp_path / "e")]
    assert ensemble([*study, "--predict", str(folder / "faces.csv")]) == 0
    (folder / "faces.csv").write_text(rows.replace("p00-0.png", f"{CLEAR}.png"))
    assert tune([*words, "--runs", str(tmp_path / "runs"), "--study", "b"]) == 2
    written = capfd.readouterr()
    assert "\\x1b[2J" in written.out and "\\x1b[2J" in written.err
    assert not set(written.out + written.err) & set("\x1b\x07")


ALLOWED = {
    # file -> why its own print or console needs no door
    "orchestrator/cli/terminal.py": "it is the door",
    "orchestrator/cli/exit_codes.py": "errors, through shown; words of the program",
    "orchestrator/cli/parser.py": "the version",
    "orchestrator/ensemble/exported/predict.py": "it stands alone, with a door of its own: shown",
    "orchestrator/machine/node_facts.py": "JSON",
    "orchestrator/execution/joined.py": "JSON",
    "orchestrator/execution/on_ray/list_nodes.py": "JSON",
    "orchestrator/execution/probe_process.py": "JSON, and one fixed line",
    "orchestrator/completion/__main__.py": "a script of options and commands; no data",
    "orchestrator/studies/command.py": "JSON",
    "orchestrator/doctor/bootstrap.py": "JSON",
    "orchestrator/doctor/probe.py": "JSON",
    "orchestrator/race/simulate/command.py": "numbers of a simulation",
    "orchestrator/servers/__main__.py": "addresses of the cluster file; no data",
    "orchestrator/tracking/command.py": "through shown",
    "orchestrator/tune/first_space/command.py": "through shown",
}


def test_no_command_has_another_door() -> None:
    found = set()
    for path in (ROOT / "orchestrator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            if name in ("print", "Console"):
                found.add(path.relative_to(ROOT).as_posix())
    assert found <= set(ALLOWED), "print through orchestrator.cli.terminal"
