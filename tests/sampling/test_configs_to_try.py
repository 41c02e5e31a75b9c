"""`--try`: what is written, what is refused and how, and what the first trials become."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.errors import SearchSpaceError
from orchestrator.sampling import GridSampler, RandomSampler, make_sampler
from orchestrator.sampling.configs_to_try import checked_tries, parse_try
from orchestrator.space import SearchSpace, categorical, choice, loguniform, quniform, uniform

PARAMS = {
    "optimizer": choice(["sgd", "adamw"]),
    "momentum": uniform(0.8, 0.99).when(optimizer="sgd"),
    "lr": loguniform(1e-5, 1e-2),
    "dropout": choice([0.0, 0.2, 0.5]),
    "flag": choice([True, False]),
    "augment": choice(["none", "flip, rotate 10", ["a", "b"]]),
    "batch_size": 64,
}
GRID = {
    "optimizer": choice(["sgd", "adamw"]),
    "momentum": choice([0.8, 0.9]).when(optimizer="sgd"),
    "dropout": quniform(0.0, 0.2, 0.1),
}


def make_space(params: dict[str, Any] = PARAMS, trials: int = 9) -> SearchSpace:
    return SearchSpace(
        trainable="a:B", target=categorical("t", ["a", "b"]), params=params, trials=trials, finalists=1
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("lr=0.001,optimizer=sgd", {"lr": 0.001, "optimizer": "sgd"}),
        (" lr = 1e-3 , flag = True ", {"lr": 1e-3, "flag": True}),
        ('augment="flip, rotate 10",lr=1', {"augment": "flip, rotate 10", "lr": 1}),
        ('augment=["a, b", {"c": [1, 2]}],lr=1', {"augment": ["a, b", {"c": [1, 2]}], "lr": 1}),
        ('{"lr": 0.001, "augment": ["a", "b"]}', {"lr": 0.001, "augment": ["a", "b"]}),
    ],
)
def test_pairs_between_commas_or_json(text: str, found: dict[str, Any]) -> None:
    assert parse_try(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lr", "'lr' must read key=value"),
        ("lr=1,", "'' must read key=value"),
        ("augment=flip, rotate 10", "'rotate 10' must read key=value.*quotes"),
        ("lr=1,lr=2", "lr is given twice"),
        ('{"lr": 1, "lr": 2}', "lr is given twice"),
        ("{}", "says no value"),
        ('{"lr": 1', "begins like JSON and is none"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(SearchSpaceError, match=words):
        parse_try(text)


def test_values_become_the_spaces_own() -> None:
    tries = [{"dropout": 0, "lr": 0.01, "flag": True, "augment": ["a", "b"], "batch_size": 64.0}]
    own = checked_tries(make_space(), tries)[0]
    assert repr(own) == repr(
        {"dropout": 0.0, "lr": 0.01, "flag": True, "augment": ["a", "b"], "batch_size": 64}
    )


@pytest.mark.parametrize(
    ("tried", "words"),
    [
        ({"lrr": 0.1}, "--try lrr=0.1: the space has no parameter lrr; did you mean lr"),
        ({"zzz": 1}, "it has augment, batch_size, dropout"),
        ({"lr": 0.1}, r"--try lr=0.1: the space has lr = loguniform\(1e-05, 0.01\); give a value of it"),
        ({"lr": True}, "--try lr=true"),
        ({"flag": 1}, "--try flag=1"),
        ({"batch_size": 32}, "--try batch_size=32: the space has batch_size = 64"),
        ({"dropout": "0.2"}, '--try dropout="0.2"'),
        ({"momentum": 0.9, "optimizer": "adamw"}, r"exists only for optimizer in \['sgd'\]"),
        ({"momentum": 0.9}, "add that or leave momentum out"),
    ],
)
def test_a_try_outside_the_space_is_refused(tried: dict[str, Any], words: str) -> None:
    with pytest.raises(SearchSpaceError, match=words) as caught:
        checked_tries(make_space(), [tried])
    assert "\n" not in str(caught.value)


def test_what_a_condition_needs_may_be_fixed_by_the_space() -> None:
    space = make_space().narrowed({"optimizer": "sgd"})
    assert checked_tries(space, [{"momentum": 0.9}]) == [{"momentum": 0.9}]


def test_what_is_fixed_counts_only_where_it_exists() -> None:
    params = {"a": choice([1, 2]), "b": choice([5]).when(a=2), "c": uniform(0.0, 1.0).when(b=5)}
    space = replace(make_space(), params=params)
    with pytest.raises(SearchSpaceError, match=r"c exists only for b in \[5\]"):
        checked_tries(space, [{"c": 0.5}])
    assert checked_tries(space, [{"a": 2, "c": 0.5}]) == [{"a": 2, "c": 0.5}]


def test_more_tries_than_trials_and_the_same_one_twice_are_refused() -> None:
    tries = [{"dropout": 0.2}, {"dropout": 0.5}]
    assert len(checked_tries(make_space(trials=2), tries)) == 2
    with pytest.raises(SearchSpaceError, match="--try is given 2 times and the study has 1 trial;"):
        checked_tries(make_space(trials=1), tries)
    with pytest.raises(SearchSpaceError, match=r"--try dropout=0\.2: is given twice"):
        checked_tries(make_space(), [{"dropout": 0.2}] * 2)


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_the_first_trials_have_the_tried_values_and_the_rest_is_as_without(name: str) -> None:
    space = make_space()
    tries = [{"lr": 0.001, "optimizer": "sgd", "momentum": 0.9}, {"optimizer": "adamw"}]
    sampler, drawn = make_sampler(name, space, 0, tries), RandomSampler(space, 0)
    for number, tried in enumerate(tries):
        config = sampler.propose(number)
        assert tried.items() <= config.items()
        assert ("momentum" in config) == (config["optimizer"] == "sgd")
        others = {key for key in drawn.propose(number) if key not in tried and key != "momentum"}
        assert all(config[key] == drawn.propose(number)[key] for key in others)
    assert sampler.propose(2) == drawn.propose(2)


def test_the_grid_begins_with_what_is_tried_and_repeats_none_of_it() -> None:
    space = make_space(GRID)
    tries = [{"optimizer": "adamw", "dropout": 0.1}, {"momentum": 0.9, "optimizer": "sgd"}]
    sampler, plain = make_sampler("grid", space, 0, tries), GridSampler(space)
    assert sampler.limit == plain.limit == 9
    configs = [sampler.propose(number) for number in range(9)]
    assert configs[0] == {"optimizer": "adamw", "dropout": 0.1}
    assert configs[1] == {"optimizer": "sgd", "momentum": 0.9, "dropout": 0.0}
    assert sorted(map(repr, configs)) == sorted(repr(plain.propose(number)) for number in range(9))
    whole = {"optimizer": "adamw", "dropout": 0.1}
    with pytest.raises(SearchSpaceError, match="are tried before it"):
        make_sampler("grid", space, 0, [whole, whole])
