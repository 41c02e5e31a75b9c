"""Modules of a user's own are compiled from their source whenever they are imported.

Python would rather run what lies in `__pycache__`, if a time in there is that of the source: whoever sent a
module can have put something else there than what its source says, which is what the user read.
"""

from __future__ import annotations

import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path
from types import CodeType

_FOLDERS: set[Path] = set()


class _FromSource(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code


def compile_sources_of(folder: Path) -> None:
    """From now on, for what is imported from that folder and those below it in this process."""
    if folder in _FOLDERS:
        return
    if not _FOLDERS:
        sys.path_hooks.insert(0, _finder)
    _FOLDERS.add(folder)
    for path in [path for path in sys.path_importer_cache if Path(path).is_relative_to(folder)]:
        del sys.path_importer_cache[path]


def _finder(path: str) -> FileFinder:
    """Python's own but for the loader. Raises ImportError for folders that are none of the user's own."""
    place = Path(path)
    if not any(place.is_relative_to(folder) for folder in _FOLDERS):
        raise ImportError
    return FileFinder(
        path,
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (_FromSource, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )
