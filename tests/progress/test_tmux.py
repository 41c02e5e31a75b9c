"""The screen in a real terminal, at three sizes, from the first second to the last line."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.conftest import SPACE

ROOT = Path(__file__).parents[2]
SIZES = ((80, 24), (100, 30), (140, 40))
LONGEST_S = 240.0
TABLE = {"trial", "state", "rung", "macro_f1", "folds", "epochs", "lr"}

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@dataclass
class Terminal:
    """A search in a terminal of its own."""

    width: int
    height: int
    socket: Path
    gate: Path

    def screen(self) -> list[str]:
        """What stands there now."""
        return self._tmux("capture-pane", "-p").splitlines()

    def everything(self) -> list[str]:
        """With what has scrolled away, and lines that the terminal had to break put together."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-500").splitlines()

    def let(self, epochs: int) -> None:
        part = self.gate.with_suffix(".part")
        part.write_text(str(epochs))
        part.replace(self.gate)

    def wait_for(self, has: Callable[[list[str]], object]) -> list[str]:
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until:
            lines = self.screen()
            if has(lines):
                return lines
            time.sleep(0.05)
        raise AssertionError("\n".join(["this never came; the screen:", *self.screen()]))

    def wait_for_text(self, pattern: str) -> list[str]:
        return self.wait_for(lambda lines: re.search(pattern, "\n".join(lines)))

    def start(self, command: str) -> None:
        size = ["-x", str(self.width), "-y", str(self.height)]
        keeps = f"{command}; echo ended with $?; exec sleep {LONGEST_S:.0f}"
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, keeps)

    def end(self) -> None:
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, check=False)

    def _tmux(self, *words: str) -> str:
        made = subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True, check=True)
        return made.stdout


@pytest.fixture(scope="module")
def terminals(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Terminal]]:
    """One of each size, all begun at once; every search stands before its first epoch."""
    folder = tmp_path_factory.mktemp("tmux")
    space = folder / "tint.py"
    space.write_text(SPACE.replace("tests.pixel_trainable:Pixel", "tests.support.gated_trainable:Gated"))
    found = {}
    try:
        for width, height in SIZES:
            terminal = Terminal(width, height, folder / f"{width}.socket", folder / f"{width}.gate")
            terminal.let(0)
            words = [
                "--space",
                space,
                "--data",
                faces,
                "--runs",
                folder,
                "--study",
                f"s{width}",
                "--inline",
                "--no-report",
            ]
            search = shlex.join([sys.executable, "-m", "orchestrator.tune", *map(str, words)])
            settings = {
                "GATE": terminal.gate,
                "PYTHONPATH": ROOT,
                "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"],
            }
            env = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in settings.items())
            terminal.start(f"cd {shlex.quote(str(ROOT))}; env -u COLUMNS -u LINES {env} {search}")
            found[width] = terminal
        yield found
    finally:
        for terminal in found.values():
            terminal.end()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_from_the_first_second_to_the_last_line(
    terminals: dict[int, Terminal], width: int, height: int
) -> None:
    terminal = terminals[width]
    waiting = terminal.wait_for_text(r"waiting for a first epoch to end: \d+ s so far")
    assert "left (at" not in "\n".join(waiting)  # there is no basis for it
    before = _clock(waiting)
    terminal.wait_for(lambda lines: _clock(lines) not in ("", before))  # it does not stand still
    terminal.let(14)
    # Down to its last part: the terminal may be looked at while a picture is on its way there.
    running = terminal.wait_for_text(
        r"(?s)14 of \d+ planned.*\n   1  t000\d-f\d.*\nt\d{4}  [A-Z]+ +\d.*\nat +decision +on +because"
    )
    _check_picture(running, width)
    terminal.let(10_000)
    terminal.wait_for_text(r"ended with 0")
    _check_end(terminal.everything(), width, height)


def _clock(lines: list[str]) -> str:
    """The head's, at the right end of its line."""
    found = [re.search(r"trials: .*?  (\d.*)$", line) for line in lines]
    return next((match[1] for match in found if match), "")


def _check_picture(lines: list[str], width: int) -> None:
    head = next(at for at, line in enumerate(lines) if re.match(r"s\d+  9 trials: ", line))
    picture = lines[head:]
    assert cell_len(picture[0]) == width  # the clock stands at its right end
    assert max(map(cell_len, picture)) == width
    shown = "\n".join(picture)
    assert re.search(r"^slot  fold run  leg ", shown, re.MULTILINE)
    assert re.search(r"^   1  t000\d-f\d  ━*╸?─*", shown, re.MULTILINE)
    assert set(next(line for line in picture if line.startswith("trial ")).split()) >= TABLE
    scores = re.findall(r"^t\d{4}  [A-Z]+ +\d +(\S+) +\d/3 +\d+  (\S+)$", shown, re.MULTILINE)
    assert scores and all(re.fullmatch(r"\d\.\d{4}", score) for score, _ in scores)
    assert all(re.fullmatch(r"\d(\.\d+)?(e-\d)?", rate) for _, rate in scores)
    assert re.search(r"^at        decision  on        because$", shown, re.MULTILINE)


def _check_end(lines: list[str], width: int, height: int) -> None:
    """The picture is gone, the leaderboard and the result stay, and words are whole."""
    shown = "\n".join(lines)
    assert "slot  fold run" not in shown
    assert len(re.findall(r"^t\d{4}  (?:COMPLETE|PRUNED)", shown, re.MULTILINE)) == min(
        9, max(height - 12, 8)
    )
    assert "complete: all folds at full length" in shown and "out: by rung" in shown
    assert re.search(r"planned fold-epochs, 100%, done|than the \d+ planned", shown)
    assert re.search(r"^best: trial \d, 0\.\d{4} \(folds ", shown, re.MULTILINE)
    assert re.search(r"^next: python -m orchestrator\.ensemble --study \S+/s\d+$", shown, re.MULTILINE)
    prose = [line for line in lines if "python -m" not in line and "/" not in line]
    assert max(map(cell_len, prose)) <= width  # -J would have put a broken line together
