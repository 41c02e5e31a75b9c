"""What other commands wrote into a study's folder that a tracker shows: ensembles and the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.errors import EnsembleError
from orchestrator.ensemble_record.record import RECORD, EnsembleRecord, read_record
from orchestrator.evaluation.estimate import Estimate

REPORT = "report.html"
_Digest = str


class Results:
    """Looks again whenever it is asked, and reads again what has changed."""

    def __init__(self, study: Path) -> None:
        self._study = study
        self._read: dict[Path, tuple[_Digest, dict[str, float] | None]] = {}

    def ensembles(self) -> Iterator[tuple[str, _Digest, dict[str, float]]]:
        """Name of the folder, what tells a version of it, and its scores; one that is damaged is left out."""
        for path in sorted(self._study.glob(f"*/{RECORD}")):
            version = _version(path)
            if version is None:
                continue
            if self._read.get(path, ("", None))[0] != version:
                self._read[path] = version, _scores_in(path.parent)
            scores = self._read[path][1]
            if scores is not None:
                yield path.parent.name, version, scores

    def artifacts(self) -> Iterator[tuple[Path, _Digest]]:
        path = self._study / REPORT
        version = _version(path)
        if version is not None:
            yield path, version


def _version(path: Path) -> _Digest | None:
    """Files are replaced whole; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return f"{found.st_size} bytes, {found.st_mtime_ns}"


def _scores_in(folder: Path) -> dict[str, float] | None:
    try:
        return scores_of(read_record(folder))
    except (EnsembleError, OSError):
        return None


def scores_of(record: EnsembleRecord) -> dict[str, float]:
    """Of every estimate that is defined: itself and the ends of its interval."""
    return {
        name: value
        for key, item in record.estimates.items()
        if item.is_defined
        for name, value in _numbers(key, item).items()
    }


def _numbers(key: str, item: Estimate) -> dict[str, float]:
    whole = {key: item.score, f"{key}_low": item.low, f"{key}_high": item.high}
    return {name: value for name, value in whole.items() if value == value}  # NaN: there is no interval
