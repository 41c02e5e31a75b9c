"""The loop one writes in an evening: a grid picked by hand, five folds of each, the best epoch kept.

All tasks are queued at once, in the order of the grid, so that no core waits for the slowest fold.
"""

from __future__ import annotations

from pathlib import Path

import ray

from benchmarks.peers_grid import GRID
from benchmarks.peers_recorded import Recorded
from benchmarks.peers_records import Kept
from benchmarks.peers_setting import CORES, Setting
from orchestrator.core.trainable import Resources


@ray.remote(num_cpus=1)
def train_fold(dataset, config, name, fold, max_t, seed, folder):  # type: ignore[no-untyped-def]
    run, best, kept = Recorded(dataset, fold, config, max_t, seed, Resources(1)), float("-inf"), Kept(folder)
    for epoch in range(1, max_t + 1):
        score = run.run_epoch()[dataset.metric]
        if score > best:
            best = score
            kept.keep(name, config, fold, epoch, score, run.weights())
    run.close()
    return name, best


def main(setting: Setting) -> None:
    data, folder = setting.open_data(), Path(setting.folder) / "kept"
    ray.init("local", num_cpus=CORES, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    dataset = ray.put(data.of_seed(setting.seed, Path(setting.runs)).dataset)
    tasks = [
        train_fold.remote(dataset, config, f"{number:03d}", fold, data.space.max_t, setting.seed, folder)
        for number, config in enumerate(GRID)
        for fold in range(data.space.folds)
    ]
    ray.get(tasks)


if __name__ == "__main__":
    main(Setting.of_command_line())
