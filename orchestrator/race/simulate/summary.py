"""What a simulated race cost and what its choice lost against exhaustive search."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.events import State
from orchestrator.core.metrics import METRICS, score
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate.rule_specs import Entry
from orchestrator.race.simulate.simulator import simulate
from orchestrator.race.simulate.table import CurveTable, CurveTableError

RESAMPLES = 2000
VOTERS = 3
"""Complete trials whose soft vote is the ensemble, the best by CV."""


@dataclass(frozen=True)
class Outcome:
    """What came of one draw."""

    fold_epochs: float  # spent
    makespan: float  # seconds
    cv_regret: float  # what exhaustive's choice has more in CV score
    test_regret: float  # the same on the test set
    same_pick: float  # 1 where the choice is exhaustive's
    complete_trials: float
    ensemble: float  # macro-F1 of the soft vote of the best complete trials, on test rows
    busy: float  # share of the makespan that slots worked


STATISTICS = tuple(Outcome.__dataclass_fields__)


@dataclass(frozen=True)
class Terms:
    """How every rule is run."""

    slots: int  # fold runs at a time
    failure_rate: float = 0.0  # share of the legs that fail, once each
    startup: float = 0.0  # seconds each leg costs before its first epoch
    spread: float = 1.0  # costliest trial's epoch over the cheapest's, drawn evenly on a logarithmic scale


def race_once(entry: Entry, drawn: CurveTable, terms: Terms, seed: Sequence[int]) -> Outcome:
    """One rule on one draw. seed: of the failures alone."""
    trials, folds, max_t = drawn.scores.shape
    race = make_race(entry.key, RaceConfig(trials, folds, max_t, **entry.numbers))
    rng = np.random.default_rng(seed)
    log = simulate(
        race, drawn.scores, terms.slots, rng, terms.failure_rate,
        seconds=drawn.seconds * costs(trials, terms.spread, seed), startup=terms.startup, record=False,
    )  # fmt: skip
    best = best_of(drawn)
    complete = [item.trial for item in race.statuses() if item.state is State.COMPLETE]
    chosen = choose({trial: log.full[trial] for trial in complete} or log.full, drawn)
    busy = 1 - log.idle / (terms.slots * log.time)
    nothing = float("nan")
    return Outcome(
        fold_epochs=race.spent_fold_epochs,
        makespan=log.time,
        cv_regret=nothing if chosen is None else float(drawn.cv[best] - cv_of(chosen, log.full, drawn)),
        test_regret=nothing if chosen is None else float(drawn.test[best] - drawn.test[chosen]),
        same_pick=float(chosen == best),
        complete_trials=len(complete),
        ensemble=ensemble(drawn, complete or [item for item in (chosen,) if item is not None]),
        busy=busy,
    )


def costs(trials: int, spread: float, seed: Sequence[int]) -> NDArray[np.float64]:
    """(trials, 1, 1) what each trial's epochs take more or less than they would, 1 on average."""
    drawn = spread ** np.random.default_rng([*seed, 2]).random((trials, 1, 1))
    even: NDArray[np.float64] = drawn / drawn.mean()
    return even


def best_of(drawn: CurveTable) -> int:
    """Exhaustive search's choice. Raises CurveTableError where no trial has completed all folds."""
    if not np.isfinite(drawn.cv).any():
        raise CurveTableError(
            "a draw has no trial with a score for all folds and epochs, so many of the table's trials "
            "failed; draw more of them (--subset)"
        )
    return int(np.nanargmax(drawn.cv))


def choose(full: Mapping[int, Collection[int]], drawn: CurveTable) -> int | None:
    """The trial with the most folds at full length, of equals the best mean; None where none has any."""
    return max(full, key=lambda trial: (len(full[trial]), seen(trial, full, drawn), -trial), default=None)


def seen(trial: int, full: Mapping[int, Collection[int]], drawn: CurveTable) -> float:
    """The mean of the best scores over its folds at full length: what the rule knows of it."""
    return float(drawn.scores[trial, sorted(full[trial])].max(axis=1).mean())


def cv_of(trial: int, full: Mapping[int, Collection[int]], drawn: CurveTable) -> float:
    """The mean of the best scores over all folds; over those at full length where others failed."""
    over_all = float(drawn.cv[trial])
    return over_all if np.isfinite(over_all) else seen(trial, full, drawn)


def ensemble(drawn: CurveTable, complete: Sequence[int]) -> float:
    """Larger is better. `complete` best first; the choice where no trial is. NaN without votes of them."""
    if drawn.votes is None or drawn.labels is None or not complete:
        return float("nan")
    vote = drawn.votes[list(complete[:VOTERS])].mean(axis=0)
    if not np.isfinite(vote).all():
        return float("nan")
    sign = -1.0 if METRICS[drawn.metric].mode == "min" else 1.0
    return sign * score(drawn.metric, drawn.labels, vote)


def summary(entry: Entry, draws: Sequence[Outcome], seed: int) -> dict[str, Any]:
    """Means over draws, each with the 95% percentile-bootstrap interval under `<name>_interval`.

    `<name>_draws`: how many draws have it. A regret needs a choice, so a rule that ends with nothing at
    full length has fewer. None where none has it, such as a test regret without a test set.
    """
    row: dict[str, Any] = {"rule": entry.rule, "numbers": dict(entry.numbers), "draws": len(draws)}
    for name in STATISTICS:
        values = np.array([asdict(item)[name] for item in draws])
        values = values[np.isfinite(values)]
        row[name] = float(values.mean()) if len(values) else None
        row[f"{name}_interval"] = interval(values, seed) if len(values) else None
        row[f"{name}_draws"] = len(values)
    return row


def interval(values: NDArray[np.float64], seed: int) -> list[float]:
    """Of the mean: 2.5th and 97.5th percentile of 2000 bootstrap means."""
    rng = np.random.default_rng(seed)
    means = values[rng.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)
    return [float(item) for item in np.percentile(means, [2.5, 97.5])]


def to_json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(list(rows), indent=1, allow_nan=False)
