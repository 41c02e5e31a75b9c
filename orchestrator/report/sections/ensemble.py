"""How the ensemble answers: members, what was considered at each step and why, calibration, decisions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from orchestrator.core.text import counted
from orchestrator.ensemble_record.chain_rule import formula
from orchestrator.ensemble_record.record import Component, EnsembleRecord, Member
from orchestrator.evaluation.decisions import Decisions
from orchestrator.pages.blocks import Block, Cell, Table, Text
from orchestrator.pages.figures import Interval, IntervalChart
from orchestrator.report.cells import score_cell, share_cell, signed_cell, value_cell
from orchestrator.report.context import ReportContext
from orchestrator.report.member_differences import member_differences
from orchestrator.snapshot import StudySnapshot

TITLE = "Ensemble"
QUESTION = "What is the ensemble made of, what was tried besides, and what did each step gain?"


def blocks(context: ReportContext) -> tuple[Block, ...]:
    """() without an ensemble."""
    snapshot = context.main
    if snapshot.ensemble is None:
        return ()
    record = snapshot.ensemble.record
    return (
        Text((_lead(record), *_formulas(record)), lead=True),
        *_members(snapshot, record),
        *member_differences(snapshot, record, context.answers, context.seed),
        *_steps(record),
        *_calibration(record),
        *_decisions(record),
        *_comparisons(record),
    )


def _lead(record: EnsembleRecord) -> str:
    models = sum(len(member.models) for member in record.members)
    of = f" of {counted(len(record.studies), 'study', 'studies')}" if len(record.studies) > 1 else ""
    candidates = sum(record.candidates)
    chosen = f", of {counted(candidates, 'trial')} that may vote" if candidates else ""
    return (
        f"{counted(len(record.members), 'member')}{of}{chosen}: {counted(models, 'fold model')}, whose "
        "answers to a new image are put together."
    )


def _formulas(record: EnsembleRecord) -> Iterator[str]:
    """Nothing of one vote alone, which says nothing that its members do not."""
    if len(record.components) < 2:
        return
    for route in record.routes:
        share = f"{route.weight:.0%}: " if len(record.routes) > 1 else ""
        yield share + formula(record.target, [term.term for term in route.terms])


# ---- members ----


def _members(snapshot: StudySnapshot, record: EnsembleRecord) -> Iterator[Table]:
    names = list(snapshot.space.varied())
    for number, component in enumerate(record.components):
        yield _member_table(snapshot, record, component, _scores(record, number), names)


def _scores(record: EnsembleRecord, number: int) -> dict[str, Mapping[str, Any]]:
    """Name of a member -> its scores as noted; {} in folders of version 0.3 and before."""
    terms = record.choice.get("terms") or []
    own = terms[number]["members"] if number < len(terms) else []
    return {str(item["name"]): item for item in own}


def _member_table(
    snapshot: StudySnapshot,
    record: EnsembleRecord,
    component: Component,
    scores: Mapping[str, Mapping[str, Any]],
    names: Sequence[str],
) -> Table:
    several = len({member.study for member in component.members}) > 1
    own = [] if several or component.members[0].study != snapshot.name else _differing(component, names)
    columns = ("member", "weight", f"{record.metric} of all rows", "mean of folds", "epochs kept", *own)
    rows = tuple(_member_row(item, scores, own, several) for item in component.members)
    title = "Members" if len(record.components) == 1 else f"Members of the vote on {component.term}"
    trials = [item.trial if item.study == snapshot.name else f"{item.study}/{item.trial}"
              for item in component.members]  # fmt: skip
    return Table(title, columns, rows, f"The vote is {component.vote}.", trials=trials)


def _differing(component: Component, names: Sequence[str]) -> list[str]:
    configs = [member.config for member in component.members]
    return [name for name in names if len({repr(config.get(name)) for config in configs}) > 1]


def _member_row(
    member: Member, scores: Mapping[str, Mapping[str, Any]], names: Sequence[str], several: bool
) -> tuple[Cell, ...]:
    name = f"trial {member.trial}"
    noted = scores.get(f"{member.study} {name}" if several else name, scores.get(name, {}))
    epochs = ", ".join(str(model.epoch) for model in member.models)
    return (
        f"{member.study} {name}" if several else name,
        share_cell(member.weight),
        score_cell(noted.get("oof")),
        score_cell(noted.get("mean", member.score)),
        epochs,
        *(value_cell(member.config.get(parameter, "")) for parameter in names),
    )


# ---- what was considered ----


def _steps(record: EnsembleRecord) -> Iterator[Block]:
    steps = record.choice.get("steps") or []
    for step in steps:
        yield _step_table(step)
        yield from _step_chart(step)


def _step_table(step: Mapping[str, Any]) -> Table:
    first, *others = step["considered"]
    rows: list[tuple[Cell, ...]] = [(*_considered(first, step), "", "", str(first["reason"]))]
    rows += [
        (*_considered(item, step), signed_cell(item["gain"]), score_cell(item["se"]), str(item["reason"]))
        for item in others
    ]
    columns = ("considered", "choice", str(step["metric"]), "gain", "standard error", "why")
    note = (
        "Scored on rows that each was not fitted to. Gain: against the first, above 0 where it is better. A "
        "richer step is taken where it gains more than its standard error."
    )
    return Table(f"Step: {step['step']}", columns, tuple(rows), note)


def _considered(item: Mapping[str, Any], step: Mapping[str, Any]) -> tuple[Cell, ...]:
    name = str(item["name"])
    return name, "taken" if name == step["taken"] else "", score_cell(item["score"])


def _step_chart(step: Mapping[str, Any]) -> Iterator[IntervalChart]:
    """Of three alternatives or more."""
    rest = [item for item in step["considered"][1:] if isinstance(item["gain"], int | float)]
    if len(rest) < 2:
        return
    first = step["considered"][0]["name"]
    intervals = [
        Interval(str(item["name"]), item["gain"], *_one_error(item),
                 note="taken" if item["name"] == step["taken"] else "",
                 group="taken" if item["name"] == step["taken"] else "not taken")
        for item in rest
    ]  # fmt: skip
    yield IntervalChart(
        f"Gains over {first}", f"gain in {step['metric']}", intervals,
        "One standard error to each side, by which the step is decided.", reference=0.0,
        reference_label=str(first),
    )  # fmt: skip


def _one_error(item: Mapping[str, Any]) -> tuple[float | None, float | None]:
    gain, se = item["gain"], item["se"]
    known = isinstance(se, int | float) and math.isfinite(se)
    return (gain - se, gain + se) if known else (None, None)


# ---- calibration and decisions ----


def _calibration(record: EnsembleRecord) -> Iterator[Block]:
    found = record.choice.get("calibration")
    if not found:
        return
    rows = tuple(
        (name, *(score_cell(found[when].get(key)) for when in ("before", "after")))
        for key, name in (
            ("nll", "log loss"),
            ("brier", "Brier score"),
            ("ece", "expected calibration error"),
        )
    )
    value = None if record.temperature is None else record.temperature["value"]
    said = (
        "The temperature was not taken: its log loss did not fall by more than one standard error."
        if value is None
        else f"Temperature {value:.3g}: answers are made {'less' if value > 1 else 'more'} sure."
    )
    note = f"{said} Smaller is better. Each fold's rows by the temperature of the other folds."
    yield Table("Temperature", ("score", "before", "after"), rows, note)


def _decisions(record: EnsembleRecord) -> Iterator[Block]:
    classes = record.target.classes
    if record.decisions is None:
        what = "0.5 for every label" if record.task.multi_label else "the most probable class"
        yield Text((f"Decisions: {what}.",))
        return
    found = Decisions.from_json(record.decisions)
    names = classes if found.kind != "cut_points" else [
        f"{low} | {high}" for low, high in pairwise(classes)
    ]  # fmt: skip
    meaning = {
        "offsets": "Added to the logarithm of each class's probability before the largest is taken.",
        "cut_points": "Of the mean class number, between one class and the next.",
        "thresholds": "A label is given from this probability on.",
    }[found.kind]
    rows = tuple((name, value) for name, value in zip(names, found.values, strict=True))
    yield Table("Decisions", ("class", found.kind.replace("_", " ")), rows, meaning)


# ---- product, joint model, blend ----


def _comparisons(record: EnsembleRecord) -> Iterator[Block]:
    if not record.comparisons:
        return
    answers = list(dict.fromkeys(name for item in record.comparisons for name in item["scores"]))
    rows = tuple(
        (str(item["scope"]), str(item["name"]), str(item["metric"]), item["rows"],
         *(score_cell(item["scores"].get(answer)) for answer in answers))
        for item in record.comparisons
    )  # fmt: skip
    note = "All answers to the same rows, each fold's as fitted to the other folds."
    yield Table("Product, joint model and blend", ("of", "name", "metric", "rows", *answers), rows, note)
    intervals = [
        Interval(
            f"{item['name']}: {pair['of']} minus {pair['minus']}",
            pair["difference"],
            pair["low"],
            pair["high"],
        )
        for item in record.comparisons
        if item["scope"] != "class"
        for pair in item["differences"]
    ]
    if intervals:
        yield IntervalChart(
            "Paired differences of the answers", "difference in the metric", intervals,
            "95% intervals over the same resamples of the groups.", reference=0.0,
        )  # fmt: skip
