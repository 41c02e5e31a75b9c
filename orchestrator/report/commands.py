"""Commands that a report gives to copy. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.events import State
from orchestrator.core.finding import Finding, Level
from orchestrator.snapshot import FoundEnsemble, StudySnapshot
from orchestrator.study.failures import retry_command

COPIES = "FO009"


@dataclass(frozen=True)
class NextStep:
    why: str  # a sentence
    command: str


def next_step(snapshot: StudySnapshot) -> NextStep:
    """What to do with the study as it stands."""
    if snapshot.ensemble is not None:
        words = ["ensemble", "--ensemble", str(snapshot.ensemble.folder), "--predict", "MANIFEST"]
        return NextStep("Predict new images; MANIFEST is their table or folder.", _module(words))
    if snapshot.state in ("interrupted", "stopped"):
        return NextStep("The search has not ended; continue it.", _resume(snapshot))
    if snapshot.complete:
        words = ["ensemble", "--study", str(snapshot.path)]
        why = "Build the ensemble of its best fold models, which is scored with what chose it corrected."
        return NextStep(why, _module(words))
    if any(status.state is State.FAIL for status in snapshot.statuses):
        why = "Mend what made trials fail, then run those again."
        return NextStep(why, retry_command(snapshot.path, snapshot.header.own_code))
    why = "If its command still runs, wait; if that was killed, continue the search."
    return NextStep(why, _resume(snapshot))


def mending_steps(snapshot: StudySnapshot, findings: Sequence[Finding]) -> tuple[NextStep, ...]:
    """What makes scores hold again where copies lie in several folds or groups; () where they do not."""
    if not any(item.code == COPIES and item.level is Level.BLOCKS for item in findings):
        return ()
    table = f"{snapshot.name}-grouped.csv"
    words = ["check", "--space", _space(snapshot), *_data(snapshot), "--write-groups", table]
    return (
        NextStep(f"Writes {table}: the same rows, with copies in one group ({COPIES}).", _module(words)),
        NextStep(
            "Searches again on that table: copies then share a fold, so no model is judged on what it "
            "trained on.",
            tune_command(snapshot, data=table),
        ),
    )


def _space(snapshot: StudySnapshot) -> str:
    header = snapshot.header
    space_file = header.space_file or (header.own_code or {}).get("space_file")
    return str(space_file or header.space_name or "SPACE")


def _data(snapshot: StudySnapshot) -> list[str]:
    """The data of the search, read as the search was told to."""
    manifest = snapshot.header.manifest
    words = ["--data", str(manifest.get("source", "MANIFEST"))]
    for name, value in (manifest.get("reading") or {}).items():
        for each in value if isinstance(value, list) else [value]:
            words.append(f"--{name.replace('_', '-')}={each}")  # in one word: a suffix may begin with "-"
    return words


def tune_command(snapshot: StudySnapshot, data: str | None = None) -> str:
    """That which begins the same search, as far as the study says how it was begun. data: another table."""
    header, space = snapshot.header, snapshot.space
    words = ["tune", "--space", _space(snapshot)]
    if data is not None:
        words += ["--data", data]
    elif not header.demo:
        words += _data(snapshot)
    words += ["--study", f"{header.name}-again", "--scale", header.scale, "--seed", str(header.seed)]
    words += ["--trials", str(snapshot.study.trials), "--max-epochs", str(space.max_t)]
    given = (
        ("--rule", header.rule, "fold_asha"),
        ("--sampler", header.sampler, "random"),
        ("--keep-oof", header.keep_oof, "all"),
        ("--storage", header.storage, None),
        ("--max-fold-epochs", header.budget.fold_epochs, None),
        ("--label-fixes", (header.label_fixes or {}).get("source"), None),
    )
    for option, value, default in given:
        if value != default:
            words += [option, str(value)]
    for source in header.extra:
        words += ["--extra", str(source.get("source", "MANIFEST"))]
    return _module([*words, *_tries(snapshot)])


def _tries(snapshot: StudySnapshot) -> list[str]:
    return [
        word
        for given in snapshot.header.tries
        for word in ("--try", ",".join(f"{name}={value}" for name, value in given.items()))
    ]


def ensemble_command(snapshot: StudySnapshot, found: FoundEnsemble) -> str:
    """That which built an ensemble. Its studies are named as they were; the first one's folder is known."""
    named = [str(snapshot.path) if name == snapshot.name else name for name in found.record.studies]
    words = ["ensemble", "--study", *(named or [str(snapshot.path)])]
    if found.record.tta is not None:
        words += ["--tta", found.record.tta]
    return _module(words)


def _resume(snapshot: StudySnapshot) -> str:
    words = ["tune", "--resume", "--study", snapshot.name]
    if snapshot.path.parent != Path("runs"):
        words += ["--runs", str(snapshot.path.parent)]
    if snapshot.header.own_code is not None:
        words += ["--space", str(snapshot.header.own_code["space_file"])]
    return _module(words)


def _module(words: Sequence[str]) -> str:
    return shlex.join(["python", "-m", f"orchestrator.{words[0]}", *words[1:]])
