"""How much of a race can be on a disk at once: fold runs that may go on, complete ones, epochs in all."""

from __future__ import annotations

from dataclasses import dataclass, replace

from orchestrator.race.config import RaceConfig
from orchestrator.race.ladder import Ladder, cost, ladder_of

BY_LADDER = ("fold_asha",)
TRIAL_BY_TRIAL = ("exhaustive", "sequential_cv", "forgiving", "aggressive", "optuna_wilcoxon")
"""Rules that begin a trial only where no slot finds work in those begun."""


@dataclass(frozen=True)
class MostHeld:
    """Upper bounds; a fold run that failed for good and was replaced by another trial's is not in them."""

    unfinished: int  # fold runs with a state to continue from, at once; no more than this with `finished`
    finished: int  # fold runs of complete trials beside them
    fold_epochs: int  # that end, in all
    surely: int  # of the finalists' fold runs: those that can go on at once, however well it goes


def most_held(rule: str, cfg: RaceConfig, slots: int) -> MostHeld:
    """Of a race by one of `RULES` on so many slots. Raises SearchSpaceError for a ladder that cannot be."""
    every = cfg.trials * cfg.folds
    beside = (slots + 1) * cfg.folds  # trials that slots run, or guess ahead
    if rule in BY_LADDER:
        ladder = _widest(ladder_of(cfg))
        guessed = slots * cfg.folds * cfg.max_t + (cost(ladder) // cfg.early_votes if cfg.early_votes else 0)
        epochs = min(cost(ladder) + guessed, every * cfg.max_t)
        return MostHeld(min(_fold_runs(ladder) + beside, every), 0, epochs, _surely(ladder))
    if rule in TRIAL_BY_TRIAL:
        return MostHeld(min(beside, every), every, every * cfg.max_t, cfg.folds)
    return MostHeld(every, 0, every * cfg.max_t, cfg.folds)


def _widest(ladder: Ladder) -> Ladder:
    return tuple(replace(rung, quota=rung.widest) for rung in ladder)


def _surely(ladder: Ladder) -> int:
    """Where all finalists wait for each other with all folds: on the last rung but one, by default."""
    last = ladder[-1]
    wait = len(ladder) > 1 and ladder[-2].folds == last.folds
    return last.folds * (last.quota if wait else 1)


def _fold_runs(ladder: Ladder) -> int:
    """That have begun when every rung is full; a pruned trial's count too, for a vote may use it."""
    total = folds = 0
    for rung in ladder:
        total += rung.quota * (rung.folds - folds)
        folds = rung.folds
    return total
