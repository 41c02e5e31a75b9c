"""What the command says of studies, as lines and tables; text from data is cleaned where it is printed."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.core.text import bytes_text, counted, on_one_line
from orchestrator.snapshot import StudySnapshot
from orchestrator.space.domains import as_domain
from orchestrator.studies.cache import CacheEntry
from orchestrator.studies.comparing import PairOfStudies, StudyComparison
from orchestrator.studies.listing import DAMAGED, RUNNING, ListedStudy
from orchestrator.studies.removing import Removal
from orchestrator.study.failures import failed_trials, failure_lines, retry_command
from orchestrator.study.remarks import LeaderboardScore, Note

Row = tuple[str, ...]
LONGEST = 60  # characters of a note in a list, and of a setting in a comparison


def moment(seconds: float | None) -> str:
    """2026-11-29 14:36, in local time."""
    return "-" if not seconds else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def day(seconds: float | None, now: float) -> str:
    """29 Nov, of another year Nov 2025: where there is no room for more."""
    if not seconds:
        return "-"
    when = time.localtime(seconds)
    return time.strftime("%d %b" if when.tm_year == time.localtime(now).tm_year else "%b %Y", when)


def cut(text: str, length: int = LONGEST) -> str:
    """On one line, its end left out where it is longer."""
    line = on_one_line(text)
    return line if len(line) <= length else f"{line[: length - 3]}..."


# ---- a list ---------------------------------------------------------------------------------------

LIST = ("study", "state", "best", "trials", "space", "data", "begun", "size")


METRIC = "best"
NUMBERS = (METRIC, "trials", "size")


def list_table(found: Sequence[ListedStudy], now: float | None = None) -> tuple[list[str], list[Row], str]:
    """Heads, rows, and a line that says what is the same of all and has no column. now: unix seconds, where
    days have to do in place of times."""
    intact = [item for item in found if item.state != DAMAGED]
    alike = [
        name
        for name in ("space", "data", "metric")
        if len({getattr(item, name) for item in intact}) == 1 and getattr(intact[0], name)
    ]
    line = ", ".join(f"{name} {on_one_line(getattr(intact[0], name))}" for name in alike)
    left_out = {name for name in alike if len(found) > 1}
    rows = [_list_row(item, "metric" in alike, now) for item in found]
    kept = [at for at, name in enumerate(LIST) if name not in left_out]
    shown = [tuple(row[at] for at in kept) for row in rows]
    return [LIST[at] for at in kept], shown, f"all: {line}" if len(found) > 1 and line else line


def _list_row(item: ListedStudy, one_metric: bool, now: float | None) -> Row:
    best = "-" if item.best is None else f"{item.best:.4f}"
    trials = "-" if item.state == DAMAGED else f"{item.complete}/{item.proposed}"
    return (
        item.name,
        item.state,
        best if one_metric or item.best is None else f"{best} {item.metric}",
        trials,
        item.space or "-",
        item.data or "-",
        moment(item.begun) if now is None else day(item.begun, now),
        bytes_text(item.size),
    )


def list_lines(found: Sequence[ListedStudy]) -> Iterator[str]:
    """What is not in the table: faults, and what users wrote down."""
    for item in found:
        if item.fault:
            yield f"{on_one_line(item.name)}: {item.fault}"
        for fault in item.remarks.faults:
            yield f"note: {fault}"
        if item.remarks.notes:
            more = len(item.remarks.notes) - 1
            rest = f" (and {counted(more, 'earlier note')})" if more else ""
            yield f"{on_one_line(item.name)}: {cut(item.remarks.notes[-1].text)}{rest}"
        if item.remarks.scores:
            yield f"{on_one_line(item.name)}: {score_line(item.remarks.scores[-1])}"


# ---- one study ------------------------------------------------------------------------------------


def show_rows(snapshot: StudySnapshot, listed: ListedStudy) -> Iterator[Row]:
    """What it is and how it stands: names and texts."""
    header, space = snapshot.header, snapshot.space
    yield "state", f"{listed.state}; begun {moment(listed.begun)}, last written {moment(listed.changed)}"
    scale = f" ({header.scale})" if header.scale != "full" else ""
    file = f", {header.space_file}" if header.space_file else ""
    yield "space", f"{header.space_name or 'given in Python'}{scale}{file}"
    where = "" if header.demo else f", {header.manifest.get('source', '')}"
    yield "data", f"{listed.data}{where} (fingerprint {header.rows_fingerprint[:12]})"
    length = f"{counted(space.folds, 'fold')} x {counted(space.max_t, 'epoch')}"
    how = f"rule {header.rule}, proposals {header.sampler}, seed {header.seed}"
    yield "search", f"{space.metric} ({space.mode}); {length}; {how}"
    trials = f"{listed.complete} complete of {listed.proposed} proposed, {listed.planned} planned"
    spent = f"{snapshot.spent} of {snapshot.exhaustive_cost} fold-epochs that all at full length would take"
    yield "trials", f"{trials}; {spent}"
    best = snapshot.best
    if best is not None:
        folds = ", ".join(f"{fold.score:.4f}" for fold in best.bests)
        yield "best", f"trial {best.number}: {best.score:.4f}, mean of its folds ({folds})"
    stored = f"; checkpoints in {header.storage}" if header.storage else ""
    yield "size", f"{bytes_text(listed.size)} in {snapshot.path}{stored}"


def settings_rows(snapshot: StudySnapshot) -> list[Row]:
    """Parameters that vary, with their ranges."""
    domains = {name: as_domain(value) for name, value in snapshot.space.params.items()}
    return [(name, str(domain)) for name, domain in domains.items() if not domain.is_constant]


def estimate_rows(snapshot: StudySnapshot) -> list[Row]:
    """Of its newest ensemble."""
    if snapshot.ensemble is None:
        return []
    return [
        (item.title or key, str(item) if item.is_defined else item.meaning)
        for key, item in snapshot.ensemble.record.estimates.items()
    ]


def note_line(note: Note) -> str:
    return f"{moment(note.time)}  {on_one_line(note.text)}"


def score_line(score: LeaderboardScore) -> str:
    both = (("public", score.public), ("private", score.private))
    given = ", ".join(f"{name} {value:g}" for name, value in both if value is not None)
    return f"leaderboard {given}; {_known(score)}{f'; {cut(score.note)}' if score.note else ''}"


def _known(score: LeaderboardScore) -> str:
    """Out of fold, when it came."""
    of = f" of {on_one_line(score.ensemble)}" if score.ensemble else ""
    if score.trial is not None:
        of = f" of trial {score.trial}"
    if score.oof is None:
        return f"no out-of-fold score{of}"
    interval = ""
    if score.low is not None and score.high is not None:
        interval = f", {score.low:.4f} to {score.high:.4f}"
    return f"out of fold {score.oof:.4f} {score.metric} ({score.estimate}{interval}){of}"


def failed_lines(snapshot: StudySnapshot) -> list[str]:
    return failure_lines(failed_trials(snapshot.study.events))


def next_command(snapshot: StudySnapshot, state: str) -> str:
    """What its user is likely to do now."""
    name, runs = snapshot.name, snapshot.path.parent
    where = [] if runs == Path("runs") else ["--runs", str(runs)]
    if state == RUNNING:
        return shlex.join(["python", "-m", "orchestrator.studies", "show", name, *where])
    if snapshot.state != "finished":
        return shlex.join(["python", "-m", "orchestrator.tune", "--resume", "--study", name, *where])
    if snapshot.best is None:
        return retry_command(snapshot.path, snapshot.header.own_code)
    if snapshot.ensemble is None:
        return shlex.join(["python", "-m", "orchestrator.ensemble", "--study", name, *where])
    return shlex.join(["python", "-m", "orchestrator.report", "--study", name, *where])


# ---- several studies ------------------------------------------------------------------------------


def difference_rows(found: StudyComparison) -> list[Row]:
    """Changes first, then what follows from them."""
    ordered = sorted(found.differences, key=lambda item: bool(item.follows))
    return [
        (item.name + (f" (from {item.follows})" if item.follows else ""), *map(cut, item.values))
        for item in ordered
    ]


def pair_lines(pair: PairOfStudies) -> Iterator[str]:
    first, second = map(on_one_line, pair.names)
    if pair.trials is None or pair.scores is None:
        yield f"{second} against {first}: {pair.refused}"
        return
    yield (
        f"{second} trial {pair.trials[1]} ({pair.scores[1]:.4f}) against {first} trial {pair.trials[0]} "
        f"({pair.scores[0]:.4f}), the best of each by the mean of its folds:"
    )
    if pair.folds is not None and math.isfinite(pair.folds.mean):
        each = ", ".join(f"{value:+.4f}" for value in pair.folds.differences)
        yield f"  by fold: {pair.folds}: {each}; whether models trained on other rows would differ too"
    if pair.rows is None:
        yield f"  by row: not compared: {pair.refused}"
        return
    yield f"  by row: {pair.rows.difference}; whether these models differ on other groups"
    yield f"  {pair.rows.verdict}; both trials were chosen on these rows, which no interval counts in"
    for note in pair.rows.notes:
        yield f"  note: {note}"


# ---- what goes ------------------------------------------------------------------------------------


def removal_lines(planned: Removal) -> Iterator[str]:
    shared = planned.size - planned.freed
    stays = f"; {bytes_text(shared)} of it has other names elsewhere and stays there" if shared else ""
    yield f"{on_one_line(planned.folder.name)}: {planned.folder}, {bytes_text(planned.size)}{stays}"
    if planned.location:
        yield f"  and {counted(planned.stored, 'file')} in {planned.location}"
    for line in (*planned.lost, *planned.uses, *planned.links, *planned.notes):
        yield f"  {line}"


def cache_row(entry: CacheEntry) -> Row:
    return moment(entry.used), bytes_text(entry.size), entry.name, entry.costs
