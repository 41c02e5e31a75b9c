"""Writes a report: one HTML file, whole or not at all, over nothing but another report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.cli.parser import version
from orchestrator.core.atomic_file import atomic_write
from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import InputError, OrchestratorError, StorageError
from orchestrator.core.finding import Finding
from orchestrator.core.thumbnails import read_thumbnails
from orchestrator.pages.evidence import rows_on
from orchestrator.pages.render import render
from orchestrator.pages.thumbnails import Pixels, ReadThumbnails, thumbnail_uris
from orchestrator.progress import progress_bar
from orchestrator.report.context import ReportContext
from orchestrator.report.page import report_page
from orchestrator.snapshot import StudySnapshot, take_snapshot
from orchestrator.study.study import Study
from orchestrator.study_checks import check_study
from orchestrator.study_checks.fitted_baseline import FittedBaseline, known_baseline

FILE = "report.html"
MARK = b"<!-- report of fold-orchestrator -->"
"""In the first line of a report, by which one is known that may be replaced."""
IMAGE_BYTES = 5_000_000  # of all pictures together, as text


Reported = StudySnapshot | Study | Path | str


def write_report(
    studies: Reported | Sequence[Reported],
    out: Path | str | None = None,
    *,
    findings: Sequence[Sequence[Finding]] | None = None,
    data_root: Path | None = None,
    seed: int = 0,
) -> Path:
    """A report of a study as one HTML file, at any time; returns where it was written.

    studies: one, or several that stand beside the first: folders, Study objects or snapshots. out: default
    report.html in the first study's folder; a report that is there is replaced. findings: of each
    study's checks; None makes them. data_root: where the first study's images lie, if no longer where it
    found them. seed: of resamples.

    Raises InputError where there is no study, or `out` is a file that is no report; StorageError.
    """
    if isinstance(studies, StudySnapshot | Study | Path | str):
        studies = (studies,)
    snapshots = [_snapshot(item) for item in studies]
    out = snapshots[0].path / FILE if out is None else Path(out)
    refuse_other_file(out)
    given = findings if findings is not None else checked(snapshots, seed)
    context = ReportContext(
        tuple(snapshots), tuple(map(tuple, given)), images_of(snapshots[0], data_root), seed
    )
    with progress_bar("making the report") as progress:
        page = report_page(context, progress)
    with progress_bar("reading images") as progress:
        pictures = _pictures(rows_on(page), context.images, progress)
    html = render(page, pictures, version())
    first, rest = html.split("\n", 1)
    _write(out, f"{first}{MARK.decode()}\n{rest}")
    return out


def _snapshot(given: Reported) -> StudySnapshot:
    if isinstance(given, StudySnapshot):
        return given
    return take_snapshot(given.path if isinstance(given, Study) else Path(given))


BaselineOf = Callable[[StudySnapshot], FittedBaseline | None]


def checked(
    snapshots: Sequence[StudySnapshot], seed: int, baseline: BaselineOf = known_baseline
) -> list[tuple[Finding, ...]]:
    """Of each study; the first one is compared with the others. baseline: that of a study; by default one
    that was fitted before, which costs nothing."""
    with progress_bar("checking the study") as progress:
        found = []
        for number, snapshot in enumerate(snapshots):
            others = [] if number else snapshots[1:]
            simple = _baseline(snapshot, baseline)
            found.append(check_study(snapshot, seed=seed, baseline=simple, others=others))
            progress(number + 1, len(snapshots))
    return found


def _baseline(snapshot: StudySnapshot, baseline: BaselineOf) -> FittedBaseline | None:
    """None where there is none to compare with; a note says why."""
    if not snapshot.complete:
        return None
    try:
        return baseline(snapshot)
    except OrchestratorError as error:
        snapshot.notes.append(str(error))
        return None


def refuse_other_file(out: Path) -> None:
    """Raises InputError for anything that is no report of this program's: it would be lost."""
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_file() or MARK not in _head(out):
        raise InputError(
            f"{out} exists and is no report of this program, so it is not replaced; name another file "
            "with --out"
        )


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(200)


def images_of(snapshot: StudySnapshot, data_root: Path | None) -> ReadThumbnails | None:
    """None where there is no manifest, or no folder of images."""
    manifest = snapshot.manifest
    root = data_root if data_root is not None or manifest is None else manifest.root
    if manifest is None or root is None or not root.is_dir():
        return None
    paths = manifest.frame["path"].astype(str).tolist()

    def read(rows: Sequence[int], side: int) -> Sequence[Pixels | None]:
        # By the shipped decoder: a study from elsewhere may name code of its own, which nothing here imports.
        return read_thumbnails(str(root), [paths[row] for row in rows], side)

    return read


def _pictures(rows: Sequence[int], read: ReadThumbnails | None, progress: Progress) -> dict[int, str]:
    if read is None or not rows:
        return {}
    return thumbnail_uris(rows, read, progress, budget=IMAGE_BYTES)


def _write(out: Path, html: str) -> None:
    try:
        with atomic_write(out) as file:
            file.write(html.encode("utf-8", "replace"))
    except OSError as error:
        raise StorageError(
            f"{out} cannot be written: {error.strerror}; name another file with --out"
        ) from error
