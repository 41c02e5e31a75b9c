"""Which layout a file or folder has, found without being told."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import ManifestError
from orchestrator.data.importers.class_folders import class_folders
from orchestrator.data.importers.competition import COMPETITION, competition_eval, competition_train
from orchestrator.data.importers.contract import SUFFIXES, Imported, images_in
from orchestrator.data.importers.table import table_rows
from orchestrator.data.importers.utkface import looks_like_utkface, utkface
from orchestrator.data.table_files import read_csv

TABLES = ("train.csv", "info.csv", "manifest.parquet", "manifest.csv", "labels.csv")


def detect(source: Path, path_column: str) -> Imported:
    """Rows of whatever `source` is. Raises ManifestError naming the layouts it knows."""
    if not source.exists():
        raise ManifestError(f"{source} does not exist; name a CSV or Parquet file or a folder of images")
    if source.is_file():
        return _detect_file(source, path_column)
    for place in (source, source / "train"):
        for name in TABLES:
            if (place / name).is_file():
                return _detect_file(place / name, path_column)
    return _detect_images(source)


def _detect_file(source: Path, path_column: str) -> Imported:
    if source.suffix.lower() not in (".csv", ".parquet"):
        raise ManifestError(f"{source} is neither CSV nor Parquet; name such a file or a folder of images")
    if source.name == "info.csv" and path_column not in read_csv(source):
        return competition_eval(source.parent)
    if source.name == "train.csv" and path_column == "path" and _is_competition(source):
        return competition_train(source.parent)
    return table_rows(source, path_column)


def _is_competition(source: Path) -> bool:
    """Its `path` names folders of photos, not photos."""
    frame = read_csv(source)
    if "path" in frame and any(Path(str(path)).suffix.lower() in SUFFIXES for path in frame["path"]):
        return False
    return set(COMPETITION) <= set(frame.columns) or (source.parent / "images").is_dir()


def _detect_images(folder: Path) -> Imported:
    for place in (folder, folder / "images"):
        names = images_in(place) if place.is_dir() else []
        if looks_like_utkface(names):
            return utkface(place, names)
    found = class_folders(folder)
    if found is None:
        raise ManifestError(
            f"{folder} holds no layout this project knows: train.csv with images/, info.csv with images/, "
            "labels.csv, manifest.csv or manifest.parquet, UTKFace names, or a folder per class"
        )
    return found
