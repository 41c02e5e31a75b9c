"""Whether a search could begin, found out without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.callbacks import Announce
from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Parameter, load_trainable
from orchestrator.inputs.data_options import DataOptions
from orchestrator.inputs.dataset import values_of
from orchestrator.inputs.study_data import StudyData, gather_data
from orchestrator.progress import progress_bar
from orchestrator.space import SearchSpace


@dataclass(frozen=True)
class CheckedSearch:
    accepted: Mapping[str, Parameter]  # what the trainable takes, by name
    data: StudyData  # rows, folds, and what fold runs would see of them

    @property
    def dataset(self) -> Dataset:
        return self.data.dataset


def check_search(space: SearchSpace, options: DataOptions, seed: int, say: Announce) -> CheckedSearch:
    """Raises InputError for the first thing a search would refuse. seed: of the folds.

    The trainable looks at its own little languages and at the data, where it has a `check_values`, and at
    every image, where it has a `check_images`.
    """
    found = check_settings(space, options, seed, say)
    check_images(space, found, say)
    return found


def check_settings(space: SearchSpace, options: DataOptions, seed: int, say: Announce) -> CheckedSearch:
    """`check_search` without a look at the images."""
    trainable = load_trainable(space.trainable)
    accepted = trainable.parameters()
    space.check_parameters(accepted)
    data = gather_data(options, space, seed, say)
    check_values = getattr(trainable, "check_values", None)
    if check_values is not None:
        check_values(values_of(space, accepted), data.dataset)
    return CheckedSearch(accepted, data)


def check_images(space: SearchSpace, found: CheckedSearch, say: Announce) -> None:
    """The rest of `check_search`: every image, where the trainable looks at them."""
    check = getattr(load_trainable(space.trainable), "check_images", None)
    if check is None:
        return
    with progress_bar("decoding images") as progress:
        told = check(values_of(space, found.accepted), found.dataset, progress)
    for line in told:
        say(line)
