"""Failed trials: what a search says of them at its end, and how they run again (`--retry-failed`)."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.errors import StudyError
from orchestrator.core.events import FoldRunKey, Reopened
from orchestrator.core.file_digest import is_as_stored
from orchestrator.core.text import shortened
from orchestrator.progress import progress_bar
from orchestrator.race.contract import Race
from orchestrator.storage.checkpoint_files import oof_name, resume_name, weights_name
from orchestrator.storage.contract import CheckpointStore
from orchestrator.study.failures import (
    again_lines,
    ahead_lines,
    failed_trials,
    failure_lines,
    why_not_again,
)
from orchestrator.study.history import History
from orchestrator.study.study import Study
from orchestrator.tune.request import Request, repeated_options


def reopened(asked: Sequence[int] | None, study: Study, race: Race) -> list[Reopened]:
    """The events that bring failed trials back. asked: their numbers; none: all; None: it was not asked.

    Raises StudyError for a trial that did not fail.
    """
    if asked is None:
        return []
    trials = _chosen(asked, study)
    store, folds = study.store(), range(study.space.folds)
    history = History(study.space.mode, study.events, study.header.epoch_choice)
    events = []
    with progress_bar("looking at what failed trials have stored") as progress:
        for number, trial in enumerate(trials, start=1):
            had = race.epochs_set_aside(trial)
            kept = [intact_epochs(store, history, FoldRunKey(trial, fold), had[fold]) for fold in folds]
            events.append(Reopened(trial, kept))
            progress(number, len(trials))
    return events


def refuse_others(asked: Sequence[int] | None, study: Study) -> None:
    """Raises StudyError for a trial that did not fail, and where none that failed can run again. Quick."""
    if asked is not None:
        _chosen(asked, study)


def _chosen(asked: Sequence[int], study: Study) -> list[int]:
    failed = [item.trial for item in failed_trials(study.events)]
    wrong = [trial for trial in asked if trial not in failed]
    if wrong:
        names = shortened([str(trial) for trial in failed], limit=12)
        known = f"{names}; name some of those, or no trial for all of them" if failed else "none"
        raise StudyError(
            f"--retry-failed {wrong[0]}: trial {wrong[0]} of study {study.path} did not fail; failed trials: "
            f"{known}"
        )
    why = {trial: why_not_again(study.header.rule, study.events, trial) for trial in failed}
    if failed and all(why.values()):
        raise StudyError(f"--retry-failed: study {study.path}: {why[failed[0]]}; leave it out")
    return sorted(set(asked)) or [trial for trial in failed if not why[trial]]


def intact_epochs(store: CheckpointStore, history: History, key: FoldRunKey, most: int) -> int:
    """The epochs, `most` or fewer, from which a fold run can go on with what is in the store; 0: from its
    start."""
    stored = set(store.names(f"{key}/"))
    for epoch in range(min(most, history.done(key)), 0, -1):
        best = history.best(key, epoch)
        assert best is not None  # the epoch is done
        state = history.state_epoch(key, epoch)  # from it the epochs after it are trained again
        if not state:
            return 0
        needed = {
            resume_name(key, state): history.digest(key, state, "resume"),
            weights_name(key, best.epoch): history.digest(key, best.epoch, "weights"),
            oof_name(key, best.epoch): history.digest(key, best.epoch, "oof"),
        }
        if stored.issuperset(needed) and all(
            is_as_stored(store.get(name), digest) for name, digest in needed.items()
        ):
            return epoch
    return 0


def end_lines(study: Study, request: Request) -> list[str]:
    """What failed and why, and the command that runs it again; none where nothing failed."""
    failed = failed_trials(study.events)
    if not failed:
        return []
    more = repeated_options(vars(request), budget_spent=True)
    # A loss that is no number comes again at the same settings.
    again = [item.trial for item in failed if item.failure != "nan"] or [item.trial for item in failed]
    lines = again_lines(study, again, len(again) == len(failed), more)
    return [*failure_lines(failed), *lines, *ahead_lines(study, more)]
