"""Which study a user meant."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.errors import StudyError
from orchestrator.core.text import shortened, suggestion
from orchestrator.study.files import REMOVED
from orchestrator.study.journal import FILE, has_journal, time_begun

_BEGIN = "run `python -m orchestrator.tune --space SPACE` first"


def find_study(named: str | Path | None, runs: Path) -> Path:
    """The folder of the study of that name in `runs`, or at that path; of the newest where none is named.

    Raises StudyError where there is none, or where the name stands for two.
    """
    if named is None:
        return _newest_study(runs)
    found = {folder.resolve(): folder for folder in (Path(named), runs / named) if has_journal(folder)}
    if not found:
        raise StudyError(
            f"{named} is no study, nor is there one of that name in {runs}{_way_out(named, runs)}"
        )
    if len(found) > 1:
        either = f"{runs / named} or {Path(named).absolute()}"
        raise StudyError(f"{named} is a study in {runs} and one in this folder; name {either}")
    return next(iter(found.values()))


def _newest_study(runs: Path) -> Path:
    started = {path: begun for path in _studies(runs) if (begun := time_begun(path)) is not None}
    if not started:
        raise StudyError(f"no study in {runs}; {_BEGIN}, or name one with --study")
    return max(started, key=lambda path: started[path])


def _studies(runs: Path) -> list[Path]:
    found = (path.parent for path in runs.glob(f"*/{FILE}"))
    return sorted(path for path in found if not path.name.startswith(REMOVED) and has_journal(path))


def _way_out(named: str | Path, runs: Path) -> str:
    names = [path.name for path in _studies(runs)]
    if not names:
        return f"; {_BEGIN}"
    return suggestion(Path(named).name, names) or f"; it has {shortened(names)}"
