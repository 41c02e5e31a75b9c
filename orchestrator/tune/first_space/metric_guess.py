"""What a first space is judged by: said, told by the sample submission, or the usual one of its kind."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.metrics import check_applies, check_metric, is_own
from orchestrator.core.task import Task
from orchestrator.tune.first_space.facts import Asked, Facts
from orchestrator.tune.first_space.target_guess import BINARY, CLASSES, MULTI_LABEL, TargetGuess


@dataclass(frozen=True)
class MetricGuess:
    name: str
    why: str
    others: tuple[str, ...]  # what the leaderboard may ask for instead
    mode: str = ""  # of a function of the user's own alone


def guess_metric(target: TargetGuess, facts: Facts, asked: Asked) -> MetricGuess:
    """Raises SearchSpaceError for a --metric that is unknown or does not suit the target."""
    guess = _usual(target, facts)
    if asked.metric is None:
        return guess
    mode = "max" if is_own(asked.metric) else ""
    check_metric(asked.metric, mode)
    if target.counts:
        check_applies(asked.metric, Task(tuple(target.counts), target.several_labels, target.ordered))
    others = tuple(name for name in (guess.name, *guess.others) if name != asked.metric)
    return MetricGuess(asked.metric, "--metric says so", others, mode)


def _usual(target: TargetGuess, facts: Facts) -> MetricGuess:
    template = facts.template
    answers = () if template is None else template.answers
    wants_numbers = bool(answers) and all(answer.numbers is not None for answer in answers)
    if target.kind == MULTI_LABEL:
        return _of_labels(wants_numbers or len(target.columns) > 1)
    if target.kind == BINARY:
        return _of_two(wants_numbers or template is None)
    if len(answers) > 1 and wants_numbers:
        why = "the sample submission has a column of probabilities for each class"
        return MetricGuess("log_loss", why, ("roc_auc", "macro_f1", "accuracy"))
    if (guesses := _guesses(target, facts)) > 1:
        why = f"the sample submission has {guesses} guesses a row"
        return MetricGuess(f"top_k_accuracy@{guesses}", why, ("accuracy", "macro_f1", "log_loss"))
    if target.ordered:
        return MetricGuess("quadratic_weighted_kappa", "the classes are ordered", ("macro_f1", "accuracy"))
    why = "every class counts the same, however rare"
    return MetricGuess("macro_f1", why, ("accuracy", "balanced_accuracy", "log_loss"))


def _guesses(target: TargetGuess, facts: Facts) -> int:
    """How many classes the sample submission has in each cell; 0 where it has anything else, or all."""
    if target.kind != CLASSES or facts.template is None or len(facts.template.answers) != 1:
        return 0
    cells = [cell.split() for cell in facts.template.answers[0].counts]
    known = all(word in target.counts for words in cells for word in words)
    sizes = set(map(len, cells))
    return sizes.pop() if len(sizes) == 1 and known and max(sizes) < len(target.counts) else 0


def _of_labels(as_numbers: bool) -> MetricGuess:
    if as_numbers:
        return MetricGuess(
            "roc_auc", "the mean over the labels, which needs no threshold", ("average_precision", "macro_f1")
        )
    why = "the mean over the labels, each predicted where its probability is high enough"
    return MetricGuess("macro_f1", why, ("micro_f1", "roc_auc", "average_precision"))


def _of_two(as_numbers: bool) -> MetricGuess:
    if as_numbers:
        why = "two classes, ranked by the probability of the positive one"
        return MetricGuess("roc_auc", why, ("average_precision", "log_loss", "macro_f1"))
    return MetricGuess("macro_f1", "the sample submission names classes", ("accuracy", "roc_auc"))
