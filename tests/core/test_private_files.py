"""Who may read what a study writes, what it must never hold, and what is never unpickled."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import pickle
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from orchestrator.core.private_files import private_files
from orchestrator.ensemble import __main__ as ensemble
from orchestrator.pseudo_labels import __main__ as pseudo_labels
from orchestrator.tune import __main__ as tune
from tests.support.drawn_images import classifier, write_dataset
from trainables.images.image_store import build_store, open_store

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "trainables", "search_spaces")
UNPICKLERS = {
    "pickle",
    "_pickle",
    "cPickle",
    "cloudpickle",
    "dill",
    "joblib",
    "shelve",
    "marshal",
    "jsonpickle",
}
SAFE_ARGUMENT = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
SAFE_ARGUMENT["numpy.load"] = SAFE_ARGUMENT["np.load"]


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def search(space: Path, data: Path, runs: Path, *more: str) -> int:
    words = ["--space", str(space), "--data", str(data), "--runs", str(runs), "--study", "a", "--smoke"]
    return tune.main([*words, "--inline", *more])


def open_to_others(folder: Path) -> list[str]:
    """What the group or others may read, write or enter, links aside."""
    found = [folder, *folder.rglob("*")]
    return [str(path) for path in found if not path.is_symlink() and path.stat().st_mode & 0o077]


# ---- --private ------------------------------------------------------------------------------------


def test_nothing_that_a_private_study_or_its_ensemble_writes_is_open_to_others(
    space_file: Path, faces: Path, tmp_path: Path, usual_umask: None
) -> None:
    runs = tmp_path / "runs"
    assert search(space_file, faces, runs, "--private") == 0
    assert tune.main(["--resume", "--runs", str(runs), "--inline", "--trials", "4", "--private"]) == 0
    words = ["--runs", str(runs), "--private", "--predict", str(unseen(faces, tmp_path))]
    assert ensemble.main([*words, "--out", str(runs / "a" / "ensemble-x")]) == 0
    folder = str(runs / "a" / "ensemble-x")
    out = ["--out", str(runs / "pseudo.parquet"), "--threshold", "0.1", "--private"]
    assert pseudo_labels.main(["--ensemble", folder, "--predict", words[-1], *out]) == 0
    written = [path for path in runs.rglob("*") if path.is_file()]
    assert len(written) > 25
    assert open_to_others(runs) == []


def test_without_it_files_are_as_everywhere_else(
    space_file: Path, faces: Path, tmp_path: Path, usual_umask: None
) -> None:
    assert search(space_file, faces, tmp_path / "runs") == 0
    journal = tmp_path / "runs" / "a" / "journal.jsonl"
    assert stat.S_IMODE(journal.stat().st_mode) == 0o644


@pytest.mark.parametrize(("private", "inside"), [(True, 0o077), (False, 0o022)])
def test_a_command_leaves_the_umask_of_its_process_as_it_was(
    private: bool, inside: int, usual_umask: None
) -> None:
    def umask() -> int:
        found = os.umask(0)
        os.umask(found)
        return found

    with pytest.raises(KeyError), private_files(private):
        assert umask() == inside
        raise KeyError
    assert umask() == 0o022


def unseen(faces: Path, tmp_path: Path) -> Path:
    """Images that no model was trained on."""
    folder = tmp_path / "unseen"
    folder.mkdir()
    lines = ["path"]
    for number, path in enumerate(sorted(faces.parent.glob("*.png"))[:6]):
        (folder / f"new{number}.png").write_bytes(path.read_bytes())
        lines.append(f"new{number}.png")
    (folder / "new.csv").write_text("\n".join(lines) + "\n")
    return folder / "new.csv"


# ---- secrets --------------------------------------------------------------------------------------

PATIENT = """
import functools, sys
from orchestrator.tune import run
from orchestrator.tune.__main__ import main
run.mirrored = functools.partial(run.mirrored, timeout_s=200.0)
sys.exit(main(sys.argv[1:]))
"""
"""A search that waits for its mirror, however long that takes to start beside other tests."""


@pytest.mark.slow
def test_no_key_or_token_of_the_environment_ends_in_a_run_folder(
    space_file: Path, faces: Path, tmp_path: Path
) -> None:
    """The mirror to Weights & Biases, which keeps files of its own there, included."""
    secrets = {
        "WANDB_API_KEY": "5ec7e7" + "a1" * 17,
        "RAY_AUTH_TOKEN": "5ec7e7" + "b2" * 29,
        "AWS_SECRET_ACCESS_KEY": "5ec7e7" + "c3" * 17,
        "AWS_SESSION_TOKEN": "5ec7e7" + "d4" * 40,
        "HF_TOKEN": "hf_5ec7e7" + "e5" * 14,
    }
    environ = {**os.environ, **secrets, "WANDB_MODE": "offline", "PYTHONPATH": str(ROOT)}
    words = ["--space", space_file, "--data", faces, "--runs", tmp_path / "runs", "--study", "a", "--smoke"]
    command = [sys.executable, "-c", PATIENT, *map(str, words), "--inline", "--wandb", "secrets"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=tmp_path, timeout=280)
    assert done.returncode == 0, done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("offline-run" in str(path) for path in files)  # the mirror did write
    holders = {
        f"{name} in {path.relative_to(tmp_path)}"
        for path in files
        for name, secret in secrets.items()
        if secret.encode() in path.read_bytes()
    }
    assert holders == set()
    assert not any(secret in done.stdout + done.stderr for secret in secrets.values())


# ---- nothing is unpickled -------------------------------------------------------------------------


def unpickling(source: str) -> list[str]:
    """What in a module's text could run what a file says."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [item.name for item in node.names if item.name.split(".")[0] in UNPICKLERS]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNPICKLERS:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.rpartition(".")[2] in ("read_pickle", "unsafe_load", "full_load"):
                found.append(name)
            argument, safe = SAFE_ARGUMENT.get(name, (None, None))
            given = [item.value for item in node.keywords if item.arg == argument]
            if argument and [getattr(value, "value", None) for value in given] != [safe]:
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_unpickles_a_file(package: str) -> None:
    modules = sorted((ROOT / package).rglob("*.py"))
    assert modules
    assert {str(path): found for path in modules if (found := unpickling(path.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import numpy as np\nnp.load(path)",
        "np.load(path, allow_pickle=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "pd.read_pickle(path)",
    ],
)
def test_what_unpickles_is_recognised(source: str) -> None:
    assert unpickling(source)
    safe = "torch.load(f, weights_only=True)\nnp.load(f, mmap_mode='r', allow_pickle=False)\njson.load(f)"
    assert not unpickling(safe)


class Poison:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (self.marker,)


def poisoned(name: str, marker: Path) -> bytes:
    """A file of that kind which makes `marker` wherever something unpickles it."""
    buffer = io.BytesIO()
    if name.endswith(".npy"):
        np.save(buffer, np.array([Poison(marker)], dtype=object), allow_pickle=True)
    elif name.endswith(".pt"):
        torch.save(Poison(marker), buffer)
    else:
        pickle.dump(Poison(marker), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["a.npy", "a.pt", "a.parquet"])
def test_the_poison_works(name: str, tmp_path: Path) -> None:
    data = poisoned(name, tmp_path / "bitten")
    readers: dict[str, Callable[[io.BytesIO], Any]] = {
        "a.npy": lambda file: np.load(file, allow_pickle=True),
        "a.pt": lambda file: torch.load(file, weights_only=False),
        "a.parquet": pickle.load,
    }
    readers[name](io.BytesIO(data))
    assert (tmp_path / "bitten").is_dir()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, faces: Path) -> Path:
    """A folder with runs/a, which has an ensemble, and unseen images."""
    from tests.conftest import SPACE

    place = tmp_path_factory.mktemp("finished")
    (place / "tint.py").write_text(SPACE)
    assert search(place / "tint.py", faces, place / "runs") == 0
    assert ensemble.main(["--runs", str(place / "runs"), "--out", str(place / "runs/a/ensemble-x")]) == 0
    unseen(faces, place)
    return place


def kinds(finished: Path) -> list[str]:
    """One file of every kind, relative to runs: the same names with other numbers are of one kind."""
    runs = finished / "runs"
    names = sorted(str(path.relative_to(runs)) for path in runs.rglob("*") if path.is_file())
    plain = {"".join("0" if letter.isdigit() else letter for letter in name): name for name in names}
    return sorted(plain.values())


READERS = (
    (tune, "--resume --study a --trials 4 --inline"),
    (ensemble, "--study runs/a --predict unseen/new.csv"),
    (ensemble, "--ensemble runs/a/ensemble-x --predict unseen/new.csv"),
    (pseudo_labels, "--study runs/a --predict unseen/new.csv --out p.parquet --threshold 0.1"),
)


def test_a_poisoned_file_of_any_kind_in_a_run_folder_bites_nobody(
    finished: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = kinds(finished)
    assert {Path(name).suffix for name in found} >= {".jsonl", ".parquet", ".safetensors", ".json"}
    for number, name in enumerate(found):
        place, marker = tmp_path / str(number), tmp_path / f"bitten-{number}"
        shutil.copytree(finished, place)
        (place / "runs" / name).write_bytes(poisoned(name, marker))
        monkeypatch.chdir(place)
        for command, words in READERS:
            with contextlib.suppress(SafetensorError):  # of the tests' own trainable; the real one refuses
                command.main(words.split())
        assert not marker.exists(), f"{name} was unpickled"


def test_a_poisoned_state_of_a_fold_run_is_refused(tmp_path: Path) -> None:
    fold_run = classifier(write_dataset(tmp_path, rows=18))
    with pytest.raises(pickle.UnpicklingError):
        fold_run.load_state(poisoned("a.pt", tmp_path / "bitten"))
    assert not (tmp_path / "bitten").exists()


def test_a_poisoned_image_store_is_refused(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path, rows=18)
    build_store(dataset, 20).write_bytes(poisoned("a.npy", tmp_path / "bitten"))
    with pytest.raises(ValueError, match=r"Array can't be memory-mapped: Python objects in dtype"):
        open_store(dataset, 20)
    assert not (tmp_path / "bitten").exists()
