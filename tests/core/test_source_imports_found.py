"""What a file imports is found wherever a statement can stand, without running it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from orchestrator.core import code_origin

NESTED = b"""
import a.b
def f():
    from c import d
    class E:
        import e
        async def g(self):
            async with f: import g1
for x in y:
    if x: import h
    elif y: import i
    else: import j
else: from k.l import m
while x: import n
with x:
    try: import o
    except ValueError: import p
    else: import q
    finally: import r
try: import s
except* ValueError: import t
match x:
    case 1: import u
    case _:
        from . import own
        from .v import w
"""


def test_an_import_is_found_in_every_kind_of_block() -> None:
    names = {"a", "c", "e", "g1", "h", "i", "j", "k", "n", "o", "p", "q", "r", "s", "t", "u"}
    assert code_origin._imports(NESTED) == names


def test_no_import_of_this_project_is_missed() -> None:
    """Against a look at every node of every file."""
    for file in Path(code_origin.__file__).parents[1].rglob("*.py"):
        source = file.read_bytes()
        nodes = list(ast.walk(ast.parse(source)))
        plain = {item.name for node in nodes if isinstance(node, ast.Import) for item in node.names}
        parts = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
        assert code_origin._imports(source) == {str(name).partition(".")[0] for name in plain | parts}, file


def test_what_no_python_can_read_imports_nothing() -> None:
    assert code_origin._imports(b"import a\nthis is no python\n") == frozenset()
    assert code_origin._imports(b"import a\0") == frozenset()


def test_the_same_source_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command digests the code of a space several times."""
    read: list[bytes] = []
    parse = ast.parse
    monkeypatch.setattr(code_origin.ast, "parse", lambda source: read.append(source) or parse(source))
    (tmp_path / "my_first.py").write_text("import my_second  # of this test alone\n")
    (tmp_path / "my_second.py").write_text("value = 'of this test alone'\n")
    found = [code_origin.closure(tmp_path, "my_first") for _ in range(3)]
    assert found == [[tmp_path / "my_first.py", tmp_path / "my_second.py"]] * 3 and len(read) == 2
    (tmp_path / "my_second.py").write_text("import my_third  # it was changed meanwhile\n")
    (tmp_path / "my_third.py").write_text("")
    assert len(code_origin.closure(tmp_path, "my_first")) == 3, "its contents count, not its name"
