"""A first space for some data, and why it is that: pure."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.text import counted, shortened
from orchestrator.data.group_words import snake
from orchestrator.tune.first_space.facts import Asked, Facts
from orchestrator.tune.first_space.group_guess import GroupGuess, guess_groups
from orchestrator.tune.first_space.metric_guess import MetricGuess, guess_metric
from orchestrator.tune.first_space.names import FOLD, quote
from orchestrator.tune.first_space.sizes import Sizes, guess_sizes
from orchestrator.tune.first_space.target_guess import TargetGuess, guess_target


@dataclass(frozen=True)
class Proposal:
    """What `rendering.render` writes down."""

    source: str
    rows: int
    target: TargetGuess
    metric: MetricGuess
    groups: GroupGuess
    sizes: Sizes
    own_folds: tuple[str, ...] = ()  # about a column of folds that the data have


def propose(facts: Facts, asked: Asked = Asked()) -> Proposal:  # noqa: B008  it is frozen
    """Raises InputError where the target is not plain, SearchSpaceError for an unknown metric."""
    target = guess_target(facts, asked)
    return Proposal(
        facts.source,
        facts.rows,
        target,
        guess_metric(target, facts, asked),
        guess_groups(facts, target),
        guess_sizes(facts.rows, facts.sizes),
        _own_folds(facts),
    )


def _own_folds(facts: Facts) -> tuple[str, ...]:
    """Only said: a column of that name may be anything."""
    named = [c for c in facts.columns if FOLD.fullmatch(snake(c.name)) and 2 <= len(c.counts) <= 20]
    return tuple(
        f"Column {column.name} has {len(column.counts)} values; if they are the folds to use, add "
        f"fold_column={quote(column.name)}, folds={len(column.counts)}."
        for column in named
    )


def classes_line(target: TargetGuess) -> str:
    """Such as "3 classes: rust 20 rows, scab 12, ..."; empty where the layout itself says them."""
    if not target.counts:
        return ""
    word = ("label", "labels") if target.several_labels else ("class", "classes")
    shown = shortened([f"{name} {rows}" for name, rows in target.counts.items()], 12)
    return f"{counted(len(target.counts), *word)}, and how many rows each: {shown}"


def found_lines(proposal: Proposal) -> list[str]:
    """What is said to the user: the guesses and who made them."""
    target, metric, groups = proposal.target, proposal.metric, proposal.groups
    lines = [f"target: {target.code} ({target.said_by})"]
    lines += [f"  {line}" for line in (classes_line(target), *target.notes) if line]
    others = ", ".join(metric.others)
    lines.append(f"metric: {metric.name} ({metric.why}); others that may be meant: {others}")
    by = groups.column or groups.own or "none named, each image counts by itself"
    lines.append(f"groups: {by}; {groups.folds} folds")
    lines += [f"  {line}" for line in (*groups.notes, *groups.fold_notes)]
    return lines
