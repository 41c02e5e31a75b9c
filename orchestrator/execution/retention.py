"""What goes when a trial is out: all its files, but for the best epochs of one that was pruned with all folds
and what one that failed can go on from when it is run again (`--retry-failed`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from orchestrator.core.events import FoldRunKey, State
from orchestrator.race.contract import Race
from orchestrator.storage.checkpoint_files import PROBABILITIES, dropped, oof_name, weights_name
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.history import History

Names = Callable[[FoldRunKey], Sequence[str]]
"""Of a fold run's files in a store."""


class Retention:
    """Of one study's trials. race, history and running are the driver's own, and change as it goes on."""

    def __init__(
        self,
        race: Race,
        history: History,
        running: AbstractSet[FoldRunKey],
        folds: int,
        keeps_all: bool,
    ) -> None:
        """keeps_all: whether every epoch's predictions stay when a trial is out."""
        self._race = race
        self._history = history
        self._running = running
        self._folds = folds
        self._keeps_all = keeps_all
        self._gone: set[FoldRunKey] = set()  # whose best epochs were deleted
        self._doomed: list[str] = []  # names that go at the end of the decisions under way

    def started(self, key: FoldRunKey) -> None:
        """Its trial was out and fills a vacancy, or it never was: from now on it has files again."""
        self._gone.discard(key)

    def delete(self, store: CheckpointStore) -> None:
        """What `drop`, `stopped` and `settle` have found that may go, all at once. Raises StorageError."""
        doomed, self._doomed = self._doomed, []
        if doomed:
            store.delete_many(list(dict.fromkeys(doomed)))  # of a trial and of its fold run that stopped

    def drop(self, store: CheckpointStore, trial: int) -> None:
        """A trial is out; files of its running fold runs go when they stop, all of them with `delete`."""
        if self._can_go_on(trial):
            return
        self._drop(trial, lambda key: self._names(store, key))

    def stopped(self, store: CheckpointStore, key: FoldRunKey) -> None:
        """A fold run that was running when its trial was dropped."""
        if self._can_go_on(key.trial):
            return
        if self._history.done(key):
            self._doom(key, self._names(store, key), self._may_vote(key.trial))
        else:  # the others were kept if it alone was missing
            self.drop(store, key.trial)

    def settle(self, trial: int, stored: Mapping[str, Sequence[str]]) -> None:
        """`drop` for a driver that takes over. stored: names by fold run, of one listing for all trials."""
        if self._can_go_on(trial):
            return

        def names(key: FoldRunKey) -> Sequence[str]:
            return stored.get(str(key), ())

        self._gone.update(key for key in self._fold_runs(trial) if not self._has_best(key, names(key)))
        self._drop(trial, names)

    def _drop(self, trial: int, names: Names) -> None:
        may_vote = self._may_vote(trial)
        for key in self._fold_runs(trial):
            if key not in self._running:
                self._doom(key, names(key), may_vote)

    def _can_go_on(self, trial: int) -> bool:
        """Whether it failed by what may be mended; a loss that is no number would come again."""
        return self._race.state(trial) is State.FAIL and self._history.last_failure(trial) != "nan"

    def _may_vote(self, trial: int) -> bool:
        """Whether a trial that is out was pruned with all its folds, or will have them when they stop."""
        return self._race.state(trial) is State.PRUNED and all(
            key in self._running or (self._history.done(key) and key not in self._gone)
            for key in self._fold_runs(trial)
        )

    def _doom(self, key: FoldRunKey, names: Sequence[str], may_vote: bool) -> None:
        best = self._history.best(key) if may_vote else None
        if best is None:
            self._gone.add(key)
        kept = None if best is None else best.epoch
        self._doomed += dropped(names, kept, probabilities=not self._keeps_all)

    def _names(self, store: CheckpointStore, key: FoldRunKey) -> Sequence[str]:
        """None is asked about a fold run that never began: on object storage a question is a request."""
        if not self._history.begun(key):
            return ()
        own = store.names(f"{key}/")
        return own if self._keeps_all else own + store.names(f"{PROBABILITIES}{key}/")

    def _has_best(self, key: FoldRunKey, names: Sequence[str]) -> bool:
        best = self._history.best(key)
        return best is not None and {weights_name(key, best.epoch), oof_name(key, best.epoch)} <= {*names}

    def _fold_runs(self, trial: int) -> list[FoldRunKey]:
        return [FoldRunKey(trial, fold) for fold in range(self._folds)]
