"""The section Ensemble: what ensemble.json says, and each member against the whole on the same rows."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.metrics import score
from orchestrator.data.targets import categorical
from orchestrator.ensemble import build_ensemble
from orchestrator.ensemble_record.record import Component, EnsembleRecord, Member, Route
from orchestrator.pages.blocks import Block
from orchestrator.pages.figures import IntervalChart
from orchestrator.report.answers import judged_answers
from orchestrator.report.context import ReportContext
from orchestrator.report.sections import ensemble, errors
from orchestrator.snapshot.snapshot import FoundEnsemble
from tests.support.drawn_study import draw_study
from tests.support.report_blocks import column, context_of, only, table, words


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = draw_study(tmp_path_factory.mktemp("ensemble") / "a", trials=12)
    build_ensemble(made, repeats=4)
    return made


@pytest.fixture(scope="module")
def found(study: Path) -> tuple[Block, ...]:
    return ensemble.blocks(context_of(study))


def record_of(study: Path) -> EnsembleRecord:
    found = context_of(study).main.ensemble
    assert found is not None
    return found.record


def test_members_have_the_weights_and_scores_of_the_record(study: Path, found: tuple[Block, ...]) -> None:
    members, record = table(found, "Members"), record_of(study)
    assert column(members, "weight") == pytest.approx([member.weight for member in record.members])
    noted = {item["name"]: item["oof"] for item in record.choice["terms"][0]["members"]}
    for name, oof in zip(column(members, "member"), column(members, "macro_f1 of all rows"), strict=True):
        assert oof == pytest.approx(noted[name])
    assert list(members.trials) == [member.trial for member in record.members]


def test_every_vote_that_was_considered_stands_there_with_its_gain_and_why(
    study: Path, found: tuple[Block, ...]
) -> None:
    step = record_of(study).choice["steps"][0]
    votes = table(found, "Step: vote")
    assert column(votes, "considered") == [item["name"] for item in step["considered"]]
    assert column(votes, "why") == [item["reason"] for item in step["considered"]]
    taken = [row[0] for row in votes.rows if row[1] == "taken"]
    assert taken == [step["taken"]]
    assert column(votes, "gain")[1:] == pytest.approx([item["gain"] for item in step["considered"][1:]])


def test_a_member_is_compared_with_the_whole_on_the_same_rows(study: Path, found: tuple[Block, ...]) -> None:
    chart, snapshot = only(found, IntervalChart, "The ensemble minus each member"), context_of(study).main
    whole = snapshot.ensemble_oof
    assert whole is not None
    for item in chart.intervals:
        member = snapshot.oof(int(str(item.trial)))
        assert member is not None
        own = [score("macro_f1", whole.labels, part.probabilities) for part in (whole, member)]
        assert item.value == pytest.approx(own[0] - own[1])
        assert item.low is not None and item.high is not None and item.low <= item.value <= item.high


def test_members_that_cannot_be_compared_are_named(study: Path) -> None:
    record, snapshot = record_of(study), context_of(study).main
    stopped = max(trial.number for trial in snapshot.complete) + 100
    added = replace(record.members[0], trial=stopped)
    [route] = record.routes
    [term] = route.terms
    more = replace(route, terms=(replace(term, members=(*term.members, added)),))
    made = ensemble.blocks(with_record(study, replace(record, routes=(more,))))
    chart = only(made, IntervalChart, "The ensemble minus each member")
    assert stopped not in [item.trial for item in chart.intervals]
    assert chart.note.endswith(f"some of these rows: trial {stopped}.")


def test_the_temperature_is_shown_with_what_it_changed(study: Path, found: tuple[Block, ...]) -> None:
    noted = record_of(study).choice["calibration"]
    scores = table(found, "Temperature")
    for at, when in ((1, "before"), (2, "after")):
        expected = [noted[when][key] for key in ("nll", "brier", "ece")]
        assert [row[at] for row in scores.rows] == pytest.approx(expected)


def test_errors_are_those_of_the_ensemble_and_say_what_is_fitted_without_the_row(study: Path) -> None:
    context = context_of(study)
    answers = judged_answers(context.main)
    assert answers is not None and answers.name.startswith("the ensemble")
    has_temperature = record_of(study).temperature is not None
    stored = context.main.ensemble_oof
    assert stored is not None
    assert (answers.probabilities != stored.probabilities).any() == has_temperature
    said = words(errors.blocks(context))
    assert ("Here each row has the temperature of the other folds." in said) == has_temperature


def with_record(study: Path, record: EnsembleRecord) -> ReportContext:
    snapshot = context_of(study).main
    assert snapshot.ensemble is not None
    changed = replace(snapshot, ensemble=FoundEnsemble(snapshot.ensemble.folder, record))
    return ReportContext((changed,), ((),), None)


@pytest.mark.parametrize(
    ("kind", "values", "name"),
    [("offsets", (0.1, -0.1, 0.0), "offsets"), ("cut_points", (0.5, 1.5), "cut points")],
)
def test_decisions_are_listed(study: Path, kind: str, values: tuple[float, ...], name: str) -> None:
    decisions = {"kind": kind, "values": list(values), "at_least_one": False}
    made = ensemble.blocks(with_record(study, replace(record_of(study), decisions=decisions)))
    assert column(table(made, "Decisions"), name) == list(values)


def test_a_record_of_a_former_version_has_its_members(study: Path) -> None:
    made = ensemble.blocks(with_record(study, replace(record_of(study), choice={}, candidates=())))
    assert len(table(made, "Members").rows) == len(record_of(study).members)


def test_gains_that_are_not_known_are_left_open(study: Path) -> None:
    choice = json.loads(json.dumps(record_of(study).choice))
    choice["steps"][0]["considered"][1] |= {"gain": None, "se": None, "score": None}
    made = ensemble.blocks(with_record(study, replace(record_of(study), choice=choice)))
    assert table(made, "Step: vote").rows[1][2:5] == ("", "", "")


def test_product_and_joint_model_stand_side_by_side_with_their_difference(study: Path) -> None:
    compared = [
        {"scope": "all", "name": "both", "metric": "macro_f1", "rows": 240,
         "scores": {"product": 0.5, "joint": 0.6},
         "differences": [{"of": "joint", "minus": "product", "difference": 0.1, "low": 0.02, "high": 0.2,
                          "level": 0.95, "groups": 60}]},
        {"scope": "class", "name": "red", "metric": "binary_f1", "rows": 80,
         "scores": {"product": 0.4, "joint": None}, "differences": []},
    ]  # fmt: skip
    made = ensemble.blocks(with_record(study, replace(record_of(study), comparisons=compared)))
    assert table(made, "Product, joint model and blend").rows[1] == ("class", "red", "binary_f1", 80, 0.4, "")
    (item,) = only(made, IntervalChart, "Paired differences of the answers").intervals
    assert (item.label, item.low, item.high) == ("both: joint minus product", 0.02, 0.2)


def test_votes_on_several_targets_have_a_table_each_and_a_formula(study: Path) -> None:
    age, sex = categorical("age", ["young", "old"]), categorical("sex", ["m", "f"])
    terms = tuple(
        Component(target, (Member("other", "m:T", number, math.nan, 1.0, {}, ()),))
        for number, target in enumerate((age, sex))
    )
    record = replace(record_of(study), routes=(Route(1.0, terms),), choice={}, studies=["other", "third"])
    made = ensemble.blocks(with_record(study, record))
    assert table(made, "Members of the vote on age").rows[0][0] == "trial 0"
    assert not [item for item in made if getattr(item, "title", "").startswith("The ensemble minus")]
    assert "2 members of 2 studies" in words(made)


def test_without_an_ensemble_the_section_is_left_out(tmp_path: Path) -> None:
    assert ensemble.blocks(context_of(draw_study(tmp_path / "a", trials=2))) == ()


def test_members_whose_predictions_are_gone_are_left_out_of_the_comparison(tmp_path: Path) -> None:
    study = draw_study(tmp_path / "a", trials=12)
    folder = build_ensemble(study, repeats=4).path
    (folder / "oof.parquet").unlink()
    made = ensemble.blocks(context_of(study))
    assert table(made, "Members").rows
    assert not [item for item in made if getattr(item, "title", "").startswith("The ensemble minus")]
