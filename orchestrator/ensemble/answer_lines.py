"""The first lines on an ensemble: what answers, what is to be expected of it, and what it gained. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator

from orchestrator.core.text import counted
from orchestrator.ensemble.choices import steps_of
from orchestrator.ensemble.composing import AUTO, FittedTerm, Options
from orchestrator.ensemble.scoring import Scores, TermScores
from orchestrator.evaluation.choose_vote import Considered
from orchestrator.evaluation.estimate import Estimate


def answer_lines(scores: Scores, metric: str) -> Iterator[str]:
    """What was taken at every step, then the most corrected score and the vote's gain."""
    yield f"answer: {', '.join([_votes(scores), *_what_follows(scores)])}"
    best = most_corrected(tuple(scores.estimates.values()))
    if best is not None:
        flatters = ", which flatters" if best.key == "naive" else ""
        yield f"  {metric} to expect of new images: {best}{flatters}"
    terms = [fitted for route in scores.composed.terms for fitted in route]
    if len(terms) == 1:
        yield from _gained(terms[0], metric)


def most_corrected(estimates: tuple[Estimate, ...]) -> Estimate | None:
    """Of those that could be made; they stand in the order of how much they correct."""
    return next((item for item in reversed(estimates) if item.is_defined), None)


def _votes(scores: Scores) -> str:
    """The vote, or the route with the votes of all routes that count."""
    composed = scores.composed
    routes = [
        (route, own)
        for weight, route, own in zip(
            composed.blend.weights, scores.pools.routes, composed.terms, strict=True
        )
        if weight > 0
    ]
    votes = [
        (item.term, _vote(fitted))
        for route, own in routes
        for item, fitted in zip(route.terms, own, strict=True)
    ]
    if len(votes) == 1 and not composed.blend.candidates:
        return votes[0][1]
    return f"{composed.blend.name} of {', '.join(f'{vote} on {term}' for term, vote in votes)}"


def _vote(fitted: FittedTerm) -> str:
    single = bool(fitted.considered) and fitted.name == fitted.considered[0].name
    return f"{fitted.name} alone" if single else fitted.name


def _what_follows(scores: Scores) -> Iterator[str]:
    """A temperature and decisions where they were taken."""
    for step in steps_of(scores.pools, scores.composed):
        if step.name in ("calibration", "decisions") and step.taken != step.considered[0].name:
            yield step.taken


def _gained(fitted: FittedTerm, metric: str) -> Iterator[str]:
    if not fitted.considered:
        return
    first, *richer = fitted.considered
    if all(math.isnan(item.gate.gain) for item in richer):
        return
    own = _of(fitted)
    if own is first:
        yield f"  no vote of several gains enough over {first.name} alone (why: below)"
    elif own is not None:
        error = "" if math.isnan(own.gate.se) else f" (standard error {own.gate.se:.4f})"
        change = f"{abs(own.gate.gain):.4f} {'better' if own.gate.gain >= 0 else 'worse'}"
        yield f"  {metric} {change} than {first.name} alone{error}, on rows not fitted to"


def _of(fitted: FittedTerm) -> Considered | None:
    return next((item for item in fitted.considered if item.name == fitted.name), None)


# ---- a vote that loses to a member -----------------------------------------------------------------


def beaten_lines(scored: TermScores, fitted: FittedTerm, mode: str, options: Options) -> Iterator[str]:
    """A vote that loses to one of its members is never the silent answer."""
    best, vote = scored.beaten_by(mode), scored.vote
    reason = _why_all_the_same(fitted, options)
    if best is not None:
        yield (
            f"note: the {vote.name} ({vote.folds.mean:.4f} mean of folds) is worse than {best.name}"
            f" alone ({best.folds.mean:.4f}); {reason}"
        )
        return
    sign = -1.0 if mode == "min" else 1.0
    ahead = [item for item in scored.members if sign * (item.oof - vote.oof) > 1e-12]
    if ahead:
        first = max(ahead, key=lambda item: sign * item.oof)
        yield (
            f"note: on all rows at once the {vote.name} ({vote.oof:.4f}) is worse than {first.name} alone"
            f" ({first.oof:.4f}), in the mean of folds, by which trials are ranked, it is not; {reason}"
        )


def _why_all_the_same(fitted: FittedTerm, options: Options) -> str:
    if options.vote != AUTO:
        return "--vote auto chooses between them on rows that neither was fitted to"
    own = _of(fitted)
    if own is None or own.gate.gain > 0:
        return "on rows that it was not fitted to it is the better one"
    how = "no better" if own.gate.gain == 0 else f"worse by {-own.gate.gain:.4f}"
    return (
        f"on rows that it was not fitted to it is {how}, which is within one standard error "
        f"({own.gate.se:.4f}); the best trial's own score is that of a winner and falls more on new rows"
    )


def common_line(scores: Scores) -> str:
    """What all estimates have in common."""
    groups = max(item.n_groups for item in scores.estimates.values())
    return (
        f"Intervals are over {counted(groups, 'group')}. Each row is judged by one fold model of a trial; "
        "new images get the mean of all, which is usually somewhat better. In sentences: ensemble.json."
    )
