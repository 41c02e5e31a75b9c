"""Folders that would pass for classes and are none: they are refused with what to name instead."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

from orchestrator.core.errors import ManifestError
from orchestrator.core.text import shortened
from orchestrator.data.importers.listing import CONTAINERS

_PERHAPS_CLASSES = frozenset(("photos", "pictures"))  # beside drawings, say


def refuse_folders_that_are_no_classes(path: Path, folders: Collection[str]) -> None:
    """folders: those of the images below that of the data, from the class on. Raises ManifestError."""
    below: defaultdict[str, set[str]] = defaultdict(set)
    for folder in sorted(folders):
        label, _, deeper = folder.partition("/")
        below[label].update([deeper.split("/")[0]] if deeper else [])
    if len(below) > 1:
        _refuse_a_container(path, below)
        _refuse_the_classes_once_more(path, below)
        _refuse_two_levels(path, below)


def _refuse_a_container(path: Path, below: Mapping[str, set[str]]) -> None:
    """images/ beside annotations/ or masks/."""
    name = next((name for name in below if name.lower() in CONTAINERS - _PERHAPS_CLASSES), None)
    if name is not None:
        others = shortened([other for other in below if other != name])
        raise ManifestError(
            f"{path}: folder {name!r} beside {others} would pass for a class; name the folder whose images "
            f"are meant, for example {_data(path / name)}, or rename it if it is a class"
        )


def _refuse_the_classes_once_more(path: Path, below: Mapping[str, set[str]]) -> None:
    """cells/sick/, cells/well/, cells/cells/sick/, cells/cells/well/: what some archives unpack to."""
    name = next((name for name in below if len(below[name] & below.keys()) > 1), None)
    if name is not None:
        again = shortened(sorted(below[name] & below.keys()))
        raise ManifestError(
            f"{path}: folder {name!r} holds {again} once more and would pass for a class beside them; name "
            f"it alone, {_data(path / name)}, or move it away"
        )


def _refuse_two_levels(path: Path, below: Mapping[str, set[str]]) -> None:
    """colour/cat/, colour/dog/, grey/cat/, grey/dog/. A patient 1 in every class is no second answer."""
    first, *others = below.values()
    identities = any(character.isdigit() for name in first for character in name)
    if len(first) > 1 and all(other == first for other in others) and not identities:
        raise ManifestError(
            f"{path}: each of the folders {shortened([*below])} holds {shortened(sorted(first))}, so either "
            f"may be the classes; name one, for example {_data(path / next(iter(below)))}, or say "
            "which is the class, for example --class-pattern '^([^/]+)/'"
        )


def _data(folder: Path) -> str:
    return f"--data {shlex.quote(str(folder))}"
