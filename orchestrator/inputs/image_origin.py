"""What a dataset takes along to other machines: how to find its images there, and to know them again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from orchestrator.core.dataset import Dataset, ImageFiles, ImageLocator
from orchestrator.core.errors import StorageError
from orchestrator.data.image_record import read_files, record_images
from orchestrator.data.image_roots import folder_identity, has_images, refuse_other_root
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.rows import draw_demo
from orchestrator.progress import progress_bar
from orchestrator.study.study import Study


def of_new_study(dataset: Dataset, options: DataOptions) -> Dataset:
    """With its image files as they are now. Raises ManifestError where one is missing."""
    if options.data is None:
        return _with_origin(dataset, options, drawn=True, files=None)
    seed = int(dataset.fingerprint[:8], 16)
    with progress_bar("looking at the images") as progress:
        files = record_images(Path(dataset.root), dataset.paths, seed, progress)
    return _with_origin(dataset, options, drawn=False, files=files)


def of_study(dataset: Dataset, options: DataOptions, study: Study) -> Dataset:
    """With its image files as they were when the study was begun. Raises ManifestError."""
    if study.header.demo:  # the cache may have been cleared since, or lie elsewhere now
        drawn = replace(dataset, root=str(draw_demo(options.runs).absolute()))
        return _with_origin(drawn, options, drawn=True, files=None)
    files = read_files(study.files.images, len(dataset.paths))
    sizes = None if files is None else files.sizes
    # Where the images are gone from their own root, the check of every machine says what it looked at.
    if options.data_root is not None and has_images(Path(dataset.root), dataset.paths, sizes):
        refuse_other_root(options.data_root, dataset.paths, sizes)
    return _with_origin(dataset, options, drawn=False, files=files)


def _with_origin(dataset: Dataset, options: DataOptions, drawn: bool, files: ImageFiles | None) -> Dataset:
    cache = Path(dataset.cache_dir)
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make {cache}: {error.strerror}; choose another --runs") from error
    data_root = None if options.data_root is None else str(options.data_root)
    return replace(
        dataset, origin=ImageLocator(folder_identity(cache), data_root, drawn, options.private, files)
    )
