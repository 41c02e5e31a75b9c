"""The rows of a new study: the data, its label fixes, and what other sources add to the training parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.demo_faces import demo_faces
from orchestrator.errors import ManifestError
from orchestrator.extra_rows import add_extra, load_extra, refuse_copies, refuse_shared_groups
from orchestrator.label_fixes import FixReport, apply_fixes
from orchestrator.manifest import Manifest, joined_folds, load_manifest
from orchestrator.progress import progress_bar
from orchestrator.search.request import Request, Say

DEMO = "the embedded demo faces (drawn by the program; give your own with --data)"


@dataclass(frozen=True)
class Rows:
    """manifest: no row has role test; header: where the rows came from, for the study's header."""

    manifest: Manifest
    header: dict[str, Any]
    fixes: FixReport | None = None


def gather_rows(request: Request, group: str | None, say: Say) -> Rows:
    """Everything a study is made of, read and checked once; resuming reads the study alone.

    group: the space's column. Raises ManifestError.
    """
    if request.data is None:
        source = draw_demo(request.runs)
        say(f"data: {DEMO}")
    else:
        source = Path(request.data)
    whole = load_manifest(source, group_column=group)
    for note in whole.notes:
        say(f"note: {note}")
    fixes = None
    if request.label_fixes is not None:
        whole, fixes = apply_fixes(whole, request.label_fixes)
        say(str(fixes))
    kept = whole.frame[whole.frame["role"] != "test"].reset_index(drop=True)
    if kept.empty:
        raise ManifestError(f"{source}: every row has role test; a search needs rows with role train")
    manifest, extras = replace(whole, frame=kept), []
    for place in request.extra:
        manifest, record = _joined(manifest, whole, place, group, say)
        extras.append(record)
    header: dict[str, Any] = {
        "manifest": {
            "source": str(source),
            "root": str(manifest.root),
            "fingerprint": manifest.fingerprint,
        }
    }
    if fixes is not None:
        header["label_fixes"] = fixes.to_json()
    if extras:
        header["extra"] = extras
    return Rows(manifest, header, fixes)


def _joined(
    manifest: Manifest, whole: Manifest, source: Path, group: str | None, say: Say
) -> tuple[Manifest, dict[str, Any]]:
    """whole: with the rows that have role test, which must not be trained on either."""
    extra = load_extra(source, group)
    for note in extra.notes:
        say(f"note: {note}")
    refuse_shared_groups(whole, extra)
    with progress_bar("looking for copies") as progress:
        refuse_copies(whole, extra, progress)
    bound = int((joined_folds(extra.frame) >= 0).sum())
    parts = "every training part" + (f" ({bound} of them one fold's alone)" if bound else "")
    say(f"extra: {len(extra)} rows of {extra.name} join {parts} and no validation part")
    record = {
        "source": str(source),
        "root": str(extra.root),
        "fingerprint": extra.fingerprint,
        "rows": len(extra),
    }
    return add_extra(manifest, extra), record


def draw_demo(runs: Path) -> Path:
    """The demo faces' training folder; drawn where they are not there yet, the same every time."""
    with progress_bar("drawing demo faces") as progress:
        return demo_faces(runs / ".cache", progress=progress) / "train"
