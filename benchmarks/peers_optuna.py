"""Optuna on the fold mean: TPE with Hyperband, one process per core on a shared journal.

As Optuna's documentation has it: HyperbandPruner with TPESampler (tutorial "Efficient Optimization
Algorithms"), several processes on one `JournalStorage`, constant_liar because they run at once. A trial
trains its five folds side by side, epoch by epoch, and reports the mean of their best scores so far.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from benchmarks.peers_setting import CORES, Setting
from orchestrator.core.trainable import Resources
from orchestrator.space import SearchSpace
from orchestrator.space.domains import Domain
from orchestrator.space.search_space import ordered


def suggested(trial: optuna.Trial, name: str, domain: Domain) -> Any:
    if domain.kind in ("choice", "constant"):
        return trial.suggest_categorical(name, list(domain.values))
    low, high = domain.values
    if domain.kind == "randint":
        return trial.suggest_int(name, low, high - 1)
    return trial.suggest_float(name, low, high, log=domain.kind == "loguniform")


def configuration(trial: optuna.Trial, space: SearchSpace) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name in ordered(space.domains):
        domain = space.domains[name]
        if domain.is_active(config):
            config[name] = domain.values[0] if domain.is_constant else suggested(trial, name, domain)
    return config


def search(setting: Setting, number: int) -> None:
    from benchmarks.peers_recorded import Recorded  # imports torch

    data, kept = setting.open_data(), setting.kept()
    dataset, space = data.of_seed(setting.seed, Path(setting.runs)).dataset, data.space

    def objective(trial: optuna.Trial) -> float:
        config, name = configuration(trial, space), f"{trial.number:05d}"
        runs = [
            Recorded(dataset, fold, config, space.max_t, setting.seed, Resources(1))
            for fold in range(space.folds)
        ]
        best = [float("-inf")] * space.folds
        for epoch in range(1, space.max_t + 1):
            for fold, run in enumerate(runs):
                score = run.run_epoch()[dataset.metric]
                if score > best[fold]:
                    best[fold] = score
                    kept.keep(name, config, fold, epoch, score, run.weights())
            trial.report(sum(best) / len(best), epoch)
            if epoch < space.max_t and trial.should_prune():
                raise optuna.TrialPruned
        return sum(best) / len(best)

    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(setting.path / "optuna.log"))),
        study_name="peers",
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=setting.seed * CORES + number, constant_liar=True),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=space.max_t, reduction_factor=3),
    )
    study.optimize(objective, timeout=max(setting.seconds_left, 1))


def main() -> None:
    """Without a number of its own: starts the processes and waits for them."""
    setting = Setting.of_command_line()
    if len(sys.argv) > 2:
        search(setting, int(sys.argv[2]))
        return
    command = [sys.executable, "-m", "benchmarks.peers_optuna", sys.argv[1]]
    processes = [subprocess.Popen([*command, str(number)]) for number in range(CORES)]
    raise SystemExit(max(process.wait() for process in processes))


if __name__ == "__main__":
    main()
