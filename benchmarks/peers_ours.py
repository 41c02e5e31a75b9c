"""This tool, as `docs/how-to/python.md` has it: a space, a table, a budget of time. Nothing else is set, but
for the method "told": that is given the loop's grid, to be tried first (docs/how-to/search.md).
"""

from __future__ import annotations

from pathlib import Path

import orchestrator as fo
from benchmarks.peers_grid import GRID
from benchmarks.peers_setting import Setting
from orchestrator.tune.api import Progress

TRIES = [
    {name: value for name, value in point.items() if point["mix"] != "none" or name != "mix_alpha"}
    for point in GRID
]
"""The grid without what has no meaning where nothing is mixed."""


def study_of(setting: Setting) -> Path:
    return Path(setting.runs) / f"study-{setting.method}-{setting.data}-s{setting.seed}"


def main(setting: Setting, progress: Progress = None) -> None:
    data = setting.open_data()
    fo.search(
        data.space,
        data=data.manifest,
        study=study_of(setting).name,
        runs=Path(setting.runs),
        budget=f"{max(round(setting.seconds_left), 1)}s",
        seed=setting.seed,
        tries=TRIES if setting.method == "told" else (),
        progress=progress,
    )


if __name__ == "__main__":
    main(Setting.of_command_line())
