"""Which ensemble a user meant."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import EnsembleError
from orchestrator.ensemble_record.record import RECORD
from orchestrator.study.finding import find_study
from orchestrator.study.journal import has_journal


def find_ensemble(named: str | Path, runs: Path) -> Path:
    """The folder of the ensemble at that path or of that name in `runs`; where that is a study, of its newest
    ensemble.

    Raises EnsembleError where there is none, StudyError where a name stands for two studies.
    """
    folders = {path.resolve(): path for path in (Path(named), runs / named) if (path / RECORD).is_file()}
    if len(folders) > 1:
        either = f"{runs / named} or {Path(named).absolute()}"
        raise EnsembleError(f"{named} is an ensemble in {runs} and one in this folder; name {either}")
    if folders:
        return next(iter(folders.values()))
    if not has_journal(Path(named)) and not has_journal(runs / named):
        raise EnsembleError(
            f"{named} is no ensemble (it has no {RECORD}), and no study of {runs} has that name; name "
            "the folder of an ensemble, or a study that has one"
        )
    return newest_ensemble(find_study(named, runs))


def newest_ensemble(study: Path) -> Path:
    """The one of its folder that was written last. Raises EnsembleError where there is none."""
    found = [path.parent for path in study.glob(f"*/{RECORD}")]
    if not found:
        raise EnsembleError(
            f"{study} holds no ensemble; make one with `python -m orchestrator.ensemble --study {study}`"
        )
    return max(found, key=lambda path: ((path / RECORD).stat().st_mtime_ns, path.name))
