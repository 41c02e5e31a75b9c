"""What a dataset takes along to other machines: how to find its images there, and to know them again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.errors import StorageError
from orchestrator.image_files import read_files, survey
from orchestrator.local_data import holds, identity, refuse_other_root
from orchestrator.progress import progress_bar
from orchestrator.search.request import Request
from orchestrator.search.rows import draw_demo
from orchestrator.study import Study
from orchestrator.trial import Dataset, ImageFiles, Origin


def of_new_study(dataset: Dataset, request: Request) -> Dataset:
    """With its image files as they are now. Raises ManifestError where one is missing."""
    if request.data is None:
        return _with_origin(dataset, request, drawn=True, files=None)
    seed = int(dataset.fingerprint[:8], 16)
    with progress_bar("looking at the images") as progress:
        files = survey(Path(dataset.root), dataset.paths, seed, progress)
    return _with_origin(dataset, request, drawn=False, files=files)


def of_study(dataset: Dataset, request: Request, study: Study) -> Dataset:
    """With its image files as they were when the study was begun. Raises ManifestError."""
    if study.header.get("demo"):  # the cache may have been cleared since, or lie elsewhere now
        drawn = replace(dataset, root=str(draw_demo(request.runs).absolute()))
        return _with_origin(drawn, request, drawn=True, files=None)
    files = read_files(study.images_path, len(dataset.paths))
    sizes = None if files is None else files.sizes
    # Where the images are gone from their own place, the check of every machine says what it looked at.
    if request.data_root is not None and holds(Path(dataset.root), dataset.paths, sizes):
        refuse_other_root(request.data_root, dataset.paths, sizes)
    return _with_origin(dataset, request, drawn=False, files=files)


def _with_origin(dataset: Dataset, request: Request, drawn: bool, files: ImageFiles | None) -> Dataset:
    cache = Path(dataset.cache_dir)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {cache}: {error.strerror}; choose another --runs") from error
    data_root = None if request.data_root is None else str(request.data_root)
    return replace(dataset, origin=Origin(identity(cache), data_root, drawn, request.private, files))
