"""FO011, FO017 and FO019: what failed, whether it might have won, and what was run twice."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from orchestrator.core.events import FoldRunKey
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.text import counted, on_one_line, shortened
from orchestrator.study.failures import FailedTrial, failed_ahead, failed_trials, retry_command
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

SAME, AHEAD, TWICE = "FO011", "FO017", "FO019"
MANY, SHARE = 3, 0.05
"""So many trials, and so large a share of all, failed for one reason: one or two may be bad luck."""
LOST = 0.2
"""Share of the epochs run that were lost: a worker dies now and then, and a leg of it is run again."""


def look_for_kinds(material: Material) -> Iterator[Finding]:
    study = material.snapshot.study
    failed = failed_trials(study.events)
    kinds = of_one_kind(failed, len(study.configs))
    if not kinds:
        yield fine(SAME, f"{len(failed)} of {counted(len(study.configs), 'trial')} failed")
    command = retry_command(study.path, study.header.own_code)
    for items in kinds:
        said = (
            f"{len(items)} of {counted(len(study.configs), 'trial')} failed ({items[0].failure}): "
            f"{on_one_line(items[0].cause)}"
        )
        way_out = f"{_mend(items[0].failure)}, then {command}"
        yield coded(SAME, Level.WARNING, said, way_out, trials=[item.trial for item in items])


def of_one_kind(failed: Sequence[FailedTrial], trials: int) -> list[list[FailedTrial]]:
    """The reasons for which many failed, the most frequent first; numbers do not tell two reasons apart."""
    by_reason: defaultdict[tuple[str, str], list[FailedTrial]] = defaultdict(list)
    for item in failed:
        by_reason[item.failure, re.sub(r"\d+", "#", item.cause)].append(item)
    many = [items for items in by_reason.values() if len(items) >= max(MANY, SHARE * trials)]
    return sorted(many, key=len, reverse=True)


def _mend(failure: str) -> str:
    return {
        "memory": "take smaller batches or networks out of the space, or give a trial more of a GPU",
        "nan": "lower the largest learning rate of the space",
        "lost": "see why the machine or its worker went away",
    }.get(failure, "mend what the message says")


def look_for_leaders(material: Material) -> Iterator[Finding]:
    study, space = material.snapshot.study, material.space
    ahead = failed_ahead(
        study.events,
        space.mode,
        space.folds,
        space.finalists,
        material.best.number,
        study.header.epoch_choice,
    )
    if not ahead:
        yield fine(AHEAD, "no trial failed while it was ahead of the best one")
        return
    first, trials = ahead[0], [item.trial for item in ahead]
    said = (
        f"{counted(len(ahead), 'trial')} failed while ahead of the best one "
        f"({shortened(list(map(str, trials)))}): "
        f"trial {first.trial} had {first.score:.4f} to {first.winners:.4f} after "
        f"{counted(first.epochs, 'epoch')} of {counted(first.folds, 'fold')}"
    )
    command = retry_command(study.path, study.header.own_code, trials)
    yield coded(AHEAD, Level.WARNING, said, f"run what failed again: {command}", trials=trials)


def look_for_work_done_twice(material: Material) -> Iterator[Finding]:
    spent, kept = material.snapshot.spent, _epochs_kept(material)
    if not spent:
        raise UnseenError("nothing has run")
    lost, whole = spent - kept, material.space.folds * material.space.max_t
    said = f"{lost} of {spent} fold-epochs that were run are not kept, {lost / spent:.0%}"
    if lost <= max(LOST * spent, whole):
        yield fine(TWICE, said)
        return
    failed = [item.trial for item in material.snapshot.failures]
    often = sorted(set(failed), key=lambda trial: (-failed.count(trial), trial))
    way_out = "see what ends the workers (memory, a time limit, the network); shorter legs lose less"
    yield coded(TWICE, Level.WARNING, f"{said}: they were run again", way_out, trials=often)


def _epochs_kept(material: Material) -> int:
    history, folds = material.snapshot.history, range(material.space.folds)
    trials = material.snapshot.study.configs
    return sum(history.done(FoldRunKey(trial, fold)) for trial in trials for fold in folds)
