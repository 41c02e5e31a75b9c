"""docs/how-to/python.md names what exists, and its arguments are those of the functions."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import orchestrator as fo

PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "python.md").read_text()


def test_its_code_calls_what_exists_with_arguments_that_it_takes() -> None:
    [block] = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    calls = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    own = [
        call
        for call in calls
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "fo"
    ]
    assert len(own) >= 7
    for call in own:
        assert isinstance(call.func, ast.Attribute)
        named = {str(item.arg): None for item in call.keywords}
        inspect.signature(getattr(fo, call.func.attr)).bind(*call.args, **named)


def test_every_name_and_method_in_it_exists() -> None:
    for name in re.findall(r"\bfo\.(\w+)", PAGE):
        assert hasattr(fo, name), name
    for method in re.findall(r"^\| `(\w+)\(", PAGE, flags=re.MULTILINE):
        assert hasattr(fo.Study, method), method


def test_it_names_every_argument_of_search_that_is_no_option() -> None:
    arguments = set(inspect.signature(fo.search).parameters)
    assert {"space", "data", "budget", "backend", "progress", "say"} <= arguments
    assert all(f"| `{name}` |" in PAGE for name in ("space", "data", "budget", "backend", "progress", "say"))
