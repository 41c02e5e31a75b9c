"""Whether a search could begin, found out without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.callbacks import Announce
from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Parameter, load_trainable
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.dataset import values_of
from orchestrator.inputs.study_data import gather_data
from orchestrator.progress import progress_bar
from orchestrator.space import SearchSpace


@dataclass(frozen=True)
class CheckedSearch:
    accepted: Mapping[str, Parameter]  # what the trainable takes, by name
    dataset: Dataset  # what its fold runs would see


def check_search(space: SearchSpace, options: DataOptions, seed: int, say: Announce) -> CheckedSearch:
    """Raises InputError for the first thing a search would refuse. seed: of the folds.

    The trainable looks at its own little languages and at the data, where it has a `check_values`, and at
    every image, where it has a `check_images`.
    """
    trainable = load_trainable(space.trainable)
    accepted = trainable.parameters()
    space.check_parameters(accepted)
    dataset = gather_data(options, space, seed, say).dataset
    values = values_of(space, accepted)
    check_values = getattr(trainable, "check_values", None)
    if check_values is not None:
        check_values(values, dataset)
    check_images = getattr(trainable, "check_images", None)
    if check_images is not None:
        with progress_bar("decoding images") as progress:
            told = check_images(values, dataset, progress)
        for line in told:
            say(line)
    return CheckedSearch(accepted, dataset)
