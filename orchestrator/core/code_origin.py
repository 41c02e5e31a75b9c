"""Where a module lies and what is in it, found without importing anything: importing would run it."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
import site
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.metadata import Distribution, distributions, packages_distributions
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orchestrator.core.source_imports import compile_sources_of

PROJECT = ("orchestrator", "trainables", "search_spaces")
"""What every server has installed: a space file in a checkout's root does not make it anybody's own."""

_ROOT = Path(__file__).resolve().parents[2]
_LOADERS = (  # in Python's order
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)
_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")
"""Where statements have statements inside: an import is one, and expressions, most of a file, have none."""
JOURNAL = "journal.jsonl"
RECORDS = (JOURNAL, "ensemble.json")
"""A folder with one of them is a study's or an ensemble's."""


@dataclass(frozen=True)
class CodeOrigin:
    """What importing "package.module" would run."""

    module: str  # dotted
    files: tuple[Path, ...]  # as Python names them: __init__.py of each package above, then the module's own

    @property
    def origin(self) -> Path:
        """The module's own file, links followed."""
        return self.files[-1].resolve()

    @property
    def root(self) -> Path:
        """The folder in which Python looks for its first name."""
        above = self.module.count(".") + (self.files[-1].name == "__init__.py")
        return self.files[-1].absolute().parents[above]

    @functools.cached_property
    def digest(self) -> str:
        """64 hex digits over names and bytes of its files and of what they import from beside them."""
        return digest_of_files(self.root, closure(self.root, self.module.partition(".")[0]) or [self.origin])


def find_code(module: str, folder: Path | None = None) -> CodeOrigin | None:
    """None where Python finds no such file. folder: where it is looked for, if not where Python looks."""
    first, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(first) if folder is None else _inside([str(folder)], first)
    except (ImportError, ValueError):  # ValueError: a module that was made without a file, such as __main__
        return None
    found = [spec]
    for part in rest:
        locations = None if spec is None else spec.submodule_search_locations
        spec = None if locations is None else _inside(locations, part)
        found.append(spec)
    files = [Path(item.origin) for item in found if item is not None and item.has_location and item.origin]
    return CodeOrigin(module, tuple(files)) if spec is not None and spec.has_location else None


def _inside(locations: Iterable[str], name: str) -> ModuleSpec | None:
    """What a package with these folders has under that name; Python's own finder would import the package."""
    portions: list[str] = []
    for location in locations:
        spec = FileFinder(location, *_LOADERS).find_spec(name)
        if spec is not None and spec.loader is not None:
            return spec
        portions += [] if spec is None else spec.submodule_search_locations or []
    if not portions:
        return None
    spec = ModuleSpec(name, None, is_package=True)  # folders without an __init__.py
    spec.submodule_search_locations = portions
    return spec


def written_by_a_study(file: Path) -> Path | None:
    """The nearest folder above that a study or an ensemble wrote; None: there is none."""
    return next(
        (folder for folder in file.parents if any((folder / name).exists() for name in RECORDS)), None
    )


# ---- installed ------------------------------------------------------------------------------------


def is_installed(code: CodeOrigin) -> bool:
    """Whether it comes with this project or an installed package; Python's own modules don't count."""
    first = code.module.partition(".")[0]
    if first in (*PROJECT, "tests") and code.origin.is_relative_to(_ROOT / first):
        return True
    if first in sys.stdlib_module_names:
        return False
    if any(code.origin.is_relative_to(folder) for folder in _package_folders()):
        return True
    return _is_editable(first, code.origin)


@functools.cache
def _package_folders() -> tuple[Path, ...]:
    own = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    users = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return tuple({Path(folder).resolve() for folder in [*own, *users]})


def _is_editable(first: str, file: Path) -> bool:
    """Whether it lies where `pip install -e` found a distribution that provides the name `first`."""
    around = {
        item.name
        for item in distributions()
        if (folder := _editable_folder(item)) is not None and file.is_relative_to(folder)
    }
    # Which names each distribution provides takes a good part of a second to find.
    return bool(around) and not around.isdisjoint(packages_distributions().get(first, ()))


def _editable_folder(item: Distribution) -> Path | None:
    record = json.loads(item.read_text("direct_url.json") or "{}")
    if not record.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(record["url"]).path)).resolve()


def compile_own(module: str) -> None:
    """What is imported of it from now on is what its source says, where it is nobody's package."""
    code = None if module in sys.modules else find_code(module)
    installed = (_ROOT, *_package_folders())
    if code is not None and not any(code.origin.is_relative_to(folder) for folder in installed):
        compile_sources_of(code.root)


# ---- contents -------------------------------------------------------------------------------------


def entry(folder: Path, module: str) -> Path | None:
    """The package's folder or the file of a module that lies there and does not come with the project."""
    if module in PROJECT:
        return None
    if (folder / module / "__init__.py").is_file():
        return folder / module
    file = folder / f"{module}.py"
    if file.is_file():
        return file
    return folder / module if _is_without_init(folder, module) else None


def _is_without_init(folder: Path, module: str) -> bool:
    """Whether it is a package there without an __init__.py, which any other module of that name hides."""
    if module in sys.stdlib_module_names or not (folder / module).is_dir():
        return False
    others = [path for path in sys.path if Path(path).absolute() != folder.absolute()]
    found = PathFinder.find_spec(module, others)
    return (found is None or not found.has_location) and any((folder / module).rglob("*.py"))


def closure(folder: Path, module: str) -> list[Path]:
    """Its entry and those of all modules beside it that it imports, directly or not; sorted."""
    waiting, found = [module], dict[str, Path]()
    while waiting:
        name = waiting.pop()
        place = entry(folder, name)
        if place is not None and name not in found:
            found[name] = place
            waiting += sorted(set().union(*(_imports(file.read_bytes()) for file in _files(place))))
    return sorted(found.values())


def digest_of_files(folder: Path, entries: Sequence[Path]) -> str:
    """64 hex digits over names and bytes of .py files and of those in package folders."""
    digest = hashlib.sha256()
    for file in [file for item in entries for file in _files(item)]:
        content = file.read_bytes()
        name = file.relative_to(folder) if file.is_relative_to(folder) else Path(file.name)
        digest.update(f"{name.as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _files(place: Path) -> list[Path]:
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]


@functools.lru_cache(maxsize=4096)  # a command asks for the same files several times
def _imports(source: bytes) -> frozenset[str]:
    """First names of what a file imports; none for one that is no Python, which importing will say better."""
    try:
        waiting: list[ast.AST] = [ast.parse(source)]
    except (SyntaxError, ValueError):
        return frozenset()
    names: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names |= {item.name.partition(".")[0] for item in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
        for field in _BLOCKS:
            waiting += getattr(node, field, ())
    return frozenset(names)
