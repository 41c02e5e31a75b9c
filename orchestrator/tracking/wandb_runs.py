"""Opens W&B runs. Imports wandb when the first is opened."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.events import FoldRunKey
from orchestrator.tracking.contract import digest_of_study
from orchestrator.tracking.settings import Mode

INIT_TIMEOUT_S = 20.0
FINISH_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class WandbRuns:
    """The W&B runs of one study in one project: its own and one for each fold run, always the same ones."""

    folder: Path  # of the study; W&B keeps its files below it
    started: float  # unix seconds when the study began, which tells studies of one name apart
    project: str
    mode: Mode

    def open(self, study: str, key: FoldRunKey, config: Mapping[str, Any]) -> Any:
        """Of a fold run. study: its name; config: of the trial. Raises whatever W&B does."""
        identity = run_id(study, self.started, key)
        return self._init(
            identity, name=str(key), group=f"t{key.trial:04d}", job_type=f"fold{key.fold}",
            tags=[study[:64]],  # W&B's limit
            config=dict(config),
        )  # fmt: skip

    def open_study(self, study: str, config: Mapping[str, Any]) -> Any:
        """As `open`, of the study itself."""
        identity = run_id(study, self.started)
        return self._init(identity, name=study, job_type="study", tags=[study[:64]], config=dict(config))

    def _init(self, identity: str, **about: Any) -> Any:
        os.environ.setdefault("WANDB_DATA_DIR", str(self.folder / "wandb"))  # not the user's home
        import wandb

        before = self._folders(identity)
        try:
            return wandb.init(
                project=self.project,
                id=identity,
                **about,
                dir=str(self.folder),
                mode=self.mode,
                resume="allow",
                reinit="create_new",
                settings=wandb.Settings(
                    console="off", silent=True, save_code=False, disable_git=True, x_disable_stats=True,
                    x_disable_meta=True, x_disable_machine_info=True, init_timeout=INIT_TIMEOUT_S,
                    finish_timeout=FINISH_TIMEOUT_S, finish_timeout_raises=True,
                ),
            )  # fmt: skip
        except Exception:
            for folder in self._folders(identity) - before:
                shutil.rmtree(folder, ignore_errors=True)  # empty but for logs; each try leaves one
            raise

    def _folders(self, identity: str) -> set[Path]:
        return set((self.folder / "wandb").glob(f"run-*-{identity}"))


def run_id(study: str, started: float, key: FoldRunKey | None = None) -> str:
    """The same for the same study, whoever sends it; other studies of that name have others."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", study)[:60]
    return f"{readable}-{'study' if key is None else key}-{digest_of_study(study, started)}"
