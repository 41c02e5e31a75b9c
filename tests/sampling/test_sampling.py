"""Bayesian proposals: a function of seed, number and events; conditional parameters only where they apply."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.events import EpochEnded, Event, LegStarted, Proposed, Resumed, from_json, to_json
from orchestrator.core.metrics import METRICS
from orchestrator.execution import worker
from orchestrator.sampling import RandomSampler, Sampler, make_sampler
from orchestrator.sampling.tpe import STARTUP
from orchestrator.space import SearchSpace, categorical, choice, loguniform, quniform, randint, uniform
from orchestrator.space.domains import Domain
from orchestrator.tune.__main__ import main
from tests.support.helpers import curves, events

PARAMS = {
    "optimizer": choice(["sgd", "adamw"]),
    "momentum": uniform(0.8, 0.99).when(optimizer="sgd"),
    "nesterov": choice([True, False]).when(optimizer="sgd"),
    "lr": loguniform(1e-5, 1e-1),
    "views": choice([None, [1, 2], "flip", 0.5]),
    "layers": randint(1, 5),
    "dropout": quniform(0.0, 0.5, 0.1),
    "only": choice([7]),
    "batch_size": 64,
}


def make_space(**changes: Any) -> SearchSpace:
    target = categorical("tint", ["red", "blue"])
    return SearchSpace(**{"trainable": "a:B", "target": target, "params": PARAMS, **changes})


def good_at_1e_3(config: dict[str, Any]) -> float:
    """Best, 1, at lr = 1e-3."""
    power = len(f"{1 / config['lr']:.0f}") - 1
    return 1 / (1 + abs(config["lr"] - 1e-3) * 10**power)


def run(
    sampler: Sampler,
    numbers: range,
    score: Callable[[dict[str, Any]], float] = good_at_1e_3,
    journal: list[Event] | None = None,
) -> list[dict[str, Any]]:
    """Proposes and reports one epoch of one fold for each number."""
    configs = []
    for number in numbers:
        config = sampler.propose(number)
        own = (
            Proposed(number, config),
            LegStarted(number, 0, 0, 1),
            EpochEnded(number, 0, 1, score(config)),
        )
        for event in own:
            sampler.observe(event)
        configs.append(config)
        if journal is not None:
            journal += own
    return configs


def within(domain: Domain, value: Any) -> bool:
    return domain.contains(value) and not (isinstance(value, bool) and True not in domain.values)


def test_the_first_proposals_are_the_random_ones() -> None:
    space = make_space()
    drawn = RandomSampler(space, 3)
    configs = run(make_sampler("tpe", space, 3), range(STARTUP + 1))
    assert configs[:STARTUP] == [drawn.propose(number) for number in range(STARTUP)]
    assert configs[STARTUP] != drawn.propose(STARTUP)


def test_while_too_few_trials_have_a_score_proposals_stay_random() -> None:
    space = make_space()
    sampler, drawn = make_sampler("tpe", space, 3), RandomSampler(space, 3)
    run(sampler, range(STARTUP - 1))
    for number in range(STARTUP - 1, STARTUP + 5):  # sixteen slots start before the first one reports
        config = sampler.propose(number)
        assert config == drawn.propose(number)
        sampler.observe(Proposed(number, config))


def test_the_same_seed_and_events_give_the_same_proposals_and_others_give_others() -> None:
    space, numbers = make_space(), range(STARTUP + 6)
    configs = run(make_sampler("tpe", space, 3), numbers)
    assert configs == run(make_sampler("tpe", space, 3), numbers)
    assert configs[STARTUP:] != run(make_sampler("tpe", space, 4), numbers)[STARTUP:]
    assert (
        configs[STARTUP:]
        != run(make_sampler("tpe", space, 3), numbers, lambda config: -config["lr"])[STARTUP:]
    )


def test_asking_twice_or_for_another_number_before_changes_nothing() -> None:
    sampler = make_sampler("tpe", make_space(), 0)
    run(sampler, range(STARTUP))
    first = sampler.propose(20)
    assert sampler.propose(21) != first
    assert sampler.propose(20) == first


def test_a_sampler_shown_the_journal_proposes_what_the_live_one_would() -> None:
    space = make_space()
    journal: list[Event] = []
    live = make_sampler("tpe", space, 0)
    run(live, range(20), journal=journal)
    read = SearchSpace.from_json(json.loads(json.dumps(space.to_json())))
    replayed = make_sampler("tpe", read, 0)
    for event in [*journal, Resumed()]:
        replayed.observe(from_json(json.loads(json.dumps({"time": 0.0, **to_json(event)}))))
    assert [replayed.propose(number) for number in (20, 33)] == [live.propose(number) for number in (20, 33)]


def test_conditional_parameters_exist_only_where_they_apply_and_values_are_of_their_domains() -> None:
    space = make_space()
    configs = run(make_sampler("tpe", space, 1), range(40))[STARTUP:]
    assert {config["optimizer"] for config in configs} == {"sgd", "adamw"}
    for config in configs:
        sgd = config["optimizer"] == "sgd"
        assert ("momentum" in config, "nesterov" in config) == (sgd, sgd)
        assert set(config) >= {"lr", "views", "layers", "dropout", "only", "batch_size"}
        assert all(within(space.domains[name], value) for name, value in config.items())
        assert (config["only"], config["batch_size"]) == (7, 64)


def test_a_space_without_choice_is_still_proposed() -> None:
    sampler = make_sampler("tpe", make_space(params={"lr": 0.1}), 0)
    assert run(sampler, range(STARTUP + 2), lambda config: 0.5) == [{"lr": 0.1}] * (STARTUP + 2)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_proposals_go_where_the_scores_are_good(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "own", replace(METRICS["accuracy"], mode=mode))
    params = {"lr": uniform(0.0, 1.0), "loss": choice(["a", "b"])}
    space = make_space(params=params, metric="own", mode=mode)
    sign = 1 if mode == "max" else -1

    def score(config: dict[str, Any]) -> float:
        return sign * ((config["loss"] == "b") - abs(config["lr"] - 0.8))

    late = run(make_sampler("tpe", space, 0), range(40), score)[20:]
    assert sum(config["loss"] == "b" for config in late) > 15
    assert sum(abs(config["lr"] - 0.8) < 0.2 for config in late) > 14  # 8 of 20 at random


def test_trials_without_a_score_are_told_as_running() -> None:
    """The same scores; trials under way around the best place push the next proposals away."""
    space = make_space(params={"lr": uniform(0.0, 1.0)})

    def near(under_way: int) -> int:
        sampler = make_sampler("tpe", space, 0)
        run(sampler, range(20), lambda config: -abs(config["lr"] - 0.8))
        for number in range(20, 20 + under_way):
            sampler.observe(Proposed(number, {"lr": 0.7 + 0.2 * (number - 20) / 20}))
        return sum(abs(sampler.propose(number)["lr"] - 0.8) < 0.1 for number in range(100, 116))

    assert near(20) < near(0) - 5


# ---- in a study ----

SPACE = '''"""Which of two tints a picture has."""
from orchestrator.space import SearchSpace, categorical, loguniform

space = SearchSpace(
    trainable="tests.pixel_trainable:PixelTrainable",
    target=categorical("tint", ["red", "blue"]),
    params={"lr": loguniform(1e-3, 2.0)},
    folds=3, trials=14, max_t=3, grace_period=1, finalists=2,
)
'''


def tune(tmp_path: Path, data: Path, name: str) -> int:
    space = tmp_path / "tint.py"
    space.write_text(SPACE)
    asked = ["--space", str(space), "--data", str(data), "--study", name, "--runs", str(tmp_path / "runs")]
    return main(
        [*asked, "--inline", "--no-report", "--sampler", "tpe", "--try", "lr=0.25", "--try", '{"lr": 1}']
    )


class StoppedError(Exception):
    pass


def test_a_study_that_is_cut_and_resumed_proposes_what_it_would_have(
    tmp_path: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tune(tmp_path, faces, "whole") == 0
    original, calls = worker.FoldRunWorker.step, {"left": STARTUP + 2}

    def step(self: worker.FoldRunWorker) -> Any:
        calls["left"] -= 1
        if calls["left"] == 0:
            raise StoppedError
        return original(self)

    monkeypatch.setattr(worker.FoldRunWorker, "step", step)
    with pytest.raises(StoppedError):
        tune(tmp_path, faces, "cut")
    monkeypatch.undo()
    runs = tmp_path / "runs"
    assert len(events(runs / "cut", "proposed")) < 14
    assert main(["--resume", "--study", "cut", "--runs", str(runs), "--inline", "--no-report"]) == 0
    whole, cut = ([event["config"] for event in events(runs / name, "proposed")] for name in ("whole", "cut"))
    assert whole == cut
    assert curves(runs / "whole") == curves(runs / "cut")
    assert [config["lr"] for config in whole[:2]] == [0.25, 1.0]
    space = SearchSpace(
        trainable="a:B", target=categorical("t", ["a", "b"]), params={"lr": loguniform(1e-3, 2.0)}
    )
    drawn = [RandomSampler(space, 0).propose(number) for number in range(14)]
    assert whole[2:STARTUP] == drawn[2:STARTUP]
    assert all(own != other for own, other in zip(whole[STARTUP:], drawn[STARTUP:], strict=True))


def test_the_sampler_and_the_tries_of_a_study_stay(
    tmp_path: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tune(tmp_path, faces, "a")
    for option in (["--sampler", "random"], ["--try", "lr=0.5"]):
        assert main(["--resume", "--study", "a", "--runs", str(tmp_path / "runs"), *option]) == 2
        assert f"{option[0]} cannot change study" in capsys.readouterr().err


def test_an_unknown_sampler_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="--sampler bayes: use random, grid or tpe"):
        make_sampler("bayes", make_space(), 0)
