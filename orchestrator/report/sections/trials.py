"""Every trial beside the best, and which parameters told good ones from bad ones."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from orchestrator.core.events import FoldRunKey, State
from orchestrator.core.text import counted
from orchestrator.pages.blocks import Block, Cell, Quantity, Table, Text
from orchestrator.pages.figures import Interval, IntervalChart
from orchestrator.race.contract import TrialStatus
from orchestrator.report.cells import ends_text, signed_cell, value_cell
from orchestrator.report.context import ReportContext
from orchestrator.report.sections.race import WORDS
from orchestrator.report.trial_figures import drawn_trials, parallel, slices
from orchestrator.sampling.importance import Importances, ParameterImportance, parameter_importance
from orchestrator.sampling.trial_estimates import TrialEstimates
from orchestrator.snapshot import StudySnapshot

TITLE = "Trials"
QUESTION = "Which configurations did well, and what made them?"

MOST_SLICES = 8
REASON = 60
"""Characters of a reason that names no rung, such as that of a failure."""


def blocks(context: ReportContext) -> tuple[Block, ...]:
    snapshot = context.main
    if not snapshot.statuses:
        return (Text(("No trial has been proposed yet.",)),)
    estimates = estimated_scores(snapshot)
    found = importances(snapshot, estimates, context.seed)
    names = [item.name for item in found.parameters] or list(snapshot.space.varied())
    drawn = drawn_trials(snapshot, estimates, context.seed)
    return (
        Text((_lead(snapshot), _told_apart(snapshot)), lead=True),
        _table(snapshot, names),
        *_importance(found),
        *parallel(snapshot, drawn, names),
        *slices(snapshot, drawn, names[:MOST_SLICES]),
    )


# ---- in words ----


def _lead(snapshot: StudySnapshot) -> str:
    by_word: dict[str, int] = {}
    for item in snapshot.statuses:
        by_word[WORDS[item.state]] = by_word.get(WORDS[item.state], 0) + 1
    parts = ", ".join(f"{number} {word}" for word, number in by_word.items())
    return f"{counted(len(snapshot.statuses), 'trial')}: {parts}."


def _told_apart(snapshot: StudySnapshot) -> str:
    best, found = snapshot.best, snapshot.confidence_set
    if best is None:
        return "No trial has all folds at full length, so no two scores of this table compare for certain."
    if not found.trials:
        return f"Trial {best.number} came first; which others may be as good cannot be told: {found.reason}."
    if found.considered < 2:
        return f"Trial {best.number} alone is complete, so there is none that it could be compared with."
    others = [str(trial) for trial in found.trials if trial != best.number]
    if not others:
        return f"Trial {best.number} came first, and by the {found.level:.0%} confidence set it is the best."
    return (
        f"Trial {best.number} came first, but {counted(len(others), 'other trial')} may be as good. The "
        f"best is one of {best.number}, {', '.join(others)} in {found.level:.0%} of studies or more."
    )


# ---- the table ----


def _table(snapshot: StudySnapshot, names: Sequence[str]) -> Table:
    space, own = snapshot.space, _own_values(snapshot, names)
    columns = ("trial", "state", space.metric, "may be best", "minus best", "95% interval", *own,
               "folds begun", "fold-epochs", "where it ended")  # fmt: skip
    behind = {
        int(row["trial"]): row for row in snapshot.leaderboard.to_dict("records")
    }  # of complete trials: what tells them from the best
    rows = tuple(_row(snapshot, item, behind.get(item.trial, {}), own) for item in snapshot.statuses)
    note = (
        f"{'Larger' if snapshot.larger_is_better else 'Smaller'} is better. A complete trial's score is the "
        "mean over all folds; that of another, marked 'so far', is the mean over the folds that it began and "
        "compares with no complete one. Minus best: fold by fold, with a corrected t interval (Nadeau and "
        "Bengio, 2003), which says whether models trained on other rows would differ too; the best was "
        "chosen on these rows, which no interval counts in. May be best: of "
        f"the {snapshot.confidence_set.level:.0%} confidence set."
    )
    trials = [item.trial for item in snapshot.statuses]
    return _without_empty(Table("All trials", columns, rows, note, trials=trials))


def _without_empty(table: Table) -> Table:
    """Columns that say nothing of any trial are left out, so that others fit on a screen."""
    kept = [at for at in range(len(table.columns)) if any(row[at] != "" for row in table.rows)]
    return replace(
        table,
        columns=tuple(table.columns[at] for at in kept),
        rows=tuple(tuple(row[at] for at in kept) for row in table.rows),
    )


def _own_values(snapshot: StudySnapshot, names: Sequence[str]) -> list[str]:
    """The parameters whose values differ between trials."""
    configs = snapshot.study.configs.values()
    return [name for name in names if len({repr(config.get(name)) for config in configs}) > 1]


def _row(
    snapshot: StudySnapshot, item: TrialStatus, behind: dict[Any, Any], names: Sequence[str]
) -> tuple[Cell, ...]:
    config, folds = snapshot.study.configs.get(item.trial, {}), range(snapshot.space.folds)
    begun = sum(snapshot.history.begun(FoldRunKey(item.trial, fold)) for fold in folds)
    is_complete = item.state is State.COMPLETE
    is_other = is_complete and snapshot.best is not None and item.trial != snapshot.best.number
    difference = behind.get("minus_best") if is_other else None
    return (
        item.trial,
        WORDS[item.state],
        _score(item, is_complete),
        _may_be_best(behind.get("may_be_best")) if is_complete else "",
        signed_cell(difference),
        "" if difference is None else _ends(behind),
        *(value_cell(config[name]) if name in config else "" for name in names),
        Quantity(begun, f"{begun} of {len(folds)}"),
        item.epochs_spent,
        where_it_ended(item.reason),
    )


def _score(item: TrialStatus, is_complete: bool) -> Cell:
    if item.score is None or not math.isfinite(item.score):
        return ""
    return Quantity(item.score, f"{item.score:.4f}{'' if is_complete else ' so far'}")


def where_it_ended(reason: str) -> str:
    """The rung that a reason names, else its first words; the race has the whole of it."""
    rung = re.search(r"rung \d+ \([^)]*\)", reason)
    return rung[0] if rung else shorten(" ".join(reason.split()), REASON)


def shorten(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _ends(behind: dict[Any, Any]) -> Cell:
    """Sorted by the lower end."""
    low, high = behind.get("minus_best_low", math.nan), behind.get("minus_best_high", math.nan)
    return Quantity(low, ends_text(low, high, "+.4f"))


def _may_be_best(found: Any) -> str:
    """A confidence set that could not be made has neither."""
    return {True: "yes", False: "no"}.get(found, "")


# ---- which parameters matter ----


def estimated_scores(snapshot: StudySnapshot) -> dict[int, float]:
    """Trial -> score: of complete ones their own; of others that did not fail what samplers expect of them at
    full length (`TrialEstimates`), in the metric's own direction."""
    estimates = TrialEstimates(snapshot.space.mode, snapshot.space.folds)
    for event in snapshot.study.events:
        estimates.add(event)
    sign = 1.0 if snapshot.larger_is_better else -1.0
    failed = {item.trial for item in snapshot.statuses if item.state is State.FAIL}
    found = {trial: sign * value for trial, value in estimates.values().items() if trial not in failed}
    return found | {trial.number: trial.score for trial in snapshot.complete}


def importances(snapshot: StudySnapshot, estimates: dict[int, float], seed: int) -> Importances:
    space, sign = snapshot.space, 1.0 if snapshot.larger_is_better else -1.0
    configs = snapshot.study.configs
    trials = [trial for trial in sorted(estimates) if trial in configs]
    return parameter_importance(
        [configs[trial] for trial in trials],
        [sign * estimates[trial] for trial in trials],
        {name: space.domains[name] for name in space.varied()},
        np.random.default_rng([seed, 15]),
    )


def _importance(found: Importances) -> Iterable[Block]:
    if not found.parameters:
        return [Text((f"Which parameters matter cannot be told: {found.reason}.",))]
    told = [item.name for item in found.parameters if item.is_told]
    note = (
        f"PED-ANOVA (Watanabe, Bansal, Hutter, 2023): how differently a parameter's values are spread among "
        f"the best {found.best} of {found.trials} trials and among all of them. Trials that were stopped "
        "early take part by the score that samplers expect of them at full length; failed ones do not. The "
        "interval is over random halves of the trials. A parameter that changes nothing has a share too: it "
        "counts as more than chance where it exceeds what dealing the scores at random gives."
    )
    chart = IntervalChart(
        "Which parameters tell the best trials from the others",
        "share of importance",
        [_of_parameter(item, found.trials) for item in found.parameters],
        note,
        digits=2,
    )
    return [Text((_said(told, found),)), chart]


def _said(told: Sequence[str], found: Importances) -> str:
    if not told:
        return (
            f"No parameter tells the best {found.best} of {found.trials} trials from the others by more than "
            "chance: the order below may be luck."
        )
    return f"More than chance tells the best trials apart by {', '.join(told)}; the others may be luck."


def _of_parameter(item: ParameterImportance, trials: int) -> Interval:
    chance = f"chance alone reaches {item.by_chance:.2f}"
    has = "" if item.trials == trials else f"; {item.trials} of {trials} trials have it"
    group = "more than chance" if item.is_told else "may be chance"
    # A share of all trials may lie outside what halves of them give.
    low, high = min(item.low, item.share), max(item.high, item.share)
    return Interval(item.name, item.share, low, high, f"{chance}{has}", group)
