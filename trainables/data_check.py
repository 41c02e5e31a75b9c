"""Whether the values a space gives can work on this data: asked once, before any fold run fails of them.

Conditions between parameters are the space's own and not known here. So a value is refused only where no
combination with the other parameters that matter to it works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import InputError, TrainableError
from trainables.feed.fold_loader import one_row_per_column
from trainables.feed.row_sampling import epoch_length
from trainables.feed.training_labels import training_labels
from trainables.images.preprocess import parse_preprocess
from trainables.losses.target_shape import target_shape
from trainables.optimisation.optim import check_schedule
from trainables.parameters import completed

Values = Mapping[str, Sequence[Any]]
Check = Callable[[Mapping[str, Any]], object]
DEFAULTS = completed({})


def values_of(values: Values, name: str) -> list[Any]:
    return list(values.get(name) or [DEFAULTS[name]])


def check_data(values: Values, dataset: Dataset) -> None:
    """Raises TrainableError, ManifestError for the first value that cannot work."""
    shape, classes = target_shape(dataset), len(dataset.classes)
    groups = dataset.columns.get("group")

    def rows_of_an_epoch(config: Mapping[str, Any]) -> int:
        per_values = one_row_per_column(dataset, config["one_row_per"])
        return epoch_length(config["sampler"], dataset.labels, classes, groups, per_values)

    refuse_values(values, ("loss", "branches", "logit_adjustment"), shape.objective)
    refuse_values(values, ("train_edges",), lambda c: training_labels(dataset, c["train_edges"]))
    refuse_values(values, ("sampler", "one_row_per"), rows_of_an_epoch)
    refuse_values(values, ("scheduler", "gamma"), check_schedule)
    refuse_values(
        values, ("preprocess",), lambda c: parse_preprocess(c["preprocess"]).columns_in(dataset.columns)
    )
    repeats = values_of(values, "validation_repeats")
    if len(repeats) > 1:
        raise TrainableError(
            f"validation_repeats={repeats} cannot be searched: it changes what a score is of; give one number"
        )


def refuse_values(values: Values, names: Sequence[str], check: Check) -> None:
    """Raises what `check` raised for a value of one of `names` that works with no values of the others."""
    works: set[tuple[str, str]] = set()
    failed: dict[tuple[str, str], InputError] = {}
    for chosen in product(*(values_of(values, name) for name in names)):
        own = [(name, repr(value)) for name, value in zip(names, chosen, strict=True)]
        try:
            check(completed(dict(zip(names, chosen, strict=True))))
            works |= set(own)
        except InputError as error:
            failed.update((key, error) for key in own if key not in failed)
    never = next((key for key in failed if key not in works), None)
    if never is not None:
        raise failed[never]
