"""A trainable or a metric beside the space file the user named: found, on workers too, noted in the study.

A space file that the user's own command names makes its folder importable. What a study or an ensemble says
of where its code lay is believed only of code that such a command named before (core/known_code.py): the
record may come from somebody else, and importing runs code.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.code_origin import closure, digest_of_files, entry, find_code, written_by_a_study
from orchestrator.core.errors import SearchSpaceError, StudyError, TrainableError
from orchestrator.core.known_code import check_named_code


@dataclass(frozen=True)
class OwnCode:
    """The modules beside a space file that it names, with what they import from there."""

    space_file: str  # absolute
    modules: tuple[str, ...]  # their first names: my_model of my_model.nets:sgd
    digest: str  # 64 hex digits over names and bytes of all its files
    entries: tuple[str, ...]  # absolute: .py files and package folders, what other servers are sent

    @property
    def folder(self) -> str:
        return str(Path(self.space_file).parent)

    def has(self, name: str) -> bool:
        """Whether "module:attribute" is in a module of that folder."""
        return entry(Path(self.folder), _first(name)) is not None

    def to_json(self) -> dict[str, Any]:
        record = {"space_file": self.space_file, "module": self.modules[0], "digest": self.digest}
        return record | ({"modules": list(self.modules)} if len(self.modules) > 1 else {})


def beside(space_file: Path, trainable: str, metric: str = "") -> OwnCode | None:
    """None: neither the trainable nor the metric is in a module of that folder; they are installed.

    metric: "module:function", or the name of one that everybody has. Raises SearchSpaceError for a folder
    that is a study's or an ensemble's, or lies below one.
    """
    path = space_file.resolve()
    named = {"trainable": trainable, "metric": metric if ":" in metric else ""}
    found = {
        f"its {kind} {name}": module
        for kind, name in named.items()
        if name and entry(path.parent, module := _first(name)) is not None
    }
    if not found:
        return None
    if (folder := written_by_a_study(path)) is not None:
        raise _refusal(path, next(iter(found)), folder)
    modules = tuple(dict.fromkeys(found.values()))
    entries = sorted({item for module in modules for item in closure(path.parent, module)})
    return OwnCode(str(path), modules, digest_of_files(path.parent, entries), tuple(map(str, entries)))


def _first(name: str) -> str:
    """my_model of my_model.nets:sgd"""
    return name.partition(":")[0].partition(".")[0]


@contextlib.contextmanager
def importable_beside(space_file: Path) -> Iterator[None]:
    """While a space file runs it may import what lies beside it; the folder comes last and hides nothing.

    Below a study or an ensemble nothing can be imported. Raises SearchSpaceError where the file tries to.
    """
    path = space_file.resolve()
    if (written := written_by_a_study(path)) is not None:
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
        if entry(space_file.parent, module) is None:
            raise
        raise _refusal(space_file, f"module {module} beside it", written) from error


def _refusal(space_file: Path, what: str, written: Path) -> SearchSpaceError:
    return SearchSpaceError(
        f"{space_file}: {what} lies below {written}, which a study or an ensemble wrote; "
        "code from there is not run: copy the space and its module to a folder of their own"
    )


def activate(code: OwnCode) -> None:
    """Makes the modules importable, here and in processes started from here.

    The folder comes last, so that it hides nothing. Raises SearchSpaceError where something hides a module.
    """
    _forget_namesakes(code.folder)
    _ACTIVE.update(dict.fromkeys(code.modules, code.folder))
    if code.folder not in sys.path:
        sys.path.append(code.folder)
    inherited = list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    if code.folder not in inherited:
        os.environ["PYTHONPATH"] = os.pathsep.join([*inherited, code.folder])
    importlib.invalidate_caches()
    for module in code.modules:
        _refuse_hidden(code, module)


def _refuse_hidden(code: OwnCode, module: str) -> None:
    found = importlib.util.find_spec(module)
    origin = Path(found.origin).resolve() if found is not None and found.origin else None
    if origin is None or Path(code.folder) not in origin.parents:
        raise SearchSpaceError(
            f"{code.space_file}: module {module} beside it is hidden by {origin or 'another one'}; "
            "give it another name"
        )


def known_beside(
    record: Mapping[str, Any] | None, names: Sequence[str], folder: Path, trust: bool = False
) -> OwnCode | None:
    """Makes importable what the study or ensemble in `folder` names, if it may be imported.

    record: its own_code. names: its trainable and metric; a name without a colon is no code. None: nothing of
    it is beside that space file, or Python finds it without. Raises TrainableError for code that is neither
    installed nor known here nor trusted.
    """
    space_file = None if record is None else Path(str(record["space_file"]))
    wanted = []
    for name in (name for name in names if ":" in name):
        check_named_code(name, folder, trust, None if space_file is None else space_file.parent)
        module = name.partition(":")[0]
        if module not in sys.modules and find_code(module) is None:
            wanted.append(name)
    own = None if not wanted or space_file is None else beside(space_file, *wanted)
    if own is not None:
        activate(own)
    return own


def known_or_named_again(
    record: Mapping[str, Any] | None, names: Sequence[str], study: Path, trust: bool
) -> OwnCode | None:
    """`known_beside` of a study to resume; names the space file to give again where it has one."""
    try:
        return known_beside(record, names, study, trust)
    except TrainableError as error:
        if record is None:
            raise
        reason = str(error).partition("\n")[0].rstrip(";:")
        raise StudyError(
            f"trainable {names[0]} lay beside {record['space_file']} when the study began; "
            f"name that file again: --space {record['space_file']}\n({reason})"
        ) from error


def check_recorded(record: Mapping[str, Any] | None, trainable: str, found: OwnCode | None) -> str:
    """What to tell of a resumed study's code; "" when there is nothing. found: of the --space given now.

    Raises StudyError where the module was beside the space file and cannot be imported now.
    """
    if record is None:
        return ""
    modules = record.get("modules") or [record["module"]]
    if found is not None:
        changed = not found.digest.startswith(record["digest"])  # 12 digits until version 0.2
        return f"note: {' or '.join(modules)} has changed since the study began" if changed else ""
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        what = f"trainable {trainable}" if missing[0] == _first(trainable) else f"module {missing[0]}"
        raise StudyError(
            f"{what} lay beside {record['space_file']} when the study began; "
            f"name that file again: --space {record['space_file']}"
        )
    return ""


def _forget_namesakes(folder: str) -> None:
    """Modules of the same names from beside another space file, in a process that loads several spaces."""
    for module, before in list(_ACTIVE.items()):
        if before == folder or entry(Path(folder), module) is None:
            continue
        for name in [name for name in sys.modules if name.partition(".")[0] == module]:
            del sys.modules[name]
        if before in sys.path:
            sys.path.remove(before)
        del _ACTIVE[module]


_ACTIVE: dict[str, str] = {}
"""Module -> the folder it was last made importable from."""
