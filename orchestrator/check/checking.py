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
from orchestrator.space import SearchSpace


@dataclass(frozen=True)
class CheckedSearch:
    accepted: Mapping[str, Parameter]  # what the trainable takes, by name
    dataset: Dataset  # what its fold runs would see


def check_search(space: SearchSpace, options: DataOptions, seed: int, say: Announce) -> CheckedSearch:
    """Raises InputError for the first thing a search would refuse. seed: of the folds.

    The trainable looks at its own little languages and at the data, where it has a `check_values`.
    """
    trainable = load_trainable(space.trainable)
    accepted = trainable.parameters()
    space.check_parameters(accepted)
    dataset = gather_data(options, space, seed, say).dataset
    check_values = getattr(trainable, "check_values", None)
    if check_values is not None:
        check_values(values_of(space, accepted), dataset)
    return CheckedSearch(accepted, dataset)
