"""What the ensemble answers better than each of its members, on the same rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.metrics import is_own
from orchestrator.ensemble_record.record import EnsembleRecord
from orchestrator.evaluation.paired import paired_difference
from orchestrator.pages.blocks import Block, Text
from orchestrator.pages.figures import Interval, IntervalChart
from orchestrator.report.answers import JudgedAnswers
from orchestrator.snapshot import StudySnapshot
from orchestrator.study.predictions import Prediction

REPEATS = 500


def member_differences(
    snapshot: StudySnapshot, record: EnsembleRecord, answers: JudgedAnswers | None, seed: int
) -> Iterator[Block]:
    """A dot and an interval for each member: the ensemble minus it. Nothing of an ensemble of several votes,
    whose members answer another question, and of a metric of one's own, which is not called here.

    answers: the ensemble's, each row by decisions that were fitted to other folds; None: as they are stored.
    """
    own = [member for member in record.members if member.study == snapshot.name]
    whole, groups = snapshot.ensemble_oof, None
    if len(record.components) != 1 or len(own) != len(record.members) or is_own(record.metric):
        return
    if whole is not None:
        groups = snapshot.groups_of(whole)
    if whole is None or groups is None:
        return
    decided = whole.probabilities if answers is None else answers.decided
    intervals, left_out = list[Interval](), list[int]()
    complete = {trial.number for trial in snapshot.complete}  # others have no table of their own
    for member in own:
        other = snapshot.oof(member.trial) if member.trial in complete else None
        if other is None or not _same_rows(whole, other):
            left_out.append(member.trial)
            continue
        rng = np.random.default_rng([seed, 20])
        try:
            found = paired_difference(
                whole.labels, other.probabilities, decided, groups, record.metric, rng, REPEATS
            )
        except OrchestratorError as error:
            yield Text((f"Differences to members could not be made: {error}.",))
            return
        name = f"trial {member.trial} (weight {member.weight:.0%})"
        intervals.append(Interval(name, found.difference, found.low, found.high, trial=member.trial))
    if intervals:
        better = "above" if record.mode == "max" else "below"
        yield IntervalChart(
            "The ensemble minus each member",
            f"difference in {record.metric}",
            intervals,
            f"Of all rows at once; 95% over the same resamples of the groups. {better.capitalize()} 0 the "
            "ensemble is better. Its weights were fitted to these rows, so the gains flatter it a little; "
            f"the steps below compare on rows that nothing was fitted to.{_omitted(left_out)}",
            reference=0.0, reference_label="no difference",
        )  # fmt: skip


def _omitted(trials: list[int]) -> str:
    if not trials:
        return ""
    named = ", ".join(f"trial {trial}" for trial in trials)
    return f" Left out, as no model of theirs answers some of these rows: {named}."


def _same_rows(one: Prediction, other: Prediction) -> bool:
    return len(one.rows) == len(other.rows) and bool((one.rows == other.rows).all())
