"""What differs between studies, told from their headers: one thing, several, what follows from one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.studies.differences import ABSENT, Difference, changed, header_differences, verdict
from orchestrator.study.header import BudgetHeader, StudyHeader

SPACE: dict[str, Any] = {
    "trainable": "m:T",
    "target": {"kind": "categorical", "name": "kind"},
    "metric": "accuracy",
    "mode": "max",
    "folds": 3,
    "max_t": 4,
    "trials": 8,
    "grace_period": 1,
    "reduction_factor": 3,
    "finalists": 2,
    "params": {"lr": {"kind": "loguniform", "values": [0.001, 0.1]}},
}
HEADER = StudyHeader(
    "a", SPACE, defaults={"lr": 0.01, "mix": "none"}, manifest={"source": "x", "fingerprint": "f" * 64},
    fold_plan="p" * 64, fold_order=(0, 1, 2), classes=("b", "c"), versions={"python": "3.11.7"},
)  # fmt: skip


def found(first: StudyHeader, *others: StudyHeader, trials: Sequence[int] = ()) -> dict[str, Difference]:
    headers = (first, *others)
    sources = [{name: (digest,) for name, digest in item.sources.items()} for item in headers]
    return {
        item.name: item
        for item in header_differences(headers, trials or [item.space["trials"] for item in headers], sources)
    }


def other(**space: Any) -> StudyHeader:
    return replace(HEADER, name="b", space={**SPACE, **space})


def test_names_places_and_what_is_kept_are_no_difference() -> None:
    same = replace(
        HEADER, name="b", space_name="copy", space_file="b.py", storage="s3://bucket", keep_oof="complete",
        manifest={"source": "elsewhere", "root": "/other", "fingerprint": "f" * 64}, scale="small",
    )  # fmt: skip
    assert not found(HEADER, same)
    assert "nothing that is recorded" in verdict(())


def test_one_range_is_one_thing_and_named_as_a_space_spells_it() -> None:
    params = {"lr": {"kind": "loguniform", "values": [0.001, 0.5]}}
    differ = found(HEADER, other(params=params))
    [only] = differ.values()
    assert only == Difference("parameter lr", ("loguniform(0.001, 0.1)", "loguniform(0.001, 0.5)"))
    assert "one thing, parameter lr" in verdict([only])


def test_a_default_that_is_written_out_is_no_difference_and_another_default_is() -> None:
    written = {**SPACE["params"], "mix": {"kind": "constant", "values": ["none"]}}
    assert not found(HEADER, other(params=written))
    [differs] = found(HEADER, replace(HEADER, defaults={"lr": 0.3, "mix": "cutmix"})).values()
    assert differs == Difference("parameter mix", ("'none'", "'cutmix'"))


def test_what_follows_from_one_change_is_no_further_change() -> None:
    seeded = replace(HEADER, seed=1, fold_plan="q" * 64, fold_order=(2, 1, 0))
    differ = found(HEADER, seeded)
    assert {name: item.follows for name, item in differ.items()} == {
        "seed": "", "folds of rows": "seed", "fold order": "seed",
    }  # fmt: skip
    assert changed(list(differ.values())) == ["seed"]


def test_other_folds_of_the_same_rows_and_seed_are_a_change_of_their_own() -> None:
    [differs] = found(HEADER, replace(HEADER, fold_plan="q" * 64)).values()
    assert differs.follows == ""


def test_several_things_are_counted_and_named() -> None:
    differ = found(HEADER, replace(other(max_t=9), seed=1, sources={"trainables": "abc"}))
    assert changed(list(differ.values())) == ["max_t", "seed", "code of trainables"]
    assert differ["code of trainables"].values == (ABSENT, "abc")
    assert "3 things (max_t, seed, code of trainables)" in verdict(list(differ.values()))


@pytest.mark.parametrize(
    "changes, name",
    [
        ({"rule": "exhaustive"}, "rule"),
        ({"sampler": "tpe"}, "sampler"),
        ({"epoch_choice": "last"}, "epoch choice"),
        ({"label_fixes": {"file": "fixes.csv", "sha256": "d" * 64}}, "label fixes"),
        ({"extra": ({"fingerprint": "e" * 64},)}, "extra rows"),
        ({"tries": ({"lr": 0.5},)}, "tried first"),
        ({"budget": BudgetHeader(fold_epochs=7)}, "budget"),
        ({"versions": {"python": "3.12.1"}}, "version of python"),
        ({"own_code": {"space_file": "s", "module": "m", "digest": "d" * 64}}, "own code"),
        ({"manifest": {"fingerprint": "g" * 64}}, "data"),
    ],
)
def test_whatever_changes_scores_is_a_difference(changes: dict[str, Any], name: str) -> None:
    assert changed(list(found(HEADER, replace(HEADER, **changes)).values())) == [name]


def test_trials_are_those_planned_by_now() -> None:
    assert found(HEADER, HEADER, trials=[8, 16])["trials"].values == ("8", "16")


@pytest.mark.parametrize("changes", [{"metric": "macro_f1"}, {"target": {"kind": "binned", "name": "x"}}])
def test_scores_of_other_things_are_said_not_to_compare(changes: dict[str, Any]) -> None:
    assert "do not compare" in verdict(list(found(HEADER, other(**changes)).values()))


def test_three_studies_have_three_values() -> None:
    [differs] = found(HEADER, HEADER, other(finalists=5)).values()
    assert differs.values == ("2", "2", "5")


def test_a_range_of_a_kind_that_is_unknown_is_shown_as_it_stands() -> None:
    [differs] = found(HEADER, other(params={"lr": {"kind": "normal", "values": [0, 1]}})).values()
    assert '"kind": "normal"' in differs.values[1]
