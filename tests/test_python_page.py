"""docs/how-to/python.md and other pages with Python name what exists, with arguments that it takes."""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

import orchestrator as fo
from orchestrator.ensemble_record.record import EnsembleRecord

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "how-to" / "python.md").read_text()


def code(page: str) -> ast.Module:
    text = (DOCS / page).read_text()
    [block] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    return ast.parse(block)


@pytest.mark.parametrize("page, least", [("how-to/python.md", 7), ("explanation/ensembles.md", 1)])
def test_its_code_calls_what_exists_with_arguments_that_it_takes(page: str, least: int) -> None:
    calls = [node for node in ast.walk(code(page)) if isinstance(node, ast.Call)]
    own = [
        call
        for call in calls
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "fo"
    ]
    assert len(own) >= least
    for call in own:
        assert isinstance(call.func, ast.Attribute)
        named = {str(item.arg): None for item in call.keywords}
        inspect.signature(getattr(fo, call.func.attr)).bind(*call.args, **named)


@pytest.mark.parametrize("page", ["explanation/ensembles.md", "reference/ensemble_json.md"])
def test_what_it_asks_of_an_ensemble_is_there(page: str) -> None:
    of_record = {item.name for item in fields(EnsembleRecord)}
    of_ensemble = set(dir(fo.Ensemble)) | {item.name for item in fields(fo.Ensemble)}
    asked = [node for node in ast.walk(code(page)) if isinstance(node, ast.Attribute)]
    names = {(ast.unparse(node.value), node.attr) for node in asked}
    assert {attribute for owner, attribute in names if owner.lower() == "ensemble"} <= of_ensemble
    assert {attribute for owner, attribute in names if owner == "ensemble.record"} <= of_record
    for node in ast.walk(code(page)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("ensemble.", "Ensemble.")):
            method = inspect.signature(getattr(fo.Ensemble, str(ast.unparse(node.func)).split(".")[1]))
            given = node.args if "Ensemble" in ast.unparse(node.func) else [None, *node.args]
            method.bind(*given, **{str(item.arg): None for item in node.keywords})


def test_every_name_and_method_in_it_exists() -> None:
    for name in re.findall(r"\bfo\.(\w+)", PAGE):
        assert hasattr(fo, name), name
    for method in re.findall(r"^\| `(\w+)\(", PAGE, flags=re.MULTILINE):
        assert hasattr(fo.Study, method), method


def test_it_names_every_argument_of_search_that_is_no_option() -> None:
    arguments = set(inspect.signature(fo.search).parameters)
    assert {"space", "data", "budget", "backend", "progress", "say"} <= arguments
    assert all(f"| `{name}` |" in PAGE for name in ("space", "data", "budget", "backend", "progress", "say"))
