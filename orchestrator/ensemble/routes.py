"""Which ways lead from several studies to one answer. Pure.

A route is a product of terms by the chain rule, or one term that answers by itself. Studies of one target are
the pool of one term; a study of the joint target beside studies of its parts is a second route.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.errors import EnsembleError
from orchestrator.data.targets import Given, Joint, Target
from orchestrator.ensemble_record.chain_rule import Term, resolve_terms

Pool = list[int]
"""Indices of terms with one target under one condition, by their sources' names."""
Route = list[Pool]
"""In the order of `chain_rule.resolve_terms`."""


def resolve_routes(terms: Sequence[Term], joint: Joint | None) -> tuple[Target, list[Route]]:
    """What the terms predict together, and the routes to it: the product first, then the joint study.

    In any order of `terms` the same routes. Raises EnsembleError where they don't belong together.
    """
    pools = _pools(terms)
    targets = [term.target for term in pools]
    if len(pools) == 1:
        return targets[0], [list(pools.values())]
    _refuse_several_labels(terms)
    whole = [] if joint is None else [pool for term, pool in pools.items() if term == Term(joint)]
    parts = {term: pool for term, pool in pools.items() if pool not in whole}
    target, order = resolve_terms([terms[pool[0]] for pool in parts.values()], joint)
    if whole and target != joint:
        raise _not_beside(terms[whole[0][0]], target)
    pooled = list(parts.values())
    return target, [[pooled[index] for index in order], *([pool] for pool in whole)]


def joint_of(terms: Sequence[Term], said: Sequence[Joint | None]) -> Joint | None:
    """The joint target that several terms make up; None where none is said.

    said: what the space of each one says; of a study of a joint target beside studies of its parts it is
    that target. Raises EnsembleError where they say different ones, or some say none.
    """
    wholes = [_whole(term, terms) for term in terms]
    known = [own or whole for own, whole in zip(said, wholes, strict=True)]
    named = [(term, own) for term, own in zip(terms, known, strict=True) if own is not None]
    for term, own in named[1:]:
        if own != named[0][1]:
            raise EnsembleError(
                f"studies {named[0][0].source} and {term.source} have different joint targets; "
                "run them again with one"
            )
    silent = [term for term, own in zip(terms, known, strict=True) if own is None]
    if named and silent and not any(wholes):
        raise EnsembleError(
            f"study {silent[0].source} says no joint target, so it cannot be combined with others; its space "
            "needs joint=joint(...)"
        )
    return named[0][1] if named else None


def _whole(term: Term, terms: Sequence[Term]) -> Joint | None:
    """Its target, where that is a joint one of which other terms are parts."""
    target = term.target
    if not isinstance(target, Joint) or term.given is not None:
        return None
    return target if any(other.target in target.parts for other in terms) else None


def _pools(terms: Sequence[Term]) -> dict[Term, Pool]:
    """By the term without its source, in an order that is not that of `terms`."""
    found: dict[Term, Pool] = {}
    for index in sorted(range(len(terms)), key=lambda index: _sorted_by(terms[index])):
        found.setdefault(Term(terms[index].target, terms[index].given), []).append(index)
    return found


def _sorted_by(term: Term) -> tuple[str, ...]:
    given = _given_key(term.given)
    return (term.target.name, *given, term.source.rpartition("/")[2], term.source)


def _given_key(given: Given | None) -> tuple[str, str]:
    return ("", "") if given is None else (given[0].name, given[1])


def _refuse_several_labels(terms: Sequence[Term]) -> None:
    several = [term for term in terms if term.target.multi_label]
    if several:
        raise EnsembleError(
            f"study {several[0].source} predicts several labels of an image at once, an answer by itself; "
            "build an ensemble of it alone, or of studies of these labels"
        )


def _not_beside(whole: Term, target: Target) -> EnsembleError:
    return EnsembleError(
        f"study {whole.source} is of the joint target {whole.target.name!r}, and the others make up "
        f"{target.name!r}; leave it out, or add the studies that are missing"
    )
