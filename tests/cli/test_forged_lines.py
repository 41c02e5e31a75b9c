"""A name from data makes no line of its own on the screen, where it could pass for the program's word."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from orchestrator.check.__main__ import main as check
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.study import Study
from orchestrator.tune.__main__ import main as tune
from tests.support.journals import unsealed
from tests.support.small_study import make_small_study

FORGED = "forged: all is well"
NAME = f"red\n{FORGED} [/bold][link=x]"
SPACE = """
from orchestrator.space import SearchSpace, categorical
space = SearchSpace(trainable="tests.pixel_trainable:PixelTrainable", params={params},
    folds=2, trials=2, max_t=1, grace_period=1, finalists=1, target=categorical("tint", {classes!r}))
"""


@pytest.fixture
def words(tmp_path: Path, faces: Path) -> list[str]:
    """A table whose class, file and group have lines of their own in their names."""
    folder = shutil.copytree(faces.parent, tmp_path / "faces")
    with (folder / "faces.csv").open(newline="") as file:
        header, *rows = list(csv.reader(file))
    name = f"a\n{FORGED}.png"
    (folder / rows[0][header.index("path")]).rename(folder / name)
    rows[0][header.index("path")] = name
    named = [[NAME if cell == "red" else cell for cell in row] for row in rows]
    with (folder / "faces.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *named])
    (tmp_path / "space.py").write_text(SPACE.format(params="{}", classes=[NAME, "blue"]))
    return ["--space", str(tmp_path / "space.py"), "--data", str(folder / "faces.csv")]


def told(output: pytest.CaptureFixture[str]) -> str:
    written = output.readouterr()
    text = written.out + written.err
    assert FORGED in text or "red" in text, "it is told of, but"
    assert not [line for line in text.splitlines() if line.strip().startswith(FORGED)], text
    return text


def test_of_a_class_a_file_or_a_group(
    words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runs = ["--runs", str(tmp_path / "runs")]
    assert check([*words, *runs]) == 0
    told(capfd)
    assert tune([*words, *runs, "--inline", "--study", "a"]) == 0
    told(capfd)
    study = ["--study", str(tmp_path / "runs" / "a"), "--out", str(tmp_path / "e"), "--repeats", "20"]
    assert ensemble([*study, "--predict", words[-1]]) == 0
    told(capfd)
    assert Study(tmp_path / "runs" / "a")._repr_html_()


def test_of_an_image_that_cannot_be_read(
    words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    next(Path(words[-1]).parent.glob("a\n*")).write_bytes(b"no image")
    assert tune([*words, "--runs", str(tmp_path / "runs"), "--inline"]) == 2
    told(capfd)


def test_of_what_a_trainable_raises(
    words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its traceback is in the journal; on the screen its error is one line."""
    (tmp_path / "space.py").write_text(
        (tmp_path / "space.py")
        .read_text()
        .replace("tests.pixel_trainable:PixelTrainable", "failing_trainable:Failing")
    )
    (tmp_path / "failing_trainable.py").write_text(
        "from tests.pixel_trainable import PixelTrainable\n"
        "class Failing(PixelTrainable):\n"
        f"    def run_epoch(self): raise RuntimeError('no\\n{FORGED}\\x1b[2J')\n"
    )
    assert tune([*words, "--runs", str(tmp_path / "runs"), "--inline", "--study", "a"]) == 1
    text = told(capfd)
    assert "\x1b" not in text


HEADER = ["space_name", "sampler", "rule", "scale", "name", ("sources", "tests"), ("space", "trainable"),
          ("space", "metric"), ("space", "target", "name"), ("space", "target", "classes", 0)]  # fmt: skip


def test_of_a_study_somebody_sent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    study = make_small_study(tmp_path)
    first, *rest = unsealed((study / "journal.jsonl").read_text()).splitlines(keepends=True)
    for place in HEADER:
        *way, last = place if isinstance(place, tuple) else (place,)
        opened = json.loads(first)
        inside = opened["header"]
        for key in way:
            inside = inside[key]
        inside[last] += f"\n{FORGED}\x1b[2J"
        (study / "journal.jsonl").write_text("".join([json.dumps(opened) + "\n", *rest]))
        capfd.readouterr()
        assert tune(["--resume", "--study", "a", "--runs", str(tmp_path), "--inline"]) in (0, 2)
        written = capfd.readouterr()
        assert "\x1b" not in written.out + written.err, place
        lines = (written.out + written.err).splitlines()
        assert not [line for line in lines if line.strip().startswith(FORGED)], (place, lines)
