"""Stock Ray Tune: ASHA over fold x configuration, each configuration drawn once and run on five folds.

As Tune's documentation has it: a function that reports every epoch, `ASHAScheduler` with
reduction_factor=3, `grid_search` over the folds with `constant_grid_search`, so that the five folds have
the same configuration; `reuse_actors=True`, without which each trial would import torch again. Checkpoints
go straight to a folder, which costs less than Tune's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from benchmarks.peers_recorded import Recorded
from benchmarks.peers_records import Kept
from benchmarks.peers_setting import CORES, Setting
from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Resources
from orchestrator.space import SearchSpace
from orchestrator.space.domains import Domain
from orchestrator.space.search_space import ordered


def train_fold(chosen: dict[str, Any], dataset: Dataset, space: SearchSpace, seed: int, folder: Path) -> None:
    fold, name, best, kept = chosen["fold"], f"{chosen['number']:010d}", float("-inf"), Kept(folder)
    config = active({key: value for key, value in chosen.items() if key not in ("fold", "number")}, space)
    run = Recorded(dataset, fold, config, space.max_t, seed, Resources(1))
    for epoch in range(1, space.max_t + 1):
        score = run.run_epoch()[dataset.metric]
        if score > best:
            best = score
            kept.keep(name, config, fold, epoch, score, run.weights())
        tune.report({dataset.metric: best})
    run.close()


def active(drawn: dict[str, Any], space: SearchSpace) -> dict[str, Any]:
    """Without the parameters that this configuration doesn't have."""
    config: dict[str, Any] = {}
    for name in ordered(space.domains):
        if space.domains[name].is_active(config):
            config[name] = drawn[name]
    return config


def as_tune(domain: Domain) -> Any:
    if domain.kind in ("choice", "constant"):
        return tune.choice(list(domain.values))
    return getattr(tune, domain.kind)(*domain.values)


def main(setting: Setting) -> None:
    data, folder = setting.open_data(), Path(setting.folder)
    space = data.space
    ray.init("local", num_cpus=CORES, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    dataset = data.of_seed(setting.seed, Path(setting.runs)).dataset
    drawn = {name: as_tune(domain) for name, domain in space.domains.items()}
    trainable = tune.with_parameters(
        train_fold, dataset=dataset, space=space, seed=setting.seed, folder=folder / "kept"
    )
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={
            **drawn, "number": tune.randint(0, 2**31), "fold": tune.grid_search(list(range(space.folds))),
        },
        tune_config=tune.TuneConfig(
            metric=space.metric,
            mode=space.mode,
            scheduler=ASHAScheduler(max_t=space.max_t, grace_period=1, reduction_factor=3),
            search_alg=BasicVariantGenerator(constant_grid_search=True, random_state=setting.seed),
            num_samples=-1,
            time_budget_s=max(setting.seconds_left, 1),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
    )  # fmt: skip
    tuner.fit()


if __name__ == "__main__":
    main(Setting.of_command_line())
