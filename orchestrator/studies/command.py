"""What the command `studies` does once its options are read."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from orchestrator.budget.limits import parse_duration
from orchestrator.cli.terminal import Terminal, log_warnings
from orchestrator.core.errors import InputError, OrchestratorError, StudyError
from orchestrator.core.text import bytes_text, counted, on_one_line
from orchestrator.ensemble_record.finding import find_ensemble
from orchestrator.ensemble_record.record import RECORD
from orchestrator.progress import progress_bar
from orchestrator.snapshot import take_snapshot
from orchestrator.studies import describing as say
from orchestrator.studies.cache import CACHE, cache_entries, clean, to_clean
from orchestrator.studies.comparing import compare_settings_and_scores
from orchestrator.studies.exporting import all_trials, refuse_output, write_trials
from orchestrator.studies.listing import (
    ListedStudy,
    chosen,
    in_order,
    list_studies,
    listed,
    nothing_found,
    study_folders,
)
from orchestrator.studies.removing import (
    Removal,
    finish,
    leftovers,
    plan_removal,
    plan_rest,
    remove,
    study_to_remove,
)
from orchestrator.studies.scoring import agreement_lines, beyond_bounds, leaderboard_score, scores_like
from orchestrator.study.finding import find_study
from orchestrator.study.remarks import SCORES, add_note, add_score, read_remarks
from orchestrator.study.study import Study

NOT_DONE = 1
DEFAULT_AGE = "30d"
WIDE = 100
"""Columns of a terminal from which on a list has room for times."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)B?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}  # as disks are sold, and bytes_text says


def run(arguments: argparse.Namespace) -> int:
    """Raises InputError, StorageError, OSError."""
    log_warnings()
    # Without a terminal (a pipe, a file) lines are not cut to a width that nobody sees.
    console = Terminal(highlight=False, width=None if sys.stdout.isatty() else 120)
    return _COMMANDS[arguments.command](arguments, console)


def _lines(console: Terminal, lines: Iterable[str], style: str = "") -> None:
    for line in lines:
        console.print(Text(line, style=style), soft_wrap=True)


def _table(
    console: Terminal,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Sequence[str] = (),
    may_be_cut: Sequence[str] = (),
    may_break: Sequence[str] = (),
) -> None:
    made = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        made.add_column(
            Text(on_one_line(name)),
            justify="right" if name in right else "left",
            no_wrap=name not in may_break,
            overflow="ellipsis" if name in may_be_cut else "fold",
        )
    for row in rows:
        made.add_row(*(Text(on_one_line(cell)) for cell in row))
    console.print(made)


def _rows(console: Terminal, rows: Iterable[Sequence[str]]) -> None:
    """Names and texts, side by side."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for name, text in rows:
        grid.add_row(Text(on_one_line(name)), Text(on_one_line(text)))
    console.print(grid)


def _heading(console: Terminal, text: str) -> None:
    console.print(Text(f"\n{text}", style="bold"))


# ---- list, show, compare --------------------------------------------------------------------------


def _all(arguments: argparse.Namespace) -> list[ListedStudy]:
    with progress_bar("reading studies") as progress:
        return list_studies(arguments.runs, progress)


def _list(arguments: argparse.Namespace, console: Terminal) -> int:
    every = _all(arguments)
    wanted = {
        "state": arguments.state,
        "space": arguments.with_space,
        "data": arguments.with_data,
        "metric": arguments.with_metric,
    }
    found = in_order(chosen(every, arguments.names, **wanted), arguments.sort)
    if arguments.json:
        print(json.dumps([item.to_json() for item in found], indent=1))
        return 0
    if not found:
        console.print(Text(nothing_found(arguments.runs, every, arguments.names)), soft_wrap=True)
    else:
        head, rows, alike = say.list_table(found, None if console.width >= WIDE else time.time())
        _lines(console, [alike] if alike else [])
        _table(console, head, rows, say.NUMBERS, may_be_cut=("space", "data"), may_break=("study",))
        _lines(console, say.list_lines(found))
    _lines(console, _about_leftovers(arguments.runs), "dim")
    return 0


def _about_leftovers(runs: Path) -> list[str]:
    left = leftovers(runs)
    if not left:
        return []
    what = counted(len(left), "removal")
    return [f"{what} in {runs} did not end; `python -m orchestrator.studies clean --runs {runs}` ends it"]


def _show(arguments: argparse.Namespace, console: Terminal) -> int:
    folder = find_study(arguments.name, arguments.runs)
    item = listed(folder)
    if arguments.json:
        print(json.dumps(item.to_json(), indent=1))
        return 0
    snapshot = take_snapshot(folder)
    console.print(Text(on_one_line(item.name), style="bold"))
    _rows(console, say.show_rows(snapshot, item))
    for title, rows in (
        ("parameters that vary", say.settings_rows(snapshot)),
        (_of_ensemble(snapshot.ensemble.folder if snapshot.ensemble else None), say.estimate_rows(snapshot)),
    ):
        if rows:
            _heading(console, title)
            _rows(console, rows)
    for title, lines in (
        ("notes", [say.note_line(note) for note in item.remarks.notes]),
        ("leaderboard", [say.score_line(score) for score in item.remarks.scores]),
    ):
        if lines:
            _heading(console, title)
            _lines(console, lines)
    _lines(console, say.failed_lines(snapshot))
    _lines(console, (f"note: {note}" for note in snapshot.notes))
    console.print(Text(f"\nnext: {say.next_command(snapshot, item.state)}"), soft_wrap=True)
    return 0


def _of_ensemble(folder: Path | None) -> str:
    return f"estimates of {on_one_line(folder.name)}" if folder else ""


def _compare(arguments: argparse.Namespace, console: Terminal) -> int:
    folders = [find_study(name, arguments.runs) for name in (arguments.name, *arguments.others)]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise StudyError("a study is named twice; name different ones")
    studies = [Study(folder, trust=arguments.trust) for folder in folders]
    with progress_bar("comparing"):
        found = compare_settings_and_scores(studies, arguments.seed, arguments.repeats, arguments.trust)
    console.print(Text(found.verdict), soft_wrap=True)
    if found.differences:
        # By their places: two studies of different folders may have one name.
        columns = ("what differs", *found.names)
        _table(console, columns, say.difference_rows(found), may_break=columns)
    for pair in found.pairs:
        _lines(console, say.pair_lines(pair))
    return 0


# ---- rm, clean ------------------------------------------------------------------------------------


def _rm(arguments: argparse.Namespace, console: Terminal) -> int:
    runs = arguments.runs
    folders = list(dict.fromkeys(study_to_remove(name, runs) for name in arguments.names))
    with progress_bar("looking"):
        planned = [plan_removal(folder, runs, arguments.keep_storage) for folder in folders]
    for each in planned:
        _lines(console, say.removal_lines(each))
    question = f"remove {counted(len(planned), 'study', 'studies')} for good?"
    if not arguments.yes and not _asked(question):
        console.print("nothing was removed")
        return NOT_DONE
    for each in planned:
        with progress_bar(f"removing {each.folder.name}") as progress:
            remove(each, progress)
        freed = bytes_text(each.freed)
        _lines(console, [f"removed {on_one_line(each.folder.name)}: {freed} are free"])
    _lines(console, _about_leftovers(runs), "dim")
    return 0


def _asked(question: str) -> bool:
    """Whether the user says yes. Raises StudyError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise StudyError("nobody can be asked here, for there is no terminal; say --yes to remove it all")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _clean(arguments: argparse.Namespace, console: Terminal) -> int:
    runs, cache = arguments.runs, arguments.runs / CACHE
    with progress_bar("looking"):
        entries = cache_entries(cache)
    older = DEFAULT_AGE if (arguments.older, arguments.max_size) == (None, None) else arguments.older
    age = None if older is None else parse_duration(older, "--older")
    gone = to_clean(
        entries, time.time(), age, None if arguments.max_size is None else _bytes(arguments.max_size)
    )
    left, faults = _rests(runs)
    total = (
        f"{bytes_text(sum(entry.size for entry in entries))} in {counted(len(entries), 'entry', 'entries')}"
    )
    console.print(Text(f"{cache}: {total}; {bytes_text(sum(entry.size for entry in gone))} would go"))
    if gone:
        columns = ("last used", "size", "what", "its loss costs")
        _table(
            console,
            columns,
            map(say.cache_row, gone),
            ("size",),
            may_break=("last used", "what", "its loss costs"),
        )
    _lines(console, [f"and what {counted(len(left), 'removal')} left in {runs}:"] if left else [])
    for rest in left:
        _lines(console, say.removal_lines(rest))
    _lines(console, faults)
    done = NOT_DONE if faults else 0
    if not gone and not left:
        return done
    if not arguments.yes and not sys.stdin.isatty():
        console.print("nothing was removed; say --yes to remove it")
        return done
    if not arguments.yes and not _asked("remove it?"):
        console.print("nothing was removed")
        return NOT_DONE
    for rest in left:
        with progress_bar("removing") as progress:
            finish(rest, progress)
    with progress_bar("cleaning") as progress:
        kept = clean(runs, gone, progress)
    _lines(console, [f"{entry.name} is being made and stays" for entry in kept])
    console.print(Text(f"removed {bytes_text(sum(entry.size for entry in gone if entry not in kept))}"))
    return done


def _rests(runs: Path) -> tuple[list[Removal], list[str]]:
    """Of removals that were interrupted; and a sentence for each that nobody may end yet."""
    rests, faults = [], []
    for aside in leftovers(runs):
        try:
            rests.append(plan_rest(aside))
        except OrchestratorError as error:
            faults.append(f"{aside} stays: {error}")
    return rests, faults


def _bytes(text: str) -> int:
    """Of 5GB, 500MB, 1.5 TB. Raises InputError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise InputError(f"--max-size {on_one_line(text[:40])}: give a size such as 5GB or 500MB")
    return round(float(found[1]) * _UNITS[found[2].lower()])


# ---- export, note, score --------------------------------------------------------------------------


def _export(arguments: argparse.Namespace, console: Terminal) -> int:
    refuse_output(arguments.out)
    folders = study_folders(arguments.runs)
    if arguments.names:
        folders = [item.path for item in chosen(_all(arguments), arguments.names)]
    with progress_bar("reading studies") as progress:
        frame, faults = all_trials(folders, progress)
    _lines(console, (f"left out: {fault}" for fault in faults))
    write_trials(frame, arguments.out)
    studies = counted(frame["study"].nunique(), "study", "studies")
    console.print(Text(f"{arguments.out}: {counted(len(frame), 'trial')} of {studies}"), soft_wrap=True)
    return 0


def _note(arguments: argparse.Namespace, console: Terminal) -> int:
    folder = find_study(arguments.name, arguments.runs)
    if arguments.text is not None:
        add_note(folder, arguments.text)
    found = read_remarks(folder)
    _lines(console, [say.note_line(note) for note in found.notes] or ["no note yet"])
    _lines(console, (f"note: {fault}" for fault in found.faults))
    return 0


def _score(arguments: argparse.Namespace, console: Terminal) -> int:
    folder = find_study(arguments.name, arguments.runs)
    given = (arguments.public, arguments.private)
    if given == (None, None) and (arguments.ensemble is not None or arguments.note):
        raise InputError("no score to write down; give --public, --private or both")
    if given != (None, None):
        ensemble = None
        if arguments.ensemble is not None:
            inside = folder / arguments.ensemble  # by its name alone
            is_inside = (inside / RECORD).is_file()
            ensemble = inside if is_inside else find_ensemble(arguments.ensemble, arguments.runs)
        made = leaderboard_score(Study(folder), *given, ensemble, arguments.note)
        add_score(folder, made)
        taken_back = f"it is kept; to take it back, delete the last line of {folder / SCORES}"
        _lines(console, (f"warning: {line}; {taken_back}" for line in beyond_bounds(made)))
    item = listed(folder)
    _lines(console, [say.score_line(score) for score in item.remarks.scores] or ["no score yet"])
    _lines(console, (f"note: {fault}" for fault in item.remarks.faults))
    if item.remarks.scores:
        others = _others(arguments, item)
        alike = scores_like(item, others)
        elsewhere = len(alike) - len(item.remarks.scores)
        if elsewhere > 0:
            console.print(f"with {counted(elsewhere, 'score')} of other studies of the same rows and metric:")
        modes = {other.metric: other.mode for other in (item, *others)}
        smaller = [metric for metric, mode in modes.items() if mode == "min"]
        _lines(console, agreement_lines(alike, smaller_is_better=smaller))
    return 0


def _others(arguments: argparse.Namespace, item: ListedStudy) -> list[ListedStudy]:
    """Of the folder of studies, and the one that was named, which may lie elsewhere."""
    try:
        found = _all(arguments)
    except (OrchestratorError, OSError):
        found = []
    own = item.path.resolve()
    return [item, *(other for other in found if other.path.resolve() != own)]


_COMMANDS: dict[str, Callable[[argparse.Namespace, Terminal], int]] = {
    "list": _list,
    "show": _show,
    "compare": _compare,
    "rm": _rm,
    "clean": _clean,
    "export": _export,
    "note": _note,
    "score": _score,
}
