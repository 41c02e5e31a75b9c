"""What a study or an ensemble names is imported where it is installed or known here, and nowhere else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.audit.__main__ import main as audit
from orchestrator.core.code_origin import find_code, is_installed
from orchestrator.core.errors import TrainableError
from orchestrator.core.known_code import check_named_code, is_known, known_code_file, remember
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.study.study import compare
from orchestrator.tune.__main__ import main as tune
from tests.support.helpers import refusal_lines
from tests.support.journals import unsealed

ROOT = Path(__file__).parents[2]
MADE = ROOT / "tests" / "study" / "made_by_0_1"
PAYLOAD = """
import pathlib
from tests.pixel_trainable import PixelTrainable as X
pathlib.Path({ran!r}).touch()
"""
NAMED = "tests.pixel_trainable:PixelTrainable"


@pytest.fixture(autouse=True)
def nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder the user stands in, which Python looks through first; it holds studies of somebody else."""
    folder = tmp_path / "here"
    shutil.copytree(MADE / "studies", folder / "runs")
    shutil.copytree(MADE / "data", folder / "data")
    monkeypatch.chdir(folder)
    with as_a_process_of_its_own(folder):
        yield folder


@contextlib.contextmanager
def as_a_process_of_its_own(folder: Path) -> Iterator[None]:
    """As `python -m` in that folder: it comes first, and nothing of a command before was imported."""
    path, inherited, modules = list(sys.path), os.environ.get("PYTHONPATH"), set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = path
        os.environ.pop("PYTHONPATH", None)
        if inherited is not None:
            os.environ["PYTHONPATH"] = inherited
        for name in [name for name in set(sys.modules) - modules if "payload" in name or "runs" in name]:
            del sys.modules[name]


def place(file: Path) -> Path:
    """Code at `file`; the path that exists once it ran."""
    ran = file.with_suffix(".ran")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(PAYLOAD.format(ran=str(ran)))
    return ran


def name_in(record: Path, trainable: str) -> None:
    text = record.read_text()
    assert NAMED in text
    text = re.sub(r',\s*"digest": "[0-9a-f]{64}"\s*}\s*$', "}", unsealed(text))  # what would tell
    record.write_text(text.replace(NAMED, trainable))


@dataclass(frozen=True)
class Done:
    returncode: int
    stderr: str


def run(here: Path, command: str, *words: str) -> Done:
    main = {"tune": tune, "ensemble": ensemble, "audit": audit}[command]
    errors = io.StringIO()
    with as_a_process_of_its_own(here), contextlib.redirect_stderr(errors):
        return Done(main(words), errors.getvalue())


def run_typed(here: Path, command: str, *words: str) -> Done:
    """In a real process, as it is typed."""
    line = [sys.executable, "-m", f"orchestrator.{command}", *words]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, cwd=here, env=environ, capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stderr)


RESUME = ("--resume", "--study", "killed", "--inline", "--data-root", "data")
PREDICT = ("--ensemble", "runs/complete/ensemble", "--predict", "data/rows.csv", "--data-root", "data")


@pytest.mark.slow  # several commands, each in a process of its own
def test_code_in_a_received_study_is_not_run_whoever_trusts_it(here: Path) -> None:
    ran = place(here / "runs" / "killed" / "payload.py")
    name_in(here / "runs" / "killed" / "journal.jsonl", "runs.killed.payload:X")
    journal = (here / "runs" / "killed" / "journal.jsonl").read_bytes()
    for more in ((), ("--trust",)):
        done = run_typed(here, "tune", *RESUME, *more)
        assert done.returncode == 2 and "code from there is not run" in done.stderr
        assert len(refusal_lines(done.stderr)) <= 2
    assert not ran.exists() and (here / "runs" / "killed" / "journal.jsonl").read_bytes() == journal


@pytest.mark.parametrize(
    "file",
    [
        "runs/complete/payload.py",
        "runs/complete/ensemble/payload.py",
        "runs/complete/__init__.py",
        "runs/payload.py",
    ],
)
def test_nor_is_code_in_or_beside_a_received_ensemble(here: Path, file: str) -> None:
    ran = place(here / file)
    module = file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    name_in(here / "runs" / "complete" / "ensemble" / "ensemble.json", f"{module}:X")
    for more in ((), ("--trust",)):
        done = run(here, "ensemble", *PREDICT, *more)
        assert done.returncode == 2 and "code from there is not run" in done.stderr
    assert not ran.exists()


def test_nor_behind_a_link_that_leads_into_one(here: Path) -> None:
    ran = place(here / "runs" / "complete" / "payload.py")
    (here / "linked").symlink_to(here / "runs" / "complete")
    with pytest.raises(TrainableError, match="code from there is not run"):
        check_named_code("linked.payload:X", here / "elsewhere", trust=True)
    assert not ran.exists()


@pytest.mark.slow  # several commands, each in a process of its own
def test_a_module_in_the_folder_where_the_user_stands_asks_for_trust_and_is_known_then(here: Path) -> None:
    ran = place(here / "payload.py")
    name_in(here / "runs" / "killed" / "journal.jsonl", "payload:X")
    refused = run(here, "tune", *RESUME)
    assert refused.returncode == 2 and not ran.exists()
    assert f"importing it would run {here / 'payload.py'}" in refused.stderr and "--trust" in refused.stderr
    assert run(here, "tune", *RESUME, "--trust").returncode == 0 and ran.exists()
    assert run(here, "tune", *RESUME).returncode == 0, "the same code is known from then on"


def test_an_ensemble_of_a_program_asks_for_trust_too(here: Path) -> None:
    ran = place(here / "payload.py")
    folder = here / "runs" / "complete" / "ensemble"
    name_in(folder / "ensemble.json", "payload:X")
    images = [str(path) for path in sorted((here / "data").rglob("*.png"))[:2]]
    assert Ensemble.load(folder).estimates, "its scores can be read"
    with pytest.raises(TrainableError, match="no command of yours has named before"):
        Ensemble.load(folder).predict(images)
    assert not ran.exists()
    assert Ensemble.load(folder, trust=True).predict(images).shape == (2, 2) and ran.exists()


def test_a_metric_is_code_too(here: Path) -> None:
    ran = place(here / "runs" / "complete" / "payload.py")
    for study in ("killed", "complete"):
        record = here / "runs" / study / "journal.jsonl"
        text = record.read_text()
        record.write_text(text.replace('"metric": "macro_f1"', '"metric": "runs.complete.payload:X"'))
    for words in (
        ("tune", *RESUME),
        ("ensemble", "--study", "complete", "--out", "out"),
        ("audit", "--compare", "complete", "killed"),
    ):
        for more in ((), ("--trust",)):
            done = run(here, *words, *more)
            assert done.returncode == 2 and "code from there is not run" in done.stderr
    with pytest.raises(TrainableError, match="code from there is not run"):
        compare(here / "runs" / "complete", here / "runs" / "killed", trust=True)
    assert not ran.exists()


def test_known_code_that_changed_is_not_known(here: Path) -> None:
    place(here / "payload.py")
    (here / "payload.py").write_text("import payload_helper\n")
    (here / "payload_helper.py").write_text("SHARE = 1\n")
    found = find_code("payload")
    assert found is not None and not is_known(found)
    remember(found)
    assert is_known(found) and known_code_file().stat().st_mode & 0o777 == 0o600
    check_named_code("payload:X", here / "runs" / "killed")
    (here / "payload_helper.py").write_text("SHARE = 2\n")
    with pytest.raises(TrainableError, match="no command of yours has named before"):
        check_named_code("payload:X", here / "runs" / "killed")


def test_a_list_that_others_can_write_to_is_not_believed(here: Path) -> None:
    place(here / "payload.py")
    found = find_code("payload")
    assert found is not None
    remember(found)
    assert is_known(found)
    known_code_file().chmod(0o622)
    assert not is_known(found)
    known_code_file().chmod(0o600)
    known_code_file().write_text('{"origin": "torn')
    assert not is_known(found)


@pytest.mark.parametrize(
    "module, installed",
    [
        ("trainables.image_classifier", True),
        ("tests.pixel_trainable", True),
        ("sklearn.linear_model", True),
        ("optuna", True),
        ("antigravity", False),
        ("idlelib.idle", False),
    ],
)
def test_installed_is_what_pip_installed_and_what_comes_with_the_project(
    module: str, installed: bool
) -> None:
    before = set(sys.modules)
    found = find_code(module)
    assert found is not None and is_installed(found) == installed
    assert module not in set(sys.modules) - before, "it was not imported to find out"


def test_a_namesake_of_the_project_is_not_installed(here: Path) -> None:
    place(here / "trainables" / "__init__.py")
    found = find_code("trainables", here)
    assert found is not None and not is_installed(found)


@pytest.mark.parametrize(
    "module", ["payload_that_is_not", "numpy.not_there", "runs.killed.not_there", "", "a..b"]
)
def test_what_python_does_not_find_is_not_imported(here: Path, module: str) -> None:
    with pytest.raises(TrainableError, match="Python finds no module"):
        check_named_code(f"{module}:X", here, trust=True)


@pytest.mark.slow  # several commands, each in a process of its own
class TestBesideItsSpaceFile:
    @pytest.fixture
    def space(self, tmp_path: Path) -> Path:
        folder = tmp_path / "mine"
        folder.mkdir()
        (folder / "payload_of_mine.py").write_text("from tests.pixel_trainable import PixelTrainable as X\n")
        (folder / "space.py").write_text(
            "from orchestrator.space import SearchSpace, categorical\n"
            'space = SearchSpace(trainable="payload_of_mine:X",\n'
            '    target=categorical("tint", ["red", "blue"]), '
            "params={}, folds=2, trials=2, max_t=2, finalists=1)\n"
        )
        return folder / "space.py"

    def search(self, here: Path, space: Path) -> None:
        words = ("--space", str(space), "--study", "own", "--inline", "--data", "data/rows.csv")
        done = run(here, "tune", *words)
        assert done.returncode == 0, done.stderr

    def test_it_is_found_again_without_naming_the_space_file(self, here: Path, space: Path) -> None:
        self.search(here, space)
        more = run(here, "tune", "--resume", "--study", "own", "--inline", "--trials", "3")
        assert more.returncode == 0, more.stderr
        made = run(here, "ensemble", "--study", "own", "--out", "best", "--predict", "data/rows.csv")
        assert made.returncode == 0, made.stderr
        assert run(here, "ensemble", "--ensemble", "best", "--predict", "data/rows.csv").returncode == 0

    def test_somebody_else_is_asked_for_the_space_file(
        self, here: Path, space: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        self.search(here, space)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of somebody else"))
        resume = ("--resume", "--study", "own", "--inline", "--trials", "3")
        refused = run(here, "tune", *resume)
        assert refused.returncode == 2 and f"name that file again: --space {space}" in refused.stderr
        assert len(refusal_lines(refused.stderr)) <= 2
        assert run(here, "tune", *resume, "--space", str(space)).returncode == 0

    def test_changed_it_is_asked_for_too(self, here: Path, space: Path) -> None:
        self.search(here, space)
        made = run(here, "ensemble", "--study", "own", "--out", "best")
        assert made.returncode == 0, made.stderr
        with (space.parent / "payload_of_mine.py").open("a") as file:
            file.write("# changed\n")
        resume = ("--resume", "--study", "own", "--inline", "--trials", "3")
        assert "name that file again" in run(here, "tune", *resume).stderr
        predict = ("--ensemble", "best", "--predict", "data/rows.csv")
        assert "look at that file, then say --trust" in run(here, "ensemble", *predict).stderr
        assert run(here, "ensemble", *predict, "--trust").returncode == 0

    def test_a_record_that_says_it_lay_elsewhere_is_not_believed(self, here: Path, space: Path) -> None:
        self.search(here, space)
        other = here / "received"
        ran = place(other / "payload_of_mine.py")
        journal = here / "runs" / "own" / "journal.jsonl"
        first, _, rest = journal.read_text().partition("\n")
        opened = json.loads(first)
        opened["header"]["own_code"]["space_file"] = str(other / "space.py")
        journal.write_text(json.dumps(opened) + "\n" + rest)
        refused = run(here, "tune", "--resume", "--study", "own", "--inline", "--trials", "3")
        assert refused.returncode == 2 and not ran.exists()
