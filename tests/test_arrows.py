"""Imports go one way; the names of the rooms are the test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = [
    # records and what makes them from files
    {
        "errors",
        "node_facts",
        "nvidia_smi",
        "signals",
        "arguments",
        "command",
        "privacy",
        "whole_file",
        "trial",
        "targets",
        "cells",
        "metrics",
        "domains",
        "parameter_check",
        "space",
    },
    {"manifest", "importers", "layouts", "table_file", "splitting", "folds", "drawing", "demo_faces"}
    | {"label_fixes", "extra_rows", "image_files", "local_data"},
    # rules: pure functions
    {"cascade", "race", "budget", "sampling", "voting", "resampling", "estimate", "history", "space_file"}
    | {"additive"},
    # storage
    {"storage", "checkpoints", "predictions", "study", "exports", "submission"},
    {"execution", "progress", "tracking"},
    # commands and their parts
    {"search", "tune", "ensemble", "ensemble_folder", "ensemble_parts", "ensemble_scores"}
    | {"ensemble_report", "ensemble_write", "trained_on", "pseudo_labels", "check", "contact_sheet"}
    | {"doctor", "servers"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FOR_TRAINABLES = {"orchestrator.trial", "orchestrator.metrics", "orchestrator.errors"}


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


def rooms(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path) if name.startswith("orchestrator.")}


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", modules("orchestrator"), ids=ids)
def test_the_orchestrator_imports_only_from_its_own_layer_or_a_lower_one(path: Path) -> None:
    own = path.relative_to(ROOT / "orchestrator").parts[0].removesuffix(".py")
    if own == "__init__":
        return
    assert own in LEVEL, f"{own} has no layer; give it one here"
    above = {name for name in rooms(path) if LEVEL.get(name, 0) > LEVEL[own]}
    assert not above, f"{ids(path)} imports {above}, which stand above it"


@pytest.mark.parametrize("path", modules("orchestrator"), ids=ids)
def test_only_the_execution_room_imports_ray_and_nothing_imports_torch_or_a_trainable(path: Path) -> None:
    tops = {name.split(".")[0] for name in imported(path)}
    forbidden = {"torch", "timm", "albumentations", "trainables", "search_spaces"}
    if path.parent != ROOT / "orchestrator" / "execution":
        forbidden.add("ray")
    assert not tops & forbidden


@pytest.mark.parametrize("path", modules("orchestrator/race"), ids=ids)
def test_the_rules_know_no_files(path: Path) -> None:
    if path.name == "__main__.py":
        return  # the simulator's command line
    tops = {name.split(".")[0] for name in imported(path)}
    assert not tops & {"os", "pathlib", "shutil", "tempfile", "pyarrow", "time"}


@pytest.mark.parametrize("path", modules("trainables"), ids=ids)
def test_trainables_know_only_the_contract(path: Path) -> None:
    names = imported(path)
    assert not {name.split(".")[0] for name in names} & {"ray", "search_spaces", "wandb"}
    reached = {".".join(name.split(".")[:2]) for name in names if name.startswith("orchestrator")}
    assert reached - {"orchestrator"} <= FOR_TRAINABLES


@pytest.mark.parametrize("path", modules("search_spaces"), ids=ids)
def test_search_spaces_are_data(path: Path) -> None:
    tops = {name.split(".")[0] for name in imported(path)}
    assert tops <= {"orchestrator", "search_spaces", "__future__", "typing", "collections", "dataclasses"}
