"""The images that a command is asked to predict."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from orchestrator.core.errors import InputError
from orchestrator.core.text import counted
from orchestrator.data.image_names import is_image
from orchestrator.data.importers.contract import AS_FOUND, Reading
from orchestrator.data.manifest import Manifest, load_manifest


def load_rows(source: str | Path, reading: Reading = AS_FOUND, data_root: Path | None = None) -> Manifest:
    """The rows of a pattern such as "test/*.jpg", or of whatever `load_manifest` reads.

    Raises ManifestError, InputError.
    """
    if glob.has_magic(str(source)) and not Path(source).exists():
        return _matching(str(source))
    return load_manifest(Path(source), reading=reading, data_root=data_root)


def rows_to_predict(manifest: Manifest) -> tuple[Manifest, str]:
    """The rows with role test, or all if there are none, and a line that says which."""
    test = manifest.frame["role"] == "test"
    if not test.any():
        every = f"all {len(manifest)} rows" if len(manifest) > 1 else "the 1 row"
        return manifest, f"predicting {every} of {manifest.name} (none has role test)"
    kept = replace(manifest, frame=manifest.frame[test].reset_index(drop=True))
    others = len(manifest.frame) - len(kept.frame)
    left = f" ({others} others have roles that are trained on)" if others else ""
    return kept, f"predicting the {counted(len(kept.frame), 'row')} of {manifest.name} with role test{left}"


def image_paths(manifest: Manifest) -> list[str]:
    """Where each row's image lies on this machine."""
    return [str(manifest.root / path) for path in manifest.frame["path"]]


def _matching(pattern: str) -> Manifest:
    found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - a whole path
    images = [path for path in found if is_image(path.name) and path.is_file()]
    if not images:
        nothing = f"{counted(len(found), 'file')}, none of them an image" if found else "no file"
        raise InputError(f"--predict {pattern!r} matches {nothing}; correct the pattern")
    left = len(found) - len(images)
    kind = "1 match that is no image" if left == 1 else f"{left} matches that are no images"
    notes = (f"{pattern}: left out {kind}",) if left else ()
    return _rows_of_files(images, images[0].parent.name, notes)


def _rows_of_files(files: Sequence[Path], name: str, notes: tuple[str, ...] = ()) -> Manifest:
    root = Path(os.path.commonpath([file.parent.absolute() for file in files]))
    paths = [file.absolute().relative_to(root).as_posix() for file in files]
    frame = pd.DataFrame({"path": paths, "group": paths, "role": "test"}, dtype=object)
    return Manifest(frame, root, name, notes)
