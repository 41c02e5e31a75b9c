"""Stock ASHA with every configuration x fold as a trial of its own."""

from __future__ import annotations

from orchestrator.core.events import Decision, Leg
from orchestrator.core.text import counted
from orchestrator.race.baselines.stock_asha import ScoreList, cut_text, expected_fold_epochs, milestones
from orchestrator.race.config import RaceConfig
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.rule import Rule
from orchestrator.race.waiting_queue import WaitingQueue


class PooledASHA(Rule):
    """Stock ASHA with every configuration x fold as a trial of its own (Ray's AsyncHyperBandScheduler).

    One list of scores per rung for all fold runs; a fold run below the 1 - 1/reduction_factor percentile of
    those before it stops. A trial is COMPLETE only if all its folds survive; one with a stopped fold run is
    PRUNED while its other fold runs go on. Raises SearchSpaceError.
    """

    takes_back = False

    def __init__(self, cfg: RaceConfig) -> None:
        super().__init__(cfg)
        self._ended: dict[tuple[int, int], str] = {}  # fold runs with nothing left to do, and why
        self._fraction = 1 - 1 / cfg.reduction_factor
        self._milestones = milestones(cfg)
        self._recorded: set[tuple[int, int, int]] = set()  # (trial, fold, rung)
        self._lists: dict[tuple[int, int], ScoreList] = {}  # (rung, `_list_of` a fold run)
        self.book.top_rung = len(self._milestones)
        self._waiting = WaitingQueue(self.book, self._goal)

    def _list_of(self, run: FoldRun) -> int:
        """Which list of a rung this fold run is compared in."""
        return 0

    def next(self) -> Leg | None:
        return self._waiting.leg(lambda run: "every fold runs at full length")

    def on_epoch(self, run: FoldRun) -> list[Decision]:
        key = (run.trial, run.fold)
        if run.epochs >= self.max_t:
            self._ended[key] = f"all {counted(run.epochs, 'epoch')} done"
            return self.complete_if_full(run)
        reason = self._cut(run)
        if reason is None:
            return []
        self._ended[key] = reason
        return [] if run.trial in self.book.final else self.prune(run.trial, reason)

    @classmethod
    def planned(cls, cfg: RaceConfig) -> int:
        """What it would spend if every cut were exact; early fold runs, cut against few, make it more."""
        return round(expected_fold_epochs(cfg.trials * cfg.folds, milestones(cfg), cfg))

    def describe(self) -> str:
        cuts = ", ".join(str(epoch) for epoch in self._milestones)
        count = self.runs.trials * self.folds
        below = f"those worse than the {self._fraction:.0%} percentile stop at epochs {cuts}"
        return f"{counted(count, 'fold run')}, {below}"

    # ---- a fold run is out by itself, whatever becomes of its trial ----

    def _goal(self, run: FoldRun) -> int:
        return 0 if (run.trial, run.fold) in self._ended else self.max_t

    def stops(self, run: FoldRun) -> bool:
        return (run.trial, run.fold) in self._ended

    def stop_reason(self, run: FoldRun) -> str:
        return self._ended[run.trial, run.fold]

    def on_withdraw(self, trial: int) -> None:
        for fold in range(self.folds):
            self._ended[trial, fold] = "withdrawn"

    def on_fail(self, run: FoldRun, reason: str) -> None:
        self._ended[run.trial, run.fold] = reason

    # ---- what is compared ----

    def _cut(self, run: FoldRun) -> str | None:
        """Why this fold run stops here, or None. Records its score at the highest rung just reached."""
        for rung in reversed(range(len(self._milestones))):
            key = (run.trial, run.fold, rung)
            if run.epochs >= self._milestones[rung] and key not in self._recorded:
                self._recorded.add(key)
                self._note(run.trial, rung)
                return self._compare(run, self._list(run, rung))
        return None

    def _list(self, run: FoldRun, rung: int) -> ScoreList:
        return self._lists.setdefault((rung, self._list_of(run)), ScoreList(self._fraction))

    def _compare(self, run: FoldRun, before: ScoreList) -> str | None:
        cut = before.cut()
        sign = self.runs.sign
        reason = f"fold {run.fold}: {sign * run.latest:.4f} at epoch {run.epochs} is worse than "
        reason += cut_text(cut, sign, len(before))
        before.add(run.latest)
        return reason if run.latest < cut else None

    def _note(self, trial: int, rung: int) -> None:
        """A trial stands at the highest rung any of its folds reached, with its mean over those that did."""
        if trial in self.book.final or rung < self.book.last_rung_score.get(trial, (0, 0.0))[0]:
            return
        epochs = self._milestones[rung]
        reached = tuple(run.fold for run in self.runs.of(trial) if run.epochs >= epochs)
        self.book.last_rung_score[trial] = (rung, self.runs.mean(trial, reached, epochs))


class PerFoldASHA(PooledASHA):
    """Stock ASHA for each fold on its own: one list of scores per rung and fold.

    A fold run below the 1 - 1/reduction_factor percentile of the entries of its own fold stops, so that a
    hard fold is not compared with an easy one. As PooledASHA otherwise. Raises SearchSpaceError.
    """

    def _list_of(self, run: FoldRun) -> int:
        return run.fold

    def describe(self) -> str:
        return f"{super().describe()}, each fold on its own"
