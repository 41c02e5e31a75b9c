"""What the command prints about an ensemble's scores, each number with what it says and what it does not."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.ensemble.choices import Step, steps_of
from orchestrator.ensemble.comparing import Compared
from orchestrator.ensemble.composing import AUTO, Options
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.members import EnsembleInputs, TermStudies
from orchestrator.ensemble.scoring import Scores, TermScores
from orchestrator.ensemble_record.chain_rule import formula
from orchestrator.evaluation.choose_vote import Considered
from orchestrator.evaluation.estimate import Estimate
from orchestrator.evaluation.paired import PairedDifference


def print_scores(console: Console, inputs: EnsembleInputs, scores: Scores, options: Options) -> None:
    """The members of each term, how they became one answer, every metric, then the estimates in words."""
    for route, own in zip(inputs.routes, scores.terms, strict=True):
        for term, scored in zip(route.terms, own, strict=True):
            console.print(_term_table(term, scored))
            for line in _beaten(scored, inputs, options):
                say(console, line)
    steps = steps_of(scores.pools, scores.composed)
    if steps:
        console.print(_steps_table(steps))
        for name, reasons in _reasons(steps, options):
            say(console, name)
            for reason in reasons:
                say(console, _indented(reason, console.width))
    if scores.comparisons:
        console.print(_comparison_table(scores.comparisons))
    console.print(_metrics_table(scores))
    for estimate in scores.estimates.values():
        print_estimate(console, estimate)


def print_estimate(console: Console, estimate: Estimate) -> None:
    """Its numbers, and below them what they mean."""
    say(console, f"{estimate.title}: {estimate}")
    say(console, _indented(estimate.meaning, console.width))


def print_untouched(console: Console, ensemble: Ensemble, estimate: Estimate) -> None:
    """The truth, so far as such rows know it, beside the interval that was printed before it was known."""
    print_estimate(console, estimate)
    known = [item for item in ensemble.estimates if item.is_defined and item.key != estimate.key]
    if not known or not estimate.is_defined:
        return
    last = known[-1]  # the one that corrects most
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
    """Without the spaces that rich would fill every line up with."""
    edge = " " * 2
    return textwrap.fill(text, width, initial_indent=edge, subsequent_indent=edge, break_on_hyphens=False)


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
    table.add_section()
    vote = scored.vote
    table.add_row(Text(vote.name), "", *_scores(vote.oof, vote.folds.mean, vote.folds.sd), "")
    return table


def _epochs(term: TermStudies) -> list[str]:
    """Of each member of the term's pool, the epoch of each fold."""
    trials = (trial for study in term.studies for trial in study.trials)
    return [" ".join(str(best.epoch) for best in trial.bests) for trial in trials]


def _beaten(scored: TermScores, inputs: EnsembleInputs, options: Options) -> Iterator[str]:
    """A vote that loses to one of its members is never the silent answer."""
    best, vote = scored.beaten_by(inputs.mode), scored.vote
    way_out = (
        "on rows that it was not fitted to it is the better one"
        if options.vote == AUTO
        else "--vote auto chooses between them on rows that neither was fitted to"
    )
    if best is not None:
        yield (
            f"note: the {vote.name} ({vote.folds.mean:.4f} mean of folds) is worse than {best.name}"
            f" alone ({best.folds.mean:.4f}); {way_out}"
        )
        return
    sign = -1.0 if inputs.mode == "min" else 1.0
    ahead = [item for item in scored.members if sign * (item.oof - vote.oof) > 1e-12]
    if ahead:
        first = max(ahead, key=lambda item: sign * item.oof)
        yield (
            f"note: on all rows at once the {vote.name} ({vote.oof:.4f}) is worse than {first.name} alone"
            f" ({first.oof:.4f}), in the mean of folds, by which trials are ranked, it is not; {way_out}"
        )


# ---- choices ---------------------------------------------------------------------------------------


def _steps_table(steps: Sequence[Step]) -> Table:
    title = "how it was made: each fold's rows scored by what was fitted to the other folds"
    table = _table(title, ["step", "considered"], ["score", "gain", "SE", "taken"])
    for number, step in enumerate(steps):
        if number:
            table.add_section()
        for index, item in enumerate(step.considered):
            name = f"{step.name}, {step.metric}" if index == 0 else ""
            taken = "yes" if item.name == step.taken else "no"
            table.add_row(Text(name), Text(item.name), _number(item.score), *_gain(item, index), taken)
    return table


def _gain(item: Considered, index: int) -> tuple[str, str]:
    if index == 0:
        return "", ""
    gain, se = item.gate.gain, item.gate.se
    return ("-" if math.isnan(gain) else f"{gain:+.4f}"), _number(se)


def _reasons(steps: Sequence[Step], options: Options) -> Iterator[tuple[str, list[str]]]:
    """What was taken at each step, and what speaks for and against everything richer than the simplest."""
    for step in steps:
        reasons = [f"{item.name}: {item.gate.reason}" for item in step.considered[1:]]
        accepted = all(item.gate.accepted for item in step.considered if item.name == step.taken)
        asked = not accepted or (options.vote != AUTO and step.name.startswith("vote"))
        if reasons:
            yield f"{step.name}: {step.taken}{', as asked' if asked else ''}", reasons


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
    return f"{found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f})"


# ---- the whole -------------------------------------------------------------------------------------


def _metrics_table(scores: Scores) -> Table:
    """The metric that decided stands first."""
    table = Table(title=Text("the ensemble by every metric that applies"), title_justify="left")
    table.add_column("metric", no_wrap=True)
    table.add_column("better", no_wrap=True)
    for column in ("out-of-fold", "mean of folds", "SD"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, item in scores.metrics.items():
        better = "larger" if item.mode == "max" else "smaller"
        table.add_row(Text(name), better, *map(_number, (item.oof, item.folds.mean, item.folds.sd)))
    return table


def _table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=Text(title), title_justify="left")
    for column in texts:
        table.add_column(column)
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def _scores(*values: float) -> list[str]:
    return [_number(value) for value in values]


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4f}"
