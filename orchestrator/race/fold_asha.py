"""FoldASHA: successive halving over folds and epochs together."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.events import Action, Decision, Leg, LegStarted, State
from orchestrator.core.text import counted
from orchestrator.race.cohort import Cohort
from orchestrator.race.config import RaceConfig
from orchestrator.race.early_vote import EarlyVote
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.ladder import (
    Ladder,
    Rung,
    cost,
    ladder_for_later_cohort,
    ladder_of,
    ladder_text,
    resize,
    with_room,
)
from orchestrator.race.ladder_queue import LadderQueue, Turn
from orchestrator.race.quota import adaptive_quota
from orchestrator.race.rule import Rule

SLOPE = 0.2
"""Of what a score gained in the second half of its epochs, the share it is expected to gain still: see
docs/decisions.md, The race ("A rising score counts for more")."""
FALL = 0.5
"""Of how far epochs fell below the best before them, the share by which a score counts for less: a best epoch
that others do not confirm may be luck. See docs/decisions.md, The race ("Jumps widen the quotas")."""


class FoldASHA(Rule):
    """Successive halving over folds and epochs together: trials climb a ladder, ever fewer of them.

    A rung of the ladder is a pair (folds, epochs): trials are compared there by the mean, over the first
    so many folds of the fold order, of the running best score after so many epochs (a score that still rises
    counts for a little more, `SLOPE`; one that other epochs do not confirm for less, `FALL`). Its quota says
    how many trials come. With 64 trials, 5 folds and 18 epochs the ladder is

        (1 fold,   1 epoch)  x 64      every trial runs one epoch of one fold,
        (1 fold,   3 epochs) x 21      the best 21 run two more,
        (1 fold,   5 epochs) x 16
        (2 folds,  7 epochs) x 10      a second fold begins,
        (5 folds,  9 epochs) x 3       all folds of the finalists begin,
        (5 folds, 18 epochs) x 3       and they complete: 456 fold-epochs instead of 5760.

    It follows from trials, folds, max_t, grace_period (no rung is below it), reduction_factor (higher: fewer
    go on) and finalists, or is given as `ladder`, whose last rung must be all folds at max_t. Quotas between
    the second and the last rung move by what the rungs show: more go on where ranks still cross (`quota`).
    Where scores jump from epoch to epoch more come to the second rung too.

    - A fold run that reaches its rung parks; it goes on where it stopped, on any slot. Nothing is decided
      on an entry alone: a trial is promoted once it is certain to be inside the next quota, whatever the
      entries still missing turn out to be, and pruned once it is certain to be outside (`cohort`).
    - A free slot takes what is certain, from the finalists down. Where nothing is, it goes ahead with the
      likeliest trial without using its quota: a guess, which stops at its next report if it was wrong.
    - The trial that leads early on gets a model of every fold long before its rung asks for them, so that
      there is something to vote over (`early_vote`).
    - The finalists complete all folds. One that fails, after its retries, gives its place to the next best,
      which starts again if it had been pruned.
    - Trials that come later (`Extended`) climb the same rungs as a cohort of their own; of them those go on
      that may belong to the finalists of all.

    Example: 6 trials, 2 folds, 3 epochs, the ladder ((1, 1, 6), (2, 3, 2)), one slot, first epochs scoring
    0.9, 0.8, 0.7, 0.6, 0.5, 0.4.

        trial 0, 1 end epoch 1    PARK, PARK: four may still be better
        trial 2 ends epoch 1      PRUNE: third of three, outside quota 2 whatever comes
        trial 3 ends epoch 1      PRUNE
        trial 4 ends epoch 1      PROMOTE 0: inside quota 2 even if trial 5 beats it; PRUNE 4
        trial 0 runs on           fold 0 to epoch 3, then fold 1, before trial 5 begins: COMPLETE 0
        trial 5 ends epoch 1      PROMOTE 1, PRUNE 5; trial 1 runs on: COMPLETE 1

    Raises SearchSpaceError.
    """

    def __init__(self, cfg: RaceConfig) -> None:
        super().__init__(cfg)
        self._ladder = ladder_of(cfg)
        self._resized = False  # other numbers of finalists came while trials climbed
        self._queue = LadderQueue(self.book)
        self._cohorts = self._queue.cohorts
        self._add_cohort(0, cfg.trials)
        self._early = EarlyVote(self.book, self._cohorts[0])
        for trial in range(cfg.trials):
            for run in self._compared(trial, self._ladder[0]):
                self._queue.update(run)

    # ---- the contract ----

    @property
    def done(self) -> bool:
        return not self.runs.running and len(self.book.final) == self.runs.trials

    def next(self) -> Leg | None:
        if (early := self._early.next()) is not None:
            return early
        turn = self._queue.certain()
        if turn is not None:
            return self._leg(turn, self._certain_reason(turn))
        turn = self._queue.guess()
        return None if turn is None else self._leg(turn, self._guess_reason(turn), speculative=True)

    def on_epoch(self, run: FoldRun) -> list[Decision]:
        self._enter_if_ready(run.trial)
        return []

    @classmethod
    def planned(cls, cfg: RaceConfig) -> int:
        return cost(ladder_of(cfg))

    def describe(self) -> str:
        return " and ".join(ladder_text(cohort.ladder) for cohort in self._cohorts)

    # ---- what it costs ----

    @property
    def planned_fold_epochs(self) -> int:
        return sum(cost(cohort.expected()) for cohort in self._cohorts)

    def planned_for(self, trials: int) -> int:
        return sum(self._planned_of(cohort, trials) for cohort in self._cohorts)

    def remaining_fold_epochs(self, trials: int) -> int:
        """What one cohort saves or overspends is not the others'."""
        left = 0
        for cohort in self._cohorts:
            if all(trial in self.book.final for trial in cohort.trials):
                continue
            spent = sum(self.runs.spent[cohort.trials.start : cohort.trials.stop])
            spent -= self._early.wasted if cohort is self._cohorts[0] else 0
            left += max(self._planned_of(cohort, trials) - spent, 0)
        return left

    @property
    def fold_epochs_at_risk(self) -> int:
        return self._early.at_risk

    def _planned_of(self, cohort: Cohort, trials: int) -> int:
        kept = min(trials - cohort.trials.start, len(cohort.trials))
        kept -= sum(trial in cohort.trials and trial < trials for trial in self.book.withdrawn)
        if kept == cohort.members[0]:
            return cost(cohort.expected())
        return cost(self._ladder_for(kept)) if kept > 0 else 0

    # ---- legs ----

    def _leg(self, turn: Turn, reason: str, speculative: bool = False) -> Leg:
        run = self.runs.get(turn.waiting.trial, self.fold_order[turn.waiting.fold_position])
        end = turn.cohort.ladder[turn.target].epochs
        return Leg(run.trial, run.fold, run.epochs, end, speculative, reason)

    def _certain_reason(self, turn: Turn) -> str:
        cohort, rung = turn.cohort, turn.rung
        if rung == 0:
            return f"every trial runs to rung 1 {_size(cohort.ladder[0])}"
        rank = f"rank {cohort.rank(turn.waiting.trial, rung - 1)} at rung {rung}"
        return f"to rung {rung + 1} {_size(cohort.ladder[rung])}: {rank}, quota {cohort.quota_text(rung)}"

    def _guess_reason(self, turn: Turn) -> str:
        standing = self._standing(turn.cohort, turn.rung, turn.waiting.trial)
        return f"idle slot: {standing}: likely inside quota {turn.cohort.quota_text(turn.target)}"

    def _compared(self, trial: int, rung: Rung) -> list[FoldRun]:
        """The fold runs by which a rung compares this trial."""
        row = self.runs.of(trial)
        return [row[fold] for fold in self.fold_order[: rung.folds]]

    # ---- what events lead to ----

    def _start(self, event: LegStarted) -> None:
        super()._start(event)
        self._early.note(event)

    def _enter_if_ready(self, trial: int) -> None:
        cohort = self._queue.cohort_of(trial)
        number = cohort.level[trial]
        rung = cohort.ladder[number]
        if trial in self.book.final or (trial, number) in cohort.scores:
            return
        if all(run.epochs >= rung.epochs for run in self._compared(trial, rung)):
            score = self.runs.mean(trial, self.fold_order[: rung.folds], rung.epochs)
            fall = self.runs.mean_fall(trial, self.fold_order[: rung.folds], rung.epochs)
            ranked = score if number == cohort.top else self._projected(trial, rung, score, fall)
            cohort.enter(trial, ranked, fall)
            self.book.last_rung_score[trial] = (number, score)
            for run in self.runs.of(trial):
                self._queue.update(run)

    def _projected(self, trial: int, rung: Rung, score: float, fall: float) -> float:
        """A score that still rises counts for more, one from which epochs fell back for less."""
        half = self.runs.mean(trial, self.fold_order[: rung.folds], max(rung.epochs // 2, 1))
        discount = 0.0 if self.cfg.rule_version == 3 else FALL * fall
        return score + SLOPE * (score - half) - discount

    def settle(self) -> list[Decision]:
        decisions: list[Decision] = []
        for number, cohort in enumerate(self._cohorts):
            decisions += self._promote_certain(cohort)
            while (rung := cohort.unset()) is not None:
                earlier = self._cohorts[:number]
                cohort.set_quota(rung, adaptive_quota(cohort, rung, earlier, self.cfg.finalists))
                decisions += self._promote_certain(cohort)
            decisions += self._prune_outside(cohort)
        return decisions

    def _promote_certain(self, cohort: Cohort) -> list[Decision]:
        decisions = []
        rung = cohort.top
        while rung >= 0:
            trial = cohort.certain(rung)
            if trial is None:
                rung -= 1
                continue
            decisions.append(self._promote_one(cohort, rung, trial))
            rung = min(rung + 1, cohort.top)  # what speculation did may count as an entry up there now
        return decisions + self._complete_entered(cohort)

    def _promote_one(self, cohort: Cohort, rung: int, trial: int) -> Decision:
        standing = self._standing(cohort, rung, trial)
        cohort.promote(trial)
        decision = self.promote(trial, f"{standing}: certain inside quota {cohort.quota_text(rung + 1)}")
        self._enter_if_ready(trial)
        return decision

    def _prune_outside(self, cohort: Cohort) -> list[Decision]:
        decisions = []
        for rung in range(cohort.top):
            while (trial := cohort.outside(rung)) is not None:
                standing = self._standing(cohort, rung, trial)
                cohort.prune(trial)
                decisions += self.prune(
                    trial, f"{standing}: certain outside quota {cohort.quota_text(rung + 1)}"
                )
        return decisions

    def _complete_entered(self, cohort: Cohort) -> list[Decision]:
        """Those with an entry at the top."""
        decisions = []
        for _, trial in tuple(cohort.open[cohort.top]):
            reason = f"{self._standing(cohort, cohort.top, trial)}: {self.completed_text()}"
            cohort.prune(trial)  # no longer open: nothing is above this rung
            self.close(trial, State.COMPLETE, reason)
            decisions.append(Decision(Action.COMPLETE, trial, reason))
        return decisions

    def _standing(self, cohort: Cohort, rung: int, trial: int) -> str:
        entries = counted(len(cohort.ranks[rung]), "entry", "entries")
        at = f"rung {rung + 1} {_size(cohort.ladder[rung])}"
        return f"rank {cohort.rank(trial, rung)} of {entries} at {at}, {cohort.missing(rung)} missing"

    # ---- failures, fewer trials, more trials ----

    def tries(self, run: FoldRun, failure: str) -> int:
        """A finalist is worth more tries than a trial that one epoch replaces."""
        cohort = self._queue.cohort_of(run.trial)
        finalist = cohort.level[run.trial] == cohort.top
        own = self.cfg.max_retries if finalist and failure in ("exception", "killed") else 0
        return max(own, super().tries(run, failure))

    def on_fail(self, run: FoldRun, reason: str) -> None:
        number = self._queue.number_of(run.trial)
        self._cohorts[number].fail(run.trial)
        for later in self._cohorts[number + 1 :]:
            later.forget_quotas()  # it may have been one of those they had to be as good as

    def on_reopen(self, trial: int) -> None:
        self._queue.cohort_of(trial).reopen(trial)

    def on_withdraw(self, trial: int) -> None:
        cohort = self._queue.cohort_of(trial)
        cohort.fail(trial)
        self._fit_ladder(cohort)

    def on_finalists(self) -> None:
        self._resized = True
        for cohort in self._cohorts:
            self._fit_ladder(cohort)

    def _fit_ladder(self, cohort: Cohort) -> None:
        """The ladder of the trials that are left; those that have climbed a rung keep their place there."""
        if left := cohort.members[0]:
            ladder = self._ladder_for(left)
            ladder = ladder if cohort is self._cohorts[0] else ladder_for_later_cohort(ladder)
            cohort.set_ladder(with_room(ladder, cohort.members) if self._resized else ladder)

    def extend(self, trials: int) -> None:
        now = self.runs.trials
        self._resized = False
        self._add_cohort(now, trials - now)
        super().extend(trials)

    def _add_cohort(self, first: int, trials: int) -> None:
        ladder = self._ladder_for(trials)
        self._queue.add(Cohort(first, ladder_for_later_cohort(ladder) if self._cohorts else ladder))
        self.book.top_rung = max(self.book.top_rung, len(ladder) - 1)

    def _ladder_for(self, trials: int) -> Ladder:
        if self.cfg.ladder is not None:
            return resize(self._ladder, trials, self.cfg.finalists if self.book.narrowed else None)
        return ladder_of(replace(self.cfg, trials=trials))


def _size(rung: Rung) -> str:
    return f"({counted(rung.folds, 'fold')}, {counted(rung.epochs, 'epoch')})"
