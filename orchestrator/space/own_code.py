"""A trainable that lies beside the space file the user named: found, on workers too, and noted in the study.

Only a space file that the user's own command names makes a folder importable. What a study or an ensemble
says of where its code lay is for messages: it may come from somebody else, and importing runs code.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.errors import SearchSpaceError, StudyError

RECORDS = ("journal.jsonl", "ensemble.json")  # a folder with one of them is a study's or an ensemble's

PROJECT = ("orchestrator", "trainables", "search_spaces")
"""What every server has installed: a space file in a checkout's root does not make it anybody's own."""


@dataclass(frozen=True)
class OwnCode:
    """The module beside a space file that its trainable is in, with what it imports from there."""

    space_file: str  # absolute
    module: str  # its first name: my_model of my_model.nets:sgd
    digest: str  # 12 hex digits over names and bytes of all its files
    entries: tuple[str, ...]  # absolute: .py files and package folders, what other servers are sent

    @property
    def folder(self) -> str:
        return str(Path(self.space_file).parent)

    def to_json(self) -> dict[str, Any]:
        return {"space_file": self.space_file, "module": self.module, "digest": self.digest}


def beside(space_file: Path, trainable: str) -> OwnCode | None:
    """None: the trainable is no module of that folder, but an installed one.

    Raises SearchSpaceError for a folder that is a study's or an ensemble's, or lies below one.
    """
    path = space_file.resolve()
    module = trainable.partition(":")[0].partition(".")[0]
    if _entry(path.parent, module) is None:
        return None
    if (folder := _written_by_a_study(path)) is not None:
        raise _refusal(path, f"its trainable {trainable}", folder)
    entries = _closure(path.parent, module)
    return OwnCode(str(path), module, _digest(path.parent, entries), tuple(map(str, entries)))


@contextlib.contextmanager
def importable_beside(space_file: Path) -> Iterator[None]:
    """While a space file runs it may import what lies beside it; the folder comes last and hides nothing.

    Below a study or an ensemble nothing can be imported. Raises SearchSpaceError where the file tries to.
    """
    path = space_file.resolve()
    if (written := _written_by_a_study(path)) is not None:
        with _nothing_imported_beside(path, written):
            yield
        return
    folder = str(path.parent)
    _forget_namesakes(folder)
    sys.path.append(folder)
    try:
        yield
    finally:
        sys.path.reverse()  # so that the last of several equal entries goes, which is this one
        sys.path.remove(folder)
        sys.path.reverse()


@contextlib.contextmanager
def _nothing_imported_beside(space_file: Path, written: Path) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if _entry(space_file.parent, module) is None:
            raise
        raise _refusal(space_file, f"module {module} beside it", written) from error


def _written_by_a_study(space_file: Path) -> Path | None:
    """The nearest folder above that a study or an ensemble wrote; None: there is none."""
    return next(
        (folder for folder in space_file.parents if any((folder / name).exists() for name in RECORDS)), None
    )


def _refusal(space_file: Path, what: str, written: Path) -> SearchSpaceError:
    return SearchSpaceError(
        f"{space_file}: {what} lies below {written}, which a study or an ensemble wrote; "
        "code from there is not run: copy the space and its module to a folder of their own"
    )


def activate(code: OwnCode) -> None:
    """Makes the module importable, here and in processes started from here.

    The folder comes last, so that it hides nothing. Raises SearchSpaceError where something hides its module.
    """
    _forget_namesakes(code.folder)
    _ACTIVE[code.module] = code.folder
    if code.folder not in sys.path:
        sys.path.append(code.folder)
    inherited = list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    if code.folder not in inherited:
        os.environ["PYTHONPATH"] = os.pathsep.join([*inherited, code.folder])
    importlib.invalidate_caches()
    found = importlib.util.find_spec(code.module)
    origin = Path(found.origin).resolve() if found is not None and found.origin else None
    if origin is None or Path(code.folder) not in origin.parents:
        raise SearchSpaceError(
            f"{code.space_file}: module {code.module} beside it is hidden by {origin or 'another one'}; "
            "give it another name"
        )


def check_recorded(record: Mapping[str, Any] | None, trainable: str, found: OwnCode | None) -> str:
    """What to tell of a resumed study's code; "" when there is nothing. found: of the --space given now.

    Raises StudyError where the module was beside the space file and cannot be imported now.
    """
    if record is None:
        return ""
    module = record["module"]
    if found is not None:
        changed = found.digest != record["digest"]
        return f"note: {module} has changed since the study began" if changed else ""
    if importlib.util.find_spec(module) is None:
        raise StudyError(
            f"trainable {trainable} lay beside {record['space_file']} when the study began; "
            f"name that file again: --space {record['space_file']}"
        )
    return ""


def _forget_namesakes(folder: str) -> None:
    """Modules of the same names from beside another space file, in a process that loads several spaces."""
    for module, before in list(_ACTIVE.items()):
        if before == folder or _entry(Path(folder), module) is None:
            continue
        for name in [name for name in sys.modules if name.partition(".")[0] == module]:
            del sys.modules[name]
        if before in sys.path:
            sys.path.remove(before)
        del _ACTIVE[module]


_ACTIVE: dict[str, str] = {}
"""Module -> the folder it was last made importable from."""


def _entry(folder: Path, module: str) -> Path | None:
    """The package's folder or the file of a module that lies there and does not come with the project."""
    if module in PROJECT:
        return None
    if (folder / module / "__init__.py").is_file():
        return folder / module
    file = folder / f"{module}.py"
    return file if file.is_file() else None


def _closure(folder: Path, module: str) -> list[Path]:
    """Its entry and those of all modules beside it that it imports, directly or not; sorted."""
    waiting, found = [module], dict[str, Path]()
    while waiting:
        name = waiting.pop()
        entry = _entry(folder, name)
        if entry is not None and name not in found:
            found[name] = entry
            waiting += sorted(set().union(*(_imports(file) for file in _files(entry))))
    return sorted(found.values())


def _files(entry: Path) -> list[Path]:
    return sorted(entry.rglob("*.py")) if entry.is_dir() else [entry]


def _imports(file: Path) -> set[str]:
    """First names of what it imports; none for a file that is no Python, which importing will say better."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {item.name.partition(".")[0] for item in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def _digest(folder: Path, entries: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in [file for entry in entries for file in _files(entry)]:
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]
