"""Who was stopped where and why, and what that saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.core.events import EpochEnded, Event, FoldRunKey, LegStarted, State
from orchestrator.core.text import counted
from orchestrator.pages.blocks import Block, Cell, Table, Text
from orchestrator.pages.figures import BarChart, Line, LineChart
from orchestrator.progress.text import duration
from orchestrator.race.contract import TrialStatus
from orchestrator.race.ladder import Rung
from orchestrator.report.context import ReportContext
from orchestrator.snapshot import StudySnapshot

TITLE = "Race"
QUESTION = "How far did each trial come, why was it stopped, and what did that save?"

WORDS = {
    State.COMPLETE: "complete",
    State.PRUNED: "stopped early",
    State.FAIL: "failed",
    State.PARKED: "not ended",
    State.RUNNING: "not ended",
    State.WAITING: "not begun",
}


def blocks(context: ReportContext) -> tuple[Block, ...]:
    snapshot = context.main
    if not snapshot.statuses:
        return (Text(("No trial has been proposed yet.",)),)
    return (*_spent(snapshot), *_ways(snapshot), *_rungs(snapshot), _ends(snapshot))


# ---- what it cost ----


def _spent(snapshot: StudySnapshot) -> tuple[Block, ...]:
    spent, all_of_it = snapshot.spent, snapshot.exhaustive_cost
    space, trials = snapshot.space, counted(snapshot.study.trials, "trial")
    seconds = float(sum(snapshot.curves["seconds"])) if len(snapshot.curves) else 0.0
    said = [
        f"It spent {counted(spent, 'fold-epoch')}, an epoch of training on one fold each. All {trials} on "
        f"all {counted(space.folds, 'fold')} for {counted(space.max_t, 'epoch')} would have taken "
        f"{all_of_it}: {_ratio(spent, all_of_it)}.",
        f"Its epochs took {duration(seconds)} of a slot in all, in {duration(snapshot.seconds)} from the "
        f"first event to the last{_at_once(seconds, snapshot.seconds)}.",
    ]
    chart = BarChart(
        "Fold-epochs",
        ["this race", "every trial on every fold"],
        [spent, all_of_it],
        "fold-epochs",
        f"Spent on trials that are {_by_state(snapshot)}.",
    )
    return (Text(said), chart)


def _ratio(spent: int, all_of_it: int) -> str:
    if not spent:
        return "nothing was spent"
    return f"{spent / all_of_it:.0%} of it, {all_of_it / spent:.1f} times less"


def _at_once(busy: float, wall: float) -> str:
    return f", {busy / wall:.1f} fold runs at once on average" if wall > 0 else ""


def _by_state(snapshot: StudySnapshot) -> str:
    by_word: dict[str, list[int]] = {}
    for item in snapshot.statuses:
        by_word.setdefault(WORDS[item.state], []).append(item.epochs_spent)
    return ", ".join(
        f"{word} {sum(spent)} ({counted(len(spent), 'trial')})" for word, spent in by_word.items()
    )


# ---- everybody's way ----


def _ways(snapshot: StudySnapshot) -> tuple[Block, ...]:
    points = level_points(snapshot.study.events, snapshot.larger_is_better)
    lines = [_way(snapshot, item, points[item.trial]) for item in snapshot.statuses if item.trial in points]
    if not lines:
        return ()
    chart = LineChart(
        "The way of each trial",
        "fold-epochs of the trial (folds x epochs)",
        snapshot.space.metric,
        lines,
        "One line for each trial: the mean, over the folds that it had begun, of each one's best score so "
        "far, wherever these folds had equally many epochs. A dot is a rung, where trials are compared.",
        x_marks=[
            (float(rung.folds * rung.epochs), f"rung {number}")
            for number, rung in enumerate(snapshot.ladder, 1)
        ],
        log_x=True,
    )
    return (chart,)


def _way(snapshot: StudySnapshot, item: TrialStatus, points: Mapping[int, float]) -> Line:
    rungs = {rung.folds * rung.epochs for rung in snapshot.ladder}
    return Line(
        f"trial {item.trial}",
        [float(place) for place in points],
        list(points.values()),
        group=WORDS[item.state],
        mark_x=[float(place) for place in points if place in rungs],
        trial=item.trial,
        note=item.reason,
    )


def level_points(events: Iterable[Event], larger_is_better: bool) -> dict[int, dict[int, float]]:
    """Trial -> fold-epochs -> mean over its folds of the best score so far, wherever all the folds that it
    had begun had equally many epochs. What a retry replaced is left out."""
    better = max if larger_is_better else min
    runs: dict[int, dict[int, list[float]]] = {}
    points: dict[int, dict[int, float]] = {}
    for event in events:
        if isinstance(event, LegStarted):
            del runs.setdefault(event.trial, {}).setdefault(event.fold, [])[event.start :]
        elif isinstance(event, EpochEnded):
            own = runs[event.trial]
            run = own[event.fold]
            run.append(better(run[-1], event.score) if run else event.score)
            if len({len(item) for item in own.values()}) == 1:
                place = len(own) * len(run)
                found = points.setdefault(event.trial, {})
                for later in [item for item in found if item >= place]:
                    del found[later]
                found[place] = sum(item[-1] for item in own.values()) / len(own)
    return points


# ---- rungs and ends ----


def _rungs(snapshot: StudySnapshot) -> tuple[Block, ...]:
    """() where another rule than the ladder's decided."""
    if not snapshot.ladder:
        return ()
    order = tuple(snapshot.header.fold_order) or tuple(range(snapshot.space.folds))
    rows: list[tuple[Cell, ...]] = []
    for number, rung in enumerate(snapshot.ladder, 1):
        came = [item for item in snapshot.statuses if _reached(snapshot, item.trial, order, rung)]
        rows.append((number, rung.folds, rung.epochs, rung.quota_text, len(came)))
    note = (
        "At a rung trials are compared by their mean over the same folds at the same epoch. The quota is how "
        "many go there by the plan; in brackets are the bounds within which it moves with what the study "
        "shows, and a reason such as 'certain outside quota 5' names the quota of its moment. Trials that "
        "come may be more: a free slot runs a likely one before it is certain, and early votes run some "
        "further."
    )
    columns = ("rung", "folds", "epochs", "quota", "trials that came")
    return (Table("Rungs", columns, tuple(rows), note, in_terminal=False),)


def _reached(snapshot: StudySnapshot, trial: int, order: Sequence[int], rung: Rung) -> bool:
    keys = (FoldRunKey(trial, fold) for fold in order[: rung.folds])
    return all(snapshot.history.done(key) >= rung.epochs for key in keys)


def _ends(snapshot: StudySnapshot) -> Table:
    """Every trial, best first, as far as it came and why it came no further."""
    rows: list[tuple[Cell, ...]] = []
    for item in snapshot.statuses:
        done = [snapshot.history.done(FoldRunKey(item.trial, fold)) for fold in range(snapshot.space.folds)]
        begun = sum(epochs > 0 for epochs in done)
        score: Cell = "" if item.score is None else float(item.score)
        words = WORDS[item.state]
        rows.append((item.trial, words, score, begun, max(done), item.epochs_spent, item.reason or words))
    columns = (
        "trial",
        "state",
        snapshot.space.metric,
        "folds begun",
        "epochs",
        "fold-epochs",
        "why it ended",
    )
    note = (
        "The score is the mean over the folds that a trial began, so that of a complete one does not compare "
        "with another's. Rungs and epochs are counted from 1, trials and folds from 0."
    )
    trials = [item.trial for item in snapshot.statuses]
    return Table("Who ended where, and why", columns, tuple(rows), note, in_terminal=False, trials=trials)
