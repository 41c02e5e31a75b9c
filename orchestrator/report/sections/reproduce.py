"""What it takes to have the same again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping

from orchestrator.pages.blocks import Block, Cell, Code, Table, Text
from orchestrator.progress.text import duration
from orchestrator.report.commands import ensemble_command, tune_command
from orchestrator.report.context import ReportContext
from orchestrator.snapshot import StudySnapshot
from orchestrator.space import Domain

TITLE = "Reproduce"
QUESTION = "With which commands, data, code and seeds does the same come out again?"
_UNKNOWN = "not recorded"


def blocks(context: ReportContext) -> tuple[Block, ...]:
    snapshot = context.main
    return (
        *_commands(snapshot),
        Table("What was run", ("what", "value"), tuple(_facts(snapshot)), in_terminal=False),
        Table("What was searched", ("parameter", "values"), _space(snapshot), _SEARCHED, in_terminal=False),
        *_models(snapshot),
        *_notes(context),
    )


_SEARCHED = "Settings given with --set are in it as the one value that they left."


def _commands(snapshot: StudySnapshot) -> Iterator[Block]:
    yield Code(
        tune_command(snapshot),
        "The search",
        "As far as the study says how it was begun: paths are those of the machine that ran it, and options "
        "that only say where it runs are left out.",
    )
    if snapshot.ensemble is not None:
        yield Code(ensemble_command(snapshot, snapshot.ensemble), "The ensemble")


def _facts(snapshot: StudySnapshot) -> Iterator[tuple[Cell, ...]]:
    """What it is, where it came from, and how long it took; what nobody recorded is said to be so."""
    header, study = snapshot.header, snapshot.study
    yield "study", str(snapshot.path)
    yield "begun", _when(study.started)
    yield "last event", _when(study.ended)
    yield "time between them", duration(snapshot.seconds)
    yield "time of epochs, all slots together", duration(_busy(snapshot))
    yield "energy", _UNKNOWN
    yield "servers", ", ".join(snapshot.nodes) or "one; its hardware is not recorded"
    yield "seed", str(header.seed)
    yield "rule", f"{header.rule}, version {header.rule_version}"
    yield "order of the folds", ", ".join(map(str, header.fold_order)) or "by number"
    yield "proposals", header.sampler
    yield "kept epoch", header.epoch_choice
    yield "trainable", snapshot.space.trainable
    yield "data", str(header.manifest.get("source", _UNKNOWN))
    yield "rows (SHA-256)", header.rows_fingerprint or _UNKNOWN
    yield "folds (SHA-256)", header.fold_plan or _UNKNOWN
    yield from _digests(snapshot)


def _digests(snapshot: StudySnapshot) -> Iterator[tuple[Cell, ...]]:
    header = snapshot.header
    for package, digests in snapshot.study.sources.items():
        yield f"code of {package} (digest)", ", then ".join(digests)
    for what, record in (("own code", header.own_code), ("label fixes", header.label_fixes)):
        if record is not None:
            yield what, _said(record)
    for extra in header.extra:
        yield "extra rows", _said(extra)
    for name, version in header.versions.items():
        yield f"version of {name}", version
    if snapshot.ensemble is not None:
        digest = snapshot.ensemble.record.train_digest
        yield "ensemble's training rows (SHA-256)", digest or _UNKNOWN


def _said(record: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in record.items() if value not in (None, "", []))


def _space(snapshot: StudySnapshot) -> tuple[tuple[Cell, ...], ...]:
    """Parameters that vary first."""
    varied = set(snapshot.space.varied())
    ordered = sorted(snapshot.space.domains.items(), key=lambda item: (item[0] not in varied, item[0]))
    return tuple((name, _domain(domain)) for name, domain in ordered)


def _domain(domain: Domain) -> str:
    """light, medium; loguniform 0.002 to 0.01; 0.9 where momentum is 1."""
    said = [
        json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
        for value in domain.values
    ]
    text = ", ".join(said)
    if domain.kind not in ("choice", "constant"):
        step = f" in steps of {said[2]}" if len(said) > 2 else ""
        text = f"{domain.kind} {said[0]} to {said[1]}{step}"
    for name, allowed in domain.conditions.items():
        text += f", where {name} is {' or '.join(map(str, allowed))}"
    return text


def _models(snapshot: StudySnapshot) -> Iterator[Block]:
    """The fold models that vote, or those of the best trial, with what their bytes were."""
    rows: list[tuple[Cell, ...]] = []
    if snapshot.ensemble is not None:
        rows += [
            (f"{member.study}/{member.trial}", model.fold, model.epoch, float(model.score), model.sha256)
            for member in snapshot.ensemble.record.members
            for model in member.models
        ]
    elif snapshot.best is not None:
        best = snapshot.best
        rows += [
            (f"{snapshot.name}/{best.number}", item.fold, item.epoch, float(item.score), item.weights_digest)
            for item in best.bests
        ]
    if rows:
        columns = ("trial", "fold", "epoch", snapshot.space.metric, "weights (SHA-256)")
        yield Table("Models", columns, tuple(rows), in_terminal=False)


def _notes(context: ReportContext) -> Iterator[Block]:
    """What its user noted of a study, what could not be read of it, and what its rows' source said."""
    for snapshot in context.snapshots:
        noted = (f"{_when(note.time)}: {note.text}" for note in snapshot.remarks.notes)
        said = [*noted, *(snapshot.manifest.notes if snapshot.manifest is not None else ()), *snapshot.notes]
        if said:
            yield Text((), tuple(dict.fromkeys(said)), title=f"Notes on {snapshot.name}")


def _busy(snapshot: StudySnapshot) -> float:
    return float(sum(snapshot.curves["seconds"])) if len(snapshot.curves) else 0.0


def _when(seconds: float) -> str:
    """In universal time: a report is read elsewhere."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
