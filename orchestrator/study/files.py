"""Where the files of a study lie.

runs/<name>/journal.jsonl      append-only, one event a line, fsynced; the state of the study
            manifest.parquet   the rows as they were
            folds.parquet      row -> fold
            images.parquet     size and digest of the image files
            checkpoints/       what fold runs stored, where no --storage was given
            oof/t0003.parquet  out-of-fold probabilities of each complete trial
            trials.parquet     one row per trial        (exports, made from the journal)
            epochs.parquet     one row per fold-epoch
            votes.parquet      what trials predict of untouched rows, where there are any
            packing.json       how many fold runs shared a GPU of each type, where that was measured
            notes.jsonl        what its user says of it (orchestrator.study.remarks)
            leaderboard_scores.jsonl   what a leaderboard said of it
            lock               held by the driver
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.links import without_links
from orchestrator.study import journal

REMOVED = ".removed-"
"""What the name of a folder begins with whose study is being removed: it is a study no more."""


@dataclass(frozen=True)
class StudyFiles:
    """Every file that a study itself writes."""

    folder: Path

    @property
    def journal(self) -> Path:
        return self.folder / journal.FILE

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.parquet"

    @property
    def folds(self) -> Path:
        return self.folder / "folds.parquet"

    @property
    def images(self) -> Path:
        return self.folder / "images.parquet"

    @property
    def checkpoints(self) -> Path:
        """Absolute: workers may stand elsewhere."""
        return without_links(self.folder / "checkpoints")

    def oof(self, trial: int) -> Path:
        return self.folder / "oof" / f"t{trial:04d}.parquet"

    @property
    def trials(self) -> Path:
        return self.folder / "trials.parquet"

    @property
    def epochs(self) -> Path:
        return self.folder / "epochs.parquet"

    @property
    def votes(self) -> Path:
        return self.folder / "votes.parquet"

    @property
    def packing(self) -> Path:
        return self.folder / "packing.json"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"
