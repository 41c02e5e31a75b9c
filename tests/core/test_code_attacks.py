"""More ways in which a record of somebody else could make this program run what they sent."""

from __future__ import annotations

import importlib.util
import json
import marshal
import os
import shutil
import struct
import sys
from pathlib import Path

import pytest

from orchestrator.core import code_origin
from orchestrator.core.code_origin import closure, digest_of_files, entry
from orchestrator.core.errors import TrainableError
from orchestrator.core.known_code import check_named_code, remember_names
from orchestrator.core.trainable import load_trainable
from orchestrator.tune.__main__ import main as tune
from tests.core.test_known_code import as_a_process_of_its_own, place
from tests.support.small_study import MADE


@pytest.fixture(autouse=True)
def nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def forge_cache(source: Path, ran: Path) -> None:
    """Other code in `__pycache__`, with the time and the size of the source, as Python checks them."""
    code = compile(f"import pathlib; pathlib.Path({str(ran)!r}).touch()\nX = None", str(source), "exec")
    cache = Path(importlib.util.cache_from_source(source))
    cache.parent.mkdir(exist_ok=True)
    about = source.stat()
    header = importlib.util.MAGIC_NUMBER + struct.pack("<III", 0, int(about.st_mtime), about.st_size)
    cache.write_bytes(header + marshal.dumps(code))


@pytest.mark.parametrize("name", ["payload_source", "payload_package.inner"])
def test_what_is_run_is_the_source_that_was_looked_at(tmp_path: Path, name: str) -> None:
    source = tmp_path / Path(*name.split(".")).with_suffix(".py")
    source.parent.mkdir(exist_ok=True)
    source.write_text("from tests.pixel_trainable import PixelTrainable as X\n")
    for file in (source, *([source.parent / "__init__.py"] if "." in name else [])):
        file.touch()
        forge_cache(file, tmp_path / "it_ran")
    with as_a_process_of_its_own(tmp_path):
        check_named_code(f"{name}:X", tmp_path / "elsewhere", trust=True)
        assert load_trainable(f"{name}:X").__name__ == "PixelTrainable"
    assert not (tmp_path / "it_ran").exists()


@pytest.mark.parametrize(
    "name", ["code:interact", "os:abort", "builtins:breakpoint", "pickle:loads", "pdb:set_trace"]
)
def test_a_module_of_pythons_own_is_neither_trainable_nor_metric(tmp_path: Path, name: str) -> None:
    for trust in (False, True):
        with pytest.raises(TrainableError, match="a module of Python itself"):
            check_named_code(name, tmp_path, trust=trust)


def test_nor_is_one_called_as_the_metric_of_a_received_study(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(MADE / "studies", tmp_path / "runs")
    journal = tmp_path / "runs" / "killed" / "journal.jsonl"
    journal.write_text(journal.read_text().replace('"metric": "macro_f1"', '"metric": "os:abort"', 1))
    words = ["--resume", "--study", "killed", "--runs", str(tmp_path / "runs"), "--inline", "--trust"]
    assert tune([*words, "--data-root", str(MADE / "data")]) == 2
    assert "a module of Python itself" in capsys.readouterr().err


def test_code_beside_studies_inside_a_package_is_not_that_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever keeps runs in a folder of what is installed has them sent there."""
    package = tmp_path / "installed_package"
    shutil.copytree(MADE / "studies", package / "runs")
    (package / "__init__.py").touch()
    place(package / "runs" / "payload.py")
    (package / "model.py").write_text("from tests.pixel_trainable import PixelTrainable as X\n")
    monkeypatch.setattr(code_origin, "_package_folders", lambda: (tmp_path.resolve(),))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TrainableError, match="code from there is not run"):
        check_named_code("installed_package.runs.payload:X", package / "runs" / "killed", trust=True)
    check_named_code("installed_package.model:X", package / "runs" / "killed")


@pytest.mark.parametrize("init", [True, False])
def test_a_helper_in_a_folder_beside_it_counts_with_the_code(
    tmp_path: Path, init: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python imports from folders without an __init__.py too."""
    (tmp_path / "model_with_help.py").write_text("from helpers_of_it import layers\nX = 1\n")
    helpers = tmp_path / "helpers_of_it"
    helpers.mkdir()
    (helpers / "layers.py").write_text("DEPTH = 3\n")
    if init:
        (helpers / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    found = closure(tmp_path, "model_with_help")
    assert helpers in found
    before = digest_of_files(tmp_path, found)
    (helpers / "layers.py").write_text("DEPTH = 4\n")
    assert digest_of_files(tmp_path, found) != before
    remember_names(["model_with_help:X"], print)
    check_named_code("model_with_help:X", tmp_path / "elsewhere")
    (helpers / "layers.py").write_text("import os\n")
    with pytest.raises(TrainableError, match="no command of yours has named before"):
        check_named_code("model_with_help:X", tmp_path / "elsewhere")


def test_a_folder_that_an_installed_package_hides_is_no_code_of_ones_own(tmp_path: Path) -> None:
    for name in ("numpy", "json", "nothing_in_it"):
        (tmp_path / name).mkdir()
    (tmp_path / "numpy" / "x.py").touch()
    (tmp_path / "json" / "x.py").touch()
    assert [entry(tmp_path, name) for name in ("numpy", "json", "nothing_in_it")] == [None] * 3


def test_a_place_that_the_record_says_is_not_believed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """own_code of a received study leads to code that somebody put elsewhere on this machine."""
    ran = place(tmp_path / "shared" / "payload_elsewhere.py")
    (tmp_path / "shared" / "space.py").touch()
    shutil.copytree(MADE / "studies", tmp_path / "runs")
    journal = tmp_path / "runs" / "killed" / "journal.jsonl"
    first, _, rest = journal.read_text().partition("\n")
    opened = json.loads(first)
    opened["header"]["own_code"] = {
        "space_file": os.path.relpath(tmp_path / "shared" / "space.py"), "module": "payload_elsewhere",
        "digest": "0" * 64,
    }  # fmt: skip
    opened["header"]["space"]["trainable"] = "payload_elsewhere:X"
    journal.write_text(json.dumps(opened) + "\n" + rest)
    words = ["--resume", "--study", "killed", "--runs", str(tmp_path / "runs"), "--inline"]
    assert tune([*words, "--data-root", str(MADE / "data")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) <= 3
    assert not ran.exists() and "payload_elsewhere" not in sys.modules
