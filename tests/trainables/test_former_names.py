"""Parameters that were renamed are read under their former name: in spaces, studies and ensembles of 0.1."""

from __future__ import annotations

import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.trainable import Config
from orchestrator.inputs.dataset import values_of
from orchestrator.space import SearchSpace, age_bins, choice
from tests.support.drawn_images import SMALL, classifier, run, same
from trainables.image_classifier import ImageClassifier
from trainables.parameters import PARAMETERS, completed

FORMER = {item.former: name for name, item in PARAMETERS.items() if item.former}


def space(**params: object) -> SearchSpace:
    name = "trainables.image_classifier:ImageClassifier"
    return SearchSpace(trainable=name, target=age_bins([30, 60]), params=params)


def test_a_former_name_is_nobodys_name_now() -> None:
    assert FORMER == {"thin": "one_row_per"} and not FORMER.keys() & PARAMETERS.keys()


def test_a_configuration_of_0_1_trains_what_it_trained(dataset: Dataset) -> None:
    old, new = classifier(dataset, thin="look"), classifier(dataset, one_row_per="look")
    assert same(run(old, 1), run(new, 1)) and old._loader.length == new._loader.length < 48


@pytest.mark.parametrize(
    "config",
    [
        {"thin": "look"},
        {"one_row_per": "", "thin": "look"},  # the defaults of now, then what a trial of an old space chose
        {"thin": "", "one_row_per": "look"},
    ],
)
def test_what_comes_later_counts(config: Config) -> None:
    assert completed(config)["one_row_per"] == "look" and "thin" not in completed(config)


def test_a_space_of_0_1_is_accepted_and_its_values_are_checked_under_the_name_of_now() -> None:
    old = space(thin=choice(["", "mask"]))
    old.check_parameters(PARAMETERS)
    values = values_of(old, PARAMETERS)
    assert values["one_row_per"] == ("", "mask") and values.keys() == PARAMETERS.keys()


def test_a_wrong_value_under_a_former_name_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="thin=3 must be of type str"):
        space(thin=3).check_parameters(PARAMETERS)


def test_both_names_at_once_are_refused() -> None:
    with pytest.raises(
        SearchSpaceError, match="thin is the former name of one_row_per and the space has both"
    ):
        space(thin="mask", one_row_per="mask").check_parameters(PARAMETERS)


def test_an_ensemble_of_0_1_predicts(dataset: Dataset) -> None:
    trained = classifier(dataset)
    trained.run_epoch()
    defaults = {name: item.default for name, item in PARAMETERS.items() if name != "one_row_per"}
    predictor = ImageClassifier.load_predictor(trained.weights(), {**defaults, "thin": "", **SMALL}, 3)
    paths = [f"{dataset.root}/{path}" for path in dataset.paths[:2]]
    assert predictor.predict(paths).shape == (2, 3)
