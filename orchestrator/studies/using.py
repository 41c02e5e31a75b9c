"""What else uses a study, told before it is removed. Nothing of it is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.events import Opened
from orchestrator.core.text import counted, on_one_line, shortened
from orchestrator.data.manifest import Manifest
from orchestrator.ensemble_record.record import RECORD, read_record
from orchestrator.study.files import REMOVED
from orchestrator.study.header import StudyHeader
from orchestrator.study.journal import first_event

TRACKING = "tracking.json"
AUDIT = "audit.json"


def header_of(folder: Path) -> StudyHeader | None:
    """As the journal's first line gives it, whatever the other lines are; None where that is damaged."""
    found = first_event(folder)
    if not isinstance(found, Opened):
        return None
    try:
        return StudyHeader.from_json(found.header)
    except OrchestratorError:
        return None


def uses_of(folder: Path, runs: Path) -> list[str]:
    """A sentence for each: ensembles elsewhere in `runs` with members of the study, other studies that read
    what lies in its folder or train on labels that its ensembles gave, and its runs in a tracker."""
    others = [path for path in _folders(runs) if path.resolve() != folder.resolve()]
    own = sorted(path.parent.name for path in folder.glob(f"*/{RECORD}"))
    found = list(_ensembles(folder, others))
    for other in others:
        header = header_of(other)
        if header is not None:
            found += _inputs(folder, own, other.name, header)
    if (folder / TRACKING).is_file():
        found.append("its runs in a tracker stay there; what has not been sent is lost with the folder")
    return found


def lost_with_it(folder: Path) -> list[str]:
    """A sentence for what lies in its folder and is more than the search itself."""
    ensembles = sorted(path.parent.name for path in folder.glob(f"*/{RECORD}"))
    audits = sorted(path.parent.name for path in folder.glob(f"*/{AUDIT}"))
    said = []
    for word, names in (("ensemble", ensembles), ("audit", audits)):
        if names:
            said.append(
                f"{counted(len(names), word)} in its folder: {shortened(names)}; copy what is to stay"
            )
    return said


def shares_storage(header: StudyHeader, folder: Path, runs: Path) -> list[str]:
    """Names of other studies in `runs` whose checkpoints are the same files, as those of copies are."""
    mine = (header.storage, header.name)
    return [
        other.name
        for other in _folders(runs)
        if other.resolve() != folder.resolve()
        and (found := header_of(other)) is not None
        and (found.storage, found.name) == mine
    ]


def _folders(runs: Path) -> list[Path]:
    if not runs.is_dir():
        return []
    return sorted(path for path in runs.iterdir() if not path.name.startswith(REMOVED) and path.is_dir())


def _ensembles(folder: Path, others: Sequence[Path]) -> Iterator[str]:
    """Beside the study and in other studies' folders."""
    for other in others:
        for path in sorted((*other.glob(RECORD), *other.glob(f"*/{RECORD}"))):
            try:
                members = read_record(path.parent).studies
            except OrchestratorError:
                continue  # of what is damaged nobody can say
            if any(member.rpartition("/")[2] == folder.name for member in members):
                name = on_one_line(str(path.parent))
                yield f"ensemble {name} has members of it: it stays and predicts, but cannot be made again"


def _inputs(folder: Path, ensembles: Sequence[str], name: str, header: StudyHeader) -> Iterator[str]:
    """What the study `name` was begun with that lies in the folder, or that its ensembles made."""
    fixes = header.label_fixes
    if fixes is not None and _below(folder, fixes.get("file")):
        yield f"study {on_one_line(name)} was begun with label fixes from its folder; it has a copy of them"
    if _below(folder, header.manifest.get("root")) or _below(folder, header.manifest.get("source")):
        yield f"study {on_one_line(name)} reads its images or its table from its folder"
    for extra in header.extra:
        if _below(folder, extra.get("root")) or _below(folder, extra.get("source")):
            yield f"study {on_one_line(name)} reads rows with role extra from its folder"
        elif _labelled_by(ensembles, extra):
            yield (
                f"study {on_one_line(name)} trains on labels that an ensemble in its folder gave; they stay, "
                "but cannot be made again"
            )


def _below(folder: Path, place: object) -> bool:
    if not isinstance(place, str) or not place:
        return False
    try:
        return Path(place).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # a link to itself, a zero in a name
        return False


def _labelled_by(ensembles: Sequence[str], extra: Mapping[str, Any]) -> bool:
    """Whether these rows are pseudo-labels that one of the ensembles gave, as their table says."""
    source = Path(str(extra.get("source", "")))
    if not ensembles or source.suffix != ".parquet":
        return False
    try:
        notes = Manifest.read(source).notes
    except (OrchestratorError, OSError, ValueError):
        return False
    return any(f"labels of {name} " in note for name in ensembles for note in notes)
