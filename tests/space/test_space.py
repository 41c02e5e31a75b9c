from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.trainable import Parameter
from orchestrator.sampling import GridSampler, RandomSampler, make_sampler
from orchestrator.space import (
    Scale,
    SearchSpace,
    age_bins,
    categorical,
    choice,
    joint,
    loguniform,
    quniform,
    uniform,
)
from orchestrator.space.loading import load_space, parse_settings, resolve_space

GENDER = categorical("gender", ["male", "female"])
AGE = age_bins([30, 60])
ACCEPTED = {
    "lr": Parameter(1e-3, minimum=0.0),
    "optimizer": Parameter("adamw", ("str",), choices=("sgd", "adamw")),
    "momentum": Parameter(0.9),
    "batch_size": Parameter(64, ("int",), minimum=1),
}


def make_space(**changes: Any) -> SearchSpace:
    fields: dict[str, Any] = {
        "trainable": "somewhere:Something",
        "target": AGE,
        "params": {
            "optimizer": choice(["sgd", "adamw"]),
            "momentum": uniform(0.8, 0.99).when(optimizer="sgd"),
            "lr": loguniform(1e-5, 1e-2),
            "batch_size": 64,
        },
        "joint": joint(GENDER, AGE),
        "stratify": (GENDER, AGE),
        "scales": {"small": Scale(trials=5, max_t=3, folds=2, params={"batch_size": 16})},
    }
    return SearchSpace(**{**fields, **changes})


def test_a_space_survives_json_except_for_its_other_scales() -> None:
    space = make_space(ladder=[(1, 2, 64), (5, 18, 3)])
    again = SearchSpace.from_json(json.loads(json.dumps(space.to_json())))
    assert again == SearchSpace(**{**vars(space), "scales": {}})


def test_a_condition_survives_json_and_journals_from_before_there_were_any_load() -> None:
    space = make_space(given=(GENDER, "female"), scales={})
    assert SearchSpace.from_json(json.loads(json.dumps(space.to_json()))) == space
    older = {name: value for name, value in make_space().to_json().items() if name != "given"}
    assert SearchSpace.from_json(older).given is None
    numbered = make_space(joint=None, given=(categorical("mask", ["0", "1"]), 1))
    assert numbered.given is not None and numbered.given[1] == "1"


def test_a_scale_replaces_its_numbers_and_drops_a_ladder_that_no_longer_fits() -> None:
    space = make_space(ladder=[(1, 2, 64), (5, 18, 3)])
    small = space.at_scale("small")
    assert (small.trials, small.max_t, small.folds, small.ladder) == (5, 3, 2, None)
    assert small.domains["batch_size"].values == (16,)
    assert space.at_scale("full") is space
    with pytest.raises(SearchSpaceError, match="smoke"):
        space.at_scale("smoke")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grace_period": 30}, "grace_period=30 is longer than max_t=18"),
        ({"folds": 1}, "folds=1"),
        ({"folds": 0, "fold_column": "split"}, "folds=0 must be a whole number of at least 1"),
        ({"trials": 0}, "trials=0"),
        ({"trainable": "nonsense"}, "module:Class"),
        ({"metric": "f2"}, "f2"),
        ({"metric": "accuracy", "mode": "min"}, "metric='accuracy', mode='min': .* leave mode out"),
        ({"target": 3}, "target=3 is no target; give the name of a column"),
        ({"target": None}, "target=None .*such as categorical"),
        ({"stratify": "gender"}, "stratify='gender' .*targets"),
        ({"stratify": (3, AGE)}, "stratify=3 is no target"),
        ({"joint": "label"}, r"joint='label' .*joint\("),
        ({"joint": GENDER}, r"joint=.*joint\("),
        ({"scales": {"tiny": Scale()}}, "tiny"),
        ({"given": (GENDER, "robot")}, "target 'gender' has no class 'robot'; use one of male, female"),
        ({"given": (AGE, "<30")}, "'age' is what the space itself predicts"),
        ({"target": joint(GENDER, AGE), "given": (GENDER, "male")}, "what the space itself predicts"),
        ({"given": (categorical("mask", ["worn", "none"]), "worn")}, "'mask' is no part of the joint"),
        ({"given": {"gender": "female"}}, "must be a target and one of its classes"),
        ({"given": ("gender", "female")}, "must begin with a target"),
        ({"params": {"a": uniform(0, 1).when(b=1)}}, "depends on 'b'"),
        ({"params": {"a": uniform(0, 1).when(b=1), "b": choice([2, 3])}}, "never active"),
        ({"params": {"a": choice([1]).when(b=1), "b": choice([1]).when(a=1)}}, "circle"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SearchSpaceError, match=words):
        make_space(**changes)


def test_the_name_of_a_column_is_a_target_whose_classes_are_read_later() -> None:
    space = make_space(target="species", stratify=["site"], joint=None, scales={})
    assert space.target == categorical("species") and space.target.is_open
    assert space.stratify == (categorical("site"),)
    assert SearchSpace.from_json(json.loads(json.dumps(space.to_json()))) == space


def test_the_mode_follows_from_the_metric_and_is_written() -> None:
    space = make_space(metric="accuracy")
    assert space.mode == space.to_json()["mode"] == "max"
    assert SearchSpace.from_json(space.to_json()).mode == space.at_scale("small").mode == "max"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"optimiser": "sgd"}, "did you mean optimizer"),
        ({"optimizer": choice(["sgd", "rmsprop"])}, "rmsprop"),
        ({"batch_size": 6.5}, "of type int"),
        ({"lr": uniform(-1.0, 1.0)}, "lr=-1.0 must be at least 0"),
        ({"lr": True}, "of type float"),
        ({"optimizer": True}, "optimizer=True must be one of 'sgd', 'adamw'"),
    ],
)
def test_a_parameter_the_trainable_does_not_take_is_refused(params: dict[str, Any], words: str) -> None:
    with pytest.raises(SearchSpaceError, match=words):
        make_space(params=params).check_parameters(ACCEPTED)


def test_set_narrows_a_parameter_to_one_value_of_its_own_type() -> None:
    settings = parse_settings(["optimizer=sgd", "lr=1e-3", "batch_size=32", "pretrained=None"])
    assert settings == {"optimizer": "sgd", "lr": 1e-3, "batch_size": 32, "pretrained": None}
    narrowed = make_space().narrowed({"optimizer": "sgd", "lr": 0.01})
    assert narrowed.varied() == ("momentum",)
    with pytest.raises(SearchSpaceError, match="key=value"):
        parse_settings(["lr"])


def test_what_a_setting_or_a_scale_makes_impossible_is_left_out() -> None:
    space = make_space(scales={"small": Scale(params={"optimizer": "adamw"})})
    assert "momentum" not in space.narrowed({"optimizer": "adamw"}).domains
    assert "momentum" not in space.at_scale("small").domains
    assert "momentum" in space.narrowed({"optimizer": "sgd"}).domains
    assert space.narrowed({"optimizer": "adamw", "momentum": 0.9}).domains["momentum"].values == (0.9,)


def test_random_proposals_depend_on_the_seed_and_the_number_alone() -> None:
    first, second = (RandomSampler(make_space(), seed=3) for _ in range(2))
    forwards = [first.propose(number) for number in range(30)]
    backwards = [second.propose(number) for number in reversed(range(30))]
    assert forwards == backwards[::-1]
    assert forwards != [RandomSampler(make_space(), seed=4).propose(number) for number in range(30)]


def test_a_conditional_parameter_exists_only_where_it_applies() -> None:
    sampler = RandomSampler(make_space(), seed=0)
    for number in range(50):
        config = sampler.propose(number)
        assert ("momentum" in config) == (config["optimizer"] == "sgd")


def test_the_grid_has_each_combination_once() -> None:
    space = make_space(
        params={
            "optimizer": choice(["sgd", "adamw"]),
            "momentum": choice([0.8, 0.9, 0.95]).when(optimizer="sgd"),
            "dropout": quniform(0.0, 0.2, 0.1),
        }
    )
    sampler = GridSampler(space)
    assert sampler.limit == (3 + 1) * 3
    assert len({repr(sampler.propose(number)) for number in range(12)}) == 12
    with pytest.raises(SearchSpaceError, match="momentum = uniform"):
        make_sampler("grid", make_space(), 0)


def test_the_space_is_looked_up_as_given_then_among_the_shipped_ones(tmp_path: Path) -> None:
    shipped = tmp_path / "search_spaces"
    shipped.mkdir()
    (shipped / "age.py").write_text("")
    own = tmp_path / "age.py"
    own.write_text("")
    assert resolve_space(str(own), shipped) == own
    assert resolve_space("spaces/age.py", shipped) == shipped / "age.py"
    assert resolve_space("age", shipped) == shipped / "age.py"
    with pytest.raises(SearchSpaceError, match=r"spaces/eye\.py.*there is: age\.py"):
        resolve_space("spaces/eye.py", shipped)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = (1,\n", r"bad\.py:\d+.*not valid Python"),
        ("x = 1\n", "no variable `space`"),
        ("x = 1\nraise RuntimeError('no')\n", r"bad\.py:2: RuntimeError: no"),
        ("from orchestrator.space import *\n\nx = choice([])\n", r"bad\.py:3: choice\(\[\]\) is empty"),
        ("from orchestrator.space import *\nspace = SearchSpace(trainabel='a:b')\n", "trainabel"),
    ],
)
def test_a_broken_space_file_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(text)
    with pytest.raises(SearchSpaceError, match=words):
        load_space(path)
