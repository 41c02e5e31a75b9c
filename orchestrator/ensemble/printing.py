"""What the command prints about an ensemble's scores, each number with what it says and what it does not."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.ensemble.answer_lines import answer_lines, beaten_lines, common_line, most_corrected
from orchestrator.ensemble.choices import Step, steps_of
from orchestrator.ensemble.comparing import Compared
from orchestrator.ensemble.composing import AUTO, Options
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.members import EnsembleInputs, TermStudies
from orchestrator.ensemble.scoring import Scores, TermScores
from orchestrator.ensemble_record.chain_rule import formula
from orchestrator.evaluation.calibration import Calibration
from orchestrator.evaluation.choose_vote import Considered
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.paired import PairedDifference

WIDE = 80
"""Columns that a table takes at most, also in a log, which has no edge."""


def print_scores(console: Console, inputs: EnsembleInputs, scores: Scores, options: Options) -> None:
    """The answer with its estimates, then how it came about: members, steps, routes, every metric."""
    for line in answer_lines(scores, inputs.metric):
        say(console, line)
    for estimate in scores.estimates.values():
        print_estimate(console, estimate)
    say(console, _indented(common_line(scores), console.width))
    for route, own, fitted in zip(inputs.routes, scores.terms, scores.composed.terms, strict=True):
        for term, scored, vote in zip(route.terms, own, fitted, strict=True):
            _print_table(console, _term_table(term, scored))
            for line in beaten_lines(scored, vote, inputs.mode, options):
                say(console, line)
    _print_steps(console, steps_of(scores.pools, scores.composed), options)
    if scores.composed.calibration is not None:
        say(console, _wrapped(_calibrated(scores.composed.calibration), console.width))
    if scores.comparisons:
        _print_table(console, _comparison_table(scores.comparisons))
    _print_table(console, _metrics_table(scores))


def print_estimate(console: Console, estimate: Estimate) -> None:
    """Its numbers, and below them what they correct; of one that could not be made, why."""
    say(console, f"{estimate.title}: {estimate}")
    say(console, _indented(estimate.summary or estimate.meaning, console.width))


def _print_table(console: Console, table: Table) -> None:
    console.print(table, width=min(console.width, WIDE))


def print_untouched(console: Console, ensemble: Ensemble, estimate: Estimate) -> None:
    """The truth, so far as such rows know it, beside the interval that was printed before it was known."""
    print_estimate(console, estimate)
    last = most_corrected(tuple(item for item in ensemble.estimates if item.key != estimate.key))
    if last is None or not estimate.is_defined:
        return
    line = f"{estimate.score:.4f} lies {_where(estimate, last)}"
    say(console, _indented(line, console.width))


def _where(found: Estimate, other: Estimate) -> str:
    """Beside the other's interval; whether the two overlap says how much may be the luck of these rows."""
    named = f"the interval of {other.title}, {other}"
    if other.low <= found.score <= other.high:
        return f"inside {named}"
    side = "above" if found.score > other.high else "below"
    apart = found.high < other.low or other.high < found.low
    return f"{side} {named}; the two intervals {'do not overlap' if apart else 'overlap'}"


def say(console: Console, text: str) -> None:
    """A line as it is, however long."""
    console.print(text, markup=False, soft_wrap=True)


def formulas(inputs: EnsembleInputs) -> str:
    """What is predicted, by each route."""
    return "; beside it ".join(formula(inputs.target, route.chain) for route in inputs.routes)


def _indented(text: str, width: int) -> str:
    return _wrapped(text, width, first="  ")


def _wrapped(text: str, width: int, first: str = "") -> str:
    """Without the spaces that rich would fill every line up with."""
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent="  ", break_on_hyphens=False)


# ---- members ---------------------------------------------------------------------------------------


def _term_table(term: TermStudies, scored: TermScores) -> Table:
    first = term.studies[0]
    rows = f" on the {first.rows_scored} rows where that holds" if first.space.given else ""
    table = _table(
        f"{term.term.source}: {term.term}, out-of-fold {first.space.metric}{rows}",
        ["member"],
        ["weight", "all rows", "mean of folds", "SD", "best epochs"],
    )
    epochs = _epochs(term)
    for item in scored.members:
        weight = f"{item.weight:.2f}" if item.weight else "-"
        table.add_row(
            Text(item.name), weight, *_scores(item.oof, item.folds.mean, item.folds.sd), epochs[item.number]
        )
    vote = scored.vote
    if vote.name not in {item.name for item in scored.members}:
        table.add_section()
        table.add_row(Text(vote.name), "", *_scores(vote.oof, vote.folds.mean, vote.folds.sd), "")
    return table


def _epochs(term: TermStudies) -> list[str]:
    """Of each member of the term's pool, the epoch of each fold."""
    trials = (trial for study in term.studies for trial in study.trials)
    return [" ".join(str(best.epoch) for best in trial.bests) for trial in trials]


# ---- choices ---------------------------------------------------------------------------------------


def _print_steps(console: Console, steps: Sequence[Step], options: Options) -> None:
    told = [step for step in steps if any(_is_choice(item) for item in step.considered[1:])]
    if told:
        _print_table(console, _steps_table(told))
    for name, reasons in _reasons(steps, options):
        say(console, name)
        for reason in reasons:
            say(console, _indented(reason, console.width))


def _is_choice(item: Considered) -> bool:
    """Not of one trial alone, nor of one fold: then nothing was compared."""
    return not (math.isnan(item.gate.gain) and math.isnan(item.gate.se))


def _steps_table(steps: Sequence[Step]) -> Table:
    title = "steps: each fold's rows scored by what was fitted to the others"
    table = _table(title, ["step", "considered"], ["score", "gain", "SE", "taken"])
    for number, step in enumerate(steps):
        if number:
            table.add_section()
        for index, item in enumerate(step.considered):
            name = (step.name, f"({step.metric})")[index] if index < 2 else ""
            taken = "yes" if item.name == step.taken else "no"
            table.add_row(Text(name), Text(item.name), _number(item.score), *_gain(item, index), taken)
    return table


def _gain(item: Considered, index: int) -> tuple[str, str]:
    if index == 0:
        return "", ""
    gain, se = item.gate.gain, item.gate.se
    return ("-" if math.isnan(gain) else f"{gain:+.4f}"), _number(se)


def _reasons(steps: Sequence[Step], options: Options) -> Iterator[tuple[str, list[str]]]:
    """What speaks for and against all that is richer than the simplest, where the table does not say it: of
    votes, of routes, and where no error could be told or a gain beyond it did not count."""
    for step in steps:
        accepted = all(item.gate.accepted for item in step.considered if item.name == step.taken)
        asked = not accepted or (options.vote != AUTO and step.name.startswith("vote"))
        plain = step.name in ("calibration", "decisions")
        alone = f"it is {step.taken} alone"
        reasons = [
            f"{item.name}: {item.gate.reason}"
            for item in step.considered[1:]
            if not plain or item.gate.accepted != (item.gate.gain > item.gate.se) or math.isnan(item.gate.se)
        ]
        if not all(reason.endswith(alone) for reason in reasons):  # so are all where there is one trial
            yield f"{step.name}: {step.taken}{', as asked' if asked else ''}", reasons


def _calibrated(found: Calibration) -> str:
    pairs = {
        "log loss": (found.before.nll, found.after.nll),
        "Brier score": (found.before.brier, found.after.brier),
        "ECE": (found.before.ece, found.after.ece),
    }
    told = ", ".join(f"{name} {before:.4f} to {after:.4f}" for name, (before, after) in pairs.items())
    taken = "changes" if found.gate.accepted else "is not taken; it would change"
    return f"the temperature {taken} {told}, each fold's rows by that of the other folds; smaller is better"


# ---- routes ----------------------------------------------------------------------------------------


def _comparison_table(comparisons: Sequence[Compared]) -> Table:
    """The first two answers with their difference, and the others beside them."""
    names = list(comparisons[0].scores)
    first, second = names[:2]
    title = f"{first} and {second} on the same rows, {comparisons[0].metric} in all and by task, F1 by class"
    table = _table(title, ["", "rows"], [*names, f"{second} - {first} (95%)"])
    scope = "all"
    for item in comparisons:
        if item.scope != scope:
            table.add_section()
        scope = item.scope
        scores = [_number(item.scores[name]) for name in names]
        table.add_row(
            Text(item.name), str(item.rows), *scores, _difference(item.differences.get((first, second)))
        )
    return table


def _difference(found: PairedDifference | None) -> str:
    if found is None:
        return "-"
    return f"{found.difference:+.3f} ({found.low:+.3f}, {found.high:+.3f})"


# ---- the whole -------------------------------------------------------------------------------------


def _metrics_table(scores: Scores) -> Table:
    """The metric that decided stands first."""
    title = "the ensemble by every metric that applies"
    table = _table(title, ["metric", "better"], ["out-of-fold", "mean of folds", "SD"])
    for name, item in scores.metrics.items():
        better = "larger" if item.mode == "max" else "smaller"
        table.add_row(Text(name), better, *map(_number, (item.oof, item.folds.mean, item.folds.sd)))
    return table


def _table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=Text(title), title_justify="left")
    for column in texts:
        table.add_column(column, overflow="fold")  # of long names the ends may be all that differs
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def _scores(*values: float) -> list[str]:
    return [_number(value) for value in values]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
