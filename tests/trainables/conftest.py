from pathlib import Path

import pytest

from orchestrator.core.dataset import Dataset
from tests.support.drawn_images import write_dataset, write_labels_dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Nothing may write to it but the image store."""
    return write_dataset(Path(tmp_path_factory.mktemp("images")))


@pytest.fixture(scope="session")
def labels_dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Of rows with several labels. Nothing may write to it but the image store."""
    return write_labels_dataset(Path(tmp_path_factory.mktemp("labels")))
