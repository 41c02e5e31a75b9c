"""Imports go one way. A room may import the rooms of its own line and of the lines above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = """
    core machine
    cli data storage
    race space demo
    sampling budget evaluation study
    progress pages ensemble_record
    inputs
    snapshot
    study_checks studies
    report
    tracking ensemble
    execution pseudo_labels audit
    tune check doctor servers testing completion
"""
LEVEL = {room: level for level, line in enumerate(ORDER.strip().splitlines()) for room in line.split()}

NEVER = {
    # room: what none of its modules may import
    "core": {"cv2", "rich", "ray", "torch", "pyarrow"},
    "data": {"cv2", "rich", "ray", "torch"},
    "evaluation": {"cv2", "rich", "ray", "torch", "pathlib", "os"},
    "race": {"cv2", "rich", "ray", "torch", "os", "pathlib", "shutil", "tempfile", "pyarrow", "time"},
    "budget": {"cv2", "rich", "ray", "torch", "os", "pathlib"},
}
MODELS = {"torch", "timm", "albumentations", "trainables", "search_spaces"}
SIMULATE = ROOT / "orchestrator" / "race" / "simulate"
COMMAND_LINES = {SIMULATE / "__main__.py", SIMULATE / "command.py"}
FORMER_NAMES = {ROOT / "orchestrator" / "node_facts.py"}  # asked for by doctors of version 0.1


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module a file imports, wherever in the file, as dotted names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {item.name for item in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the arrows"
            found |= {node.module or ""}
            found |= {f"{node.module}.{item.name}" for item in node.names}
    return found


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(path)}


def rooms(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path) if name.startswith("orchestrator.")}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "orchestrator").parts[0]


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_orchestrator_folder_shows_rooms_only() -> None:
    folder = ROOT / "orchestrator"
    loose = {path for path in folder.glob("*.py") if path.name not in ("__init__.py", "__main__.py")}
    assert loose <= FORMER_NAMES
    packages = {path.name for path in folder.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert packages == set(LEVEL), "give a new room its line in ORDER"


def test_tests_mirror_the_rooms() -> None:
    here = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert here - {"competitions", "lab", "support", "trainables", "search_spaces", "benchmarks"} <= set(
        LEVEL
    )


@pytest.mark.parametrize("path", modules("orchestrator"), ids=ids)
def test_a_room_imports_only_from_its_own_line_or_one_above_it(path: Path) -> None:
    room = room_of(path)
    if path.parent == ROOT / "orchestrator":
        return  # the front door and the former names look into every room
    later = {name for name in rooms(path) if LEVEL.get(name, 0) > LEVEL[room]}
    assert not later, f"{ids(path)} imports {later}, which stand below {room} in ORDER"


@pytest.mark.parametrize("path", modules("orchestrator"), ids=ids)
def test_ray_is_imported_below_execution_on_ray_alone_and_no_model_anywhere(path: Path) -> None:
    assert not tops(path) & MODELS
    if ROOT / "orchestrator" / "execution" / "on_ray" not in path.parents:
        assert "ray" not in tops(path)


@pytest.mark.parametrize(
    "path", [path for room in NEVER for path in modules(f"orchestrator/{room}")], ids=ids
)
def test_pure_rooms_stay_pure(path: Path) -> None:
    if path not in COMMAND_LINES:
        assert not tops(path) & NEVER[room_of(path)]


@pytest.mark.parametrize("path", modules("trainables"), ids=ids)
def test_trainables_see_the_core_room_alone(path: Path) -> None:
    assert not tops(path) & {"ray", "search_spaces", "wandb"}
    assert rooms(path) <= {"core"}


@pytest.mark.parametrize("path", modules("search_spaces"), ids=ids)
def test_search_spaces_are_data(path: Path) -> None:
    assert tops(path) <= {
        "orchestrator",
        "search_spaces",
        "__future__",
        "typing",
        "collections",
        "dataclasses",
    }
