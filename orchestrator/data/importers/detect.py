"""Which layout a file or folder has, found without being told."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import ManifestError
from orchestrator.data.importers import IMPORTERS
from orchestrator.data.importers.contract import Imported, Reading


def detect(source: Path, reading: Reading) -> Imported:
    """Rows of whatever `source` is. Raises ManifestError naming the layouts it knows."""
    if not source.exists():
        raise ManifestError(f"{source} does not exist; name a CSV or Parquet file or a folder of images")
    for importer in IMPORTERS:
        if importer.matches(source, reading):
            return importer.read(source, reading)
    if source.is_file():
        raise ManifestError(f"{source} is neither CSV nor Parquet; name such a file or a folder of images")
    *others, last = (importer.LAYOUT for importer in IMPORTERS)
    raise ManifestError(f"{source} holds no layout this project knows: {', '.join(others)}, or {last}")
