"""One layout of images per file, with `LAYOUT`, `matches` and `read`, and a line in the table below."""

from __future__ import annotations

from orchestrator.data.importers import (
    class_folders,
    competition,
    competition_eval,
    file_names,
    plain_images,
    table,
    utkface,
)
from orchestrator.data.importers.contract import Importer

IMPORTERS: tuple[Importer, ...] = (
    competition,
    competition_eval,
    table,
    file_names,
    utkface,
    class_folders,
    plain_images,
)
"""Tried in this order: the first whose `matches` says yes reads the source. A refusal names them all."""
