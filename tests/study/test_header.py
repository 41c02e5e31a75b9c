from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.core.errors import StudyError
from orchestrator.study.header import BudgetHeader, StudyHeader

SPACE = {"metric": "macro_f1", "mode": "max", "trials": 9}
MADE_BY_0_1 = Path(__file__).with_name("made_by_0_1") / "studies" / "complete" / "journal.jsonl"


def written_by_0_1() -> dict[str, object]:
    with MADE_BY_0_1.open() as file:
        header: dict[str, object] = json.loads(file.readline())["header"]
    return header


def test_a_header_is_read_back_as_it_was_written() -> None:
    header = StudyHeader(
        "age",
        SPACE,
        seed=7,
        rule_version=3,
        tries=[{"lr": 0.1}],
        fold_order=[1, 0],
        budget=BudgetHeader(500, True, 64),
        extra=[{"source": "more.csv"}],
        classes=["young", "old"],
    )
    assert StudyHeader.from_json(json.loads(json.dumps(header.to_json()))) == header


def test_a_header_of_version_0_1_keeps_its_keys_but_for_the_rules_version() -> None:
    old = written_by_0_1()
    header = StudyHeader.from_json(old)
    assert (header.rule_version, header.seed, header.fold_order, header.cohort) == (3, 3, [1, 2, 0], 9)
    assert header.to_json() == {**{key: old[key] for key in old if key != "race"}, "rule_version": 3}


def test_fields_that_a_journal_does_not_have_yet_get_the_values_of_before_they_were_kept() -> None:
    header = StudyHeader.from_json({"format": 1, "name": "age", "space": SPACE})
    assert header == StudyHeader("age", SPACE)
    assert (header.rule_version, header.tries, header.defaults, header.cohort) == (1, (), {}, 9)
    assert (header.budget, header.storage, header.demo) == (BudgetHeader(None, False, None), None, False)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"format": 2, "name": "age", "space": SPACE}, "format 2, not 1"),
        ({"format": 1, "space": SPACE}, "name"),
    ],
)
def test_another_format_or_a_record_without_its_name_is_refused(
    record: dict[str, object], message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        StudyHeader.from_json(record)


def test_what_a_later_version_adds_is_left_aside() -> None:
    record = {
        "format": 1,
        "name": "age",
        "space": SPACE,
        "colour": "red",
        "budget": {"cohort": 5, "joules": 1},
    }
    assert StudyHeader.from_json(record) == StudyHeader("age", SPACE, budget=BudgetHeader(cohort=5))


def test_a_choice_of_epoch_of_a_later_version_is_refused() -> None:
    with pytest.raises(StudyError, match="epoch_choice is 'oracle', none of best, refine"):
        StudyHeader.from_json({"format": 1, "name": "age", "space": SPACE, "epoch_choice": "oracle"})
