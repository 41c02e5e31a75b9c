"""The chain rule over models: P(mask, gender, age | image) = P(mask) P(gender) P(age | gender). Pure.

Each factor is a model of its own. One of a target given a class of another target is trained on the rows of
that class alone, and gives its probabilities for every image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Probabilities
from orchestrator.core.errors import EnsembleError
from orchestrator.data.targets import Given, Joint, Target, given_text

Permutation = list[int]


@dataclass(frozen=True)
class Term:
    """What one study predicts."""

    target: Target
    given: Given | None = None  # the class of another target that is known to hold
    source: str = ""  # where it comes from, for messages

    def __str__(self) -> str:
        return self.target.name + (f" given {given_text(self.given)}" if self.given else "")


# ---- probabilities --------------------------------------------------------------------------------


def combine(target: Target, terms: Sequence[Term], votes: Sequence[Probabilities]) -> Probabilities:
    """Probabilities of `target`, (n, C), from those of `terms`, [(n, C_i), ...], in `resolve_terms`' order.

    One term: its own. Terms of a joint target's parts: their product, by the chain rule. Else the target's
    marginal, P(t) = sum over c of P(c) P(t | c).
    """
    if len(terms) == 1:
        return votes[0]
    if _is_product(target, terms):
        return _product(target, terms, votes).astype(np.float32)
    # In float64: float32 products over some classes would leave sums that are visibly not 1.
    condition, *given_it = (np.asarray(vote, np.float64) for vote in votes)
    marginal: Probabilities = np.einsum("nc,cnt->nt", condition, np.stack(given_it)).astype(np.float32)
    return marginal


def formula(target: Target, terms: Sequence[Term]) -> str:
    """Such as "P(gender, age) = P(gender) P(age | gender)"."""
    factors = " ".join(dict.fromkeys(map(_factor, terms)))
    if len(terms) == 1:
        given = terms[0].given
        return f"P({target.name}" + (f" | {given_text(given)})" if given else ")")
    if isinstance(target, Joint) and _is_product(target, terms):
        return f"P({', '.join(part.name for part in target.parts)}) = {factors}"
    return f"P({target.name}) = sum over {terms[0].target.name} of {factors}"


def uncovered_images(target: Target, terms: Sequence[Term]) -> str | None:
    """A sentence on what a single term under a condition leaves open; None where there is no such gap."""
    if len(terms) > 1 or (given := terms[0].given) is None:
        return None
    return (
        f"{formula(target, terms)} says nothing of images without {given_text(given)}; for all images build "
        f"the ensemble with the study of {given[0].name} and one given each of its classes"
    )


def _factor(term: Term) -> str:
    return f"P({term.target.name}" + (f" | {term.given[0].name})" if term.given else ")")


def _is_product(target: Target, terms: Sequence[Term]) -> bool:
    return isinstance(target, Joint) and all(term.target in target.parts for term in terms)


def _product(target: Target, terms: Sequence[Term], votes: Sequence[Probabilities]) -> NDArray[np.float64]:
    """(n, product of the parts' sizes): one axis for each part, which a factor spans or not."""
    assert isinstance(target, Joint)
    if not any(term.given for term in terms):
        return target.combine(list(votes))
    rows = len(votes[0])
    product = np.ones((rows, *(1 for _ in target.parts)))
    for axis, part in enumerate(target.parts, start=1):
        own = [index for index, term in enumerate(terms) if term.target == part]
        given, factor = terms[own[0]].given, np.asarray(votes[own[0]], np.float64)
        axes = {axis: len(part.classes)}
        if given is not None:
            other = target.parts.index(given[0]) + 1
            axes[other] = len(own)
            stacked = np.stack([votes[index] for index in own], axis=1 if other < axis else 2)
            factor = stacked.astype(np.float64)
        shape = [rows, *(axes.get(number, 1) for number in range(1, len(target.parts) + 1))]
        product = product * factor.reshape(shape)
    return product.reshape(rows, -1)


# ---- which studies belong together ----------------------------------------------------------------


def resolve_terms(terms: Sequence[Term], joint: Joint | None) -> tuple[Target, Permutation]:
    """What several terms predict together, and their order: by the parts of the target, then by the classes
    of the condition.

    All parts of `joint` there: the joint target. Else one target given each class of another, and that
    other: the first target alone, the condition summed out. Raises EnsembleError for anything else.
    """
    _refuse_doubles(terms)
    by_target = {term.target: [other for other in terms if other.target == term.target] for term in terms}
    for own in by_target.values():
        _check_conditions(own)
    pair = _pair(by_target)
    target: Target
    parts: Sequence[Target]
    if joint is not None and (pair is None or all(part in by_target for part in joint.parts)):
        _check_parts(by_target, joint)
        target, parts = joint, joint.parts
        _refuse_circles(by_target, joint)
    elif pair is not None:
        target, parts = pair[1], pair
    else:
        raise _no_joint(terms, by_target)
    return target, [index for part in parts for index in _in_class_order(terms, part)]


def _pair(by_target: dict[Target, list[Term]]) -> tuple[Target, Target] | None:
    """(condition, target) when the terms are of exactly these two."""
    for target, own in by_target.items():
        given = own[0].given
        if given and set(by_target) == {target, given[0]} and by_target[given[0]][0].given is None:
            return given[0], target
    return None


def _in_class_order(terms: Sequence[Term], target: Target) -> Permutation:
    def class_number(index: int) -> int:
        given = terms[index].given
        return given[0].classes.index(given[1]) if given else 0

    return sorted((index for index, term in enumerate(terms) if term.target == target), key=class_number)


def _refuse_doubles(terms: Sequence[Term]) -> None:
    seen: dict[tuple[Target, Given | None], Term] = {}
    for term in terms:
        first = seen.setdefault((term.target, term.given), term)
        if first is not term:
            given = f" given {given_text(term.given)}" if term.given else ""
            raise EnsembleError(
                f"studies {first.source} and {term.source} both have the target {term.target.name!r}{given}; "
                "leave one of them out"
            )


def _check_conditions(own: Sequence[Term]) -> None:
    """Terms of one target: one without a condition, or one for each class of one condition."""
    first = own[0]
    for term in own[1:]:
        if (term.given and term.given[0]) != (first.given and first.given[0]):
            raise EnsembleError(
                f"studies {first.source} ({first}) and {term.source} ({term}) have one target under "
                "different conditions; leave one of them out"
            )
    if first.given is None:
        return
    condition = first.given[0]
    found = {term.given[1] for term in own if term.given}
    missing = [name for name in condition.classes if name not in found]
    if missing:
        raise EnsembleError(
            f"the studies of {first.target.name} lack one given {condition.name}={missing[0]}; "
            "add it with --study"
        )


def _check_parts(by_target: dict[Target, list[Term]], joint: Joint) -> None:
    names = ", ".join(part.name for part in joint.parts)
    extra = [own[0] for target, own in by_target.items() if target not in joint.parts]
    if extra:
        raise EnsembleError(
            f"study {extra[0].source} has the target {extra[0].target.name!r}, which is no part of the "
            f"joint target {joint.name!r} ({names}); leave it out"
        )
    missing = [part.name for part in joint.parts if part not in by_target]
    if missing:
        raise EnsembleError(
            f"the joint target {joint.name!r} ({names}) lacks a study of {', '.join(missing)}; "
            "add it with --study"
        )


def _refuse_circles(by_target: dict[Target, list[Term]], joint: Joint) -> None:
    for part in joint.parts:
        passed = [part]
        while (given := by_target[passed[-1]][0].given) is not None:
            if given[0] in passed:
                circle = " given ".join(target.name for target in [*passed, given[0]])
                raise EnsembleError(f"{circle}: a condition in a circle; leave one of these studies out")
            passed.append(given[0])


def _no_joint(terms: Sequence[Term], by_target: dict[Target, list[Term]]) -> EnsembleError:
    conditions = [(term, term.given[0]) for term in terms if term.given]
    lacking = [(term, target) for term, target in conditions if target not in by_target]
    if lacking:
        term, target = lacking[0]
        return EnsembleError(
            f"study {term.source} is of {term}; a study of {target.name} is missing, add it with --study"
        )
    return EnsembleError(
        f"study {terms[0].source} says no joint target, so it cannot be combined with others; its space "
        "needs joint=joint(...)"
    )
