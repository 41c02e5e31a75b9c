"""All checks over whole studies: planted faults are found, clean and strange studies are left in peace."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import CODES, OF_STUDIES
from orchestrator.core.metrics import score
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.evaluation.calibration import Temperature, equal_mass_ece
from orchestrator.evaluation.decisions import Decisions
from orchestrator.pages.figures import IntervalChart
from orchestrator.report.answers import judged_answers
from orchestrator.report.member_differences import member_differences
from orchestrator.snapshot import take_snapshot
from orchestrator.study_checks import calibration
from orchestrator.study_checks.calibration import Miscalibration
from orchestrator.study_checks.checks import CHECKS, NOT_LOOKED_AT, check_study
from orchestrator.study_checks.fitted_baseline import FittedBaseline
from orchestrator.study_checks.material import Material
from tests.support.drawn_study import STATES, draw_study
from tests.support.drawn_world import DrawnWorld

Draw = Callable[..., Path]


def found_of(path: Path, **given: Any) -> dict[str, Finding]:
    """By code; of one with several findings the most severe."""
    found = check_study(take_snapshot(path), seed=0, **given)
    return {item.code: item for item in reversed(found)}


def told_of(path: Path, **given: Any) -> dict[str, Finding]:
    return {code: item for code, item in found_of(path, **given).items() if item.level is not Level.OK}


def test_every_check_has_a_number_of_its_own_and_every_number_a_check() -> None:
    codes = [check.code for check in CHECKS]
    assert sorted(codes) == [item.code for item in OF_STUDIES] and len(codes) >= 15


# ---- clean studies --------------------------------------------------------------------------------


def test_twenty_clean_studies_are_warned_of_nothing(tmp_path: Path) -> None:
    """Of other seeds than the limits were looked at with; notes of small leads are no alarm."""
    alarms = []
    for seed in range(20):
        path = draw_study(tmp_path / f"s{seed}", seed=seed, probabilities=False)
        found = check_study(take_snapshot(path), seed=seed)
        alarms += [(seed, item) for item in found if item.level in (Level.WARNING, Level.BLOCKS)]
    assert not alarms


# ---- planted faults -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "code", "level", "more"),
    [
        ("edge", "FO001", Level.WARNING, {"trials": 40, "seed": 1}),
        ("bad_fold", "FO002", Level.WARNING, {"seed": 4}),
        ("weak", "FO003", Level.WARNING, {"seed": 5}),
        ("luck", "FO004", Level.NOTE, {"seed": 3}),
        ("rare_class", "FO007", Level.WARNING, {}),
        ("leak", "FO009", Level.BLOCKS, {}),
        ("rising", "FO010", Level.WARNING, {"seed": 8}),
        ("failures", "FO011", Level.WARNING, {}),
        ("uncalibrated", "FO012", Level.WARNING, {}),
    ],
)
def test_a_planted_fault_is_found(
    tmp_path: Path, fault: str, code: str, level: Level, more: dict[str, Any]
) -> None:
    found = told_of(draw_study(tmp_path / "a", fault=fault, probabilities=False, **more))
    assert found[code].level is level
    assert found[code].topic == CODES[code].title and found[code].way_out


@pytest.mark.parametrize("alike", [False, True], ids=["rows", "groups"])
def test_the_best_of_many_trials_that_know_nothing_is_no_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alike: bool
) -> None:
    """Trial and epochs are chosen by the rows that score them; groups may be answered alike as well."""

    def guessed(self: DrawnWorld, _: object, trial: int, fold: int, epoch: int, rows: Any) -> Any:
        rng = np.random.default_rng([self.seed, trial, fold, epoch])
        drawn = np.exp(rng.normal(size=(len(self.labels), self.classes)))
        made = drawn[self.codes[rows] if alike else rows]
        return (made / made.sum(axis=1, keepdims=True)).astype(np.float32)

    monkeypatch.setattr(DrawnWorld, "answer", guessed)
    path = draw_study(tmp_path / "a", trials=30, max_t=8, seed=1, probabilities=False)
    found = told_of(path)["FO003"]
    assert found.level is Level.WARNING and "best of 30" in found.found


def test_the_evidence_names_trials_and_rows(tmp_path: Path) -> None:
    leak = told_of(draw_study(tmp_path / "a", fault="leak", probabilities=False))["FO009"]
    assert len(leak.pairs) > 5
    failed = told_of(draw_study(tmp_path / "b", fault="failures", probabilities=False))["FO011"]
    assert len(failed.trials) >= 3 and "--retry-failed" in failed.way_out
    rare = told_of(draw_study(tmp_path / "c", fault="rare_class", probabilities=False))["FO007"]
    study = take_snapshot(tmp_path / "c")
    assert study.manifest is not None
    assert set(study.manifest.frame["label"].iloc[list(rare.rows)]) == {"blue"}


def test_a_baseline_that_is_as_good_is_told_with_its_name(tmp_path: Path) -> None:
    path = draw_study(tmp_path / "a", probabilities=False)
    snapshot = take_snapshot(path)
    assert snapshot.best is not None
    best = snapshot.oof(snapshot.best.number)
    assert best is not None
    good = FittedBaseline("a baseline that knows it all", best.rows, np.eye(3, dtype=np.float32)[best.labels])
    found = told_of(path, baseline=good)["FO003"]
    assert found.level is Level.WARNING and good.name in found.found
    poor = FittedBaseline("a poor one", best.rows[::2], np.full((len(best.rows[::2]), 3), 1 / 3, np.float32))
    assert found_of(path, baseline=poor)["FO003"].level is Level.OK
    none = FittedBaseline("of other rows", best.rows[:0], np.zeros((0, 3), np.float32))
    assert found_of(path, baseline=none)["FO003"].found.startswith(NOT_LOOKED_AT)


def test_rows_alone_in_their_groups_are_told_if_their_names_say_who_belongs_together(tmp_path: Path) -> None:
    # Labels are dealt in turn, so that the rows of a patient have one.
    names = [f"patient_{row // 12 * 3 + row % 3:03d}_{row // 3 % 4}.png" for row in range(120)]
    path = draw_study(tmp_path / "a", rows=120, rows_per_group=1, paths=names, probabilities=False)
    found = told_of(path)["FO008"]
    assert found.level is Level.WARNING and "patient" in found.found
    plain = draw_study(tmp_path / "b", rows=120, rows_per_group=1, probabilities=False)
    assert found_of(plain)["FO008"].level is Level.OK  # one picture of each thing has no groups by nature


# ---- what an ensemble and a check wrote -----------------------------------------------------------


@pytest.fixture(scope="module")
def with_ensemble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("checks")
    path = draw_study(runs / "a", images=True, seed=4)
    assert ensemble(["--study", str(path), "--runs", str(runs), "--vote", "soft"]) == 0
    return path


def rewritten(study: Path, to: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy whose ensemble says something else of itself."""
    shutil.copytree(study, to)
    (record,) = to.glob("*/ensemble.json")
    said = json.loads(record.read_text())
    del said["digest"]
    change(said)
    record.write_text(json.dumps(said))
    return to


def test_a_clean_study_with_its_ensemble_is_warned_of_nothing(with_ensemble: Path) -> None:
    found = found_of(with_ensemble)
    assert not [item for item in found.values() if item.level in (Level.WARNING, Level.BLOCKS)]
    for code in ("FO005", "FO006", "FO012"):
        assert not found[code].found.startswith(NOT_LOOKED_AT)


def estimate(said: dict[str, Any], key: str) -> dict[str, Any]:
    (found,) = [item for item in said["estimates"] if item["key"] == key]
    return dict(found)


def test_a_score_that_falls_once_choices_count_is_told(with_ensemble: Path, tmp_path: Path) -> None:
    def fall(said: dict[str, Any]) -> None:
        for item in said["estimates"]:
            if item["key"] != "naive":
                item |= {
                    name: item[name] - 0.3 for name in ("score", "low", "high") if item[name] is not None
                }

    assert found_of(with_ensemble)["FO006"].level is Level.OK
    assert told_of(rewritten(with_ensemble, tmp_path / "a", fall))["FO006"].level is Level.WARNING


def test_untouched_rows_that_score_far_worse_are_told_and_a_little_worse_not(
    with_ensemble: Path, tmp_path: Path
) -> None:
    def untouched(by: float) -> Callable[[dict[str, Any]], None]:
        def change(said: dict[str, Any]) -> None:
            made = estimate(said, "bbc") | {"key": "untouched"}
            made |= {name: made[name] - by for name in ("score", "low", "high")}
            said["estimates"].append(made)

        return change

    assert "FO014" not in told_of(rewritten(with_ensemble, tmp_path / "a", untouched(0.02)))
    found = told_of(rewritten(with_ensemble, tmp_path / "b", untouched(0.4)))["FO014"]
    assert found.level is Level.WARNING and "standard errors" in found.found


def test_a_vote_that_loses_to_a_member_is_told(with_ensemble: Path, tmp_path: Path) -> None:
    def lose(said: dict[str, Any]) -> None:
        said["metrics"][said["metric"]]["mean"] -= 0.3

    assert "FO005" not in told_of(with_ensemble)
    fine = found_of(with_ensemble)
    assert "paired standard errors better" in fine["FO005"].found
    assert "+" in fine["FO018"].found and fine["FO018"].found.endswith("standard errors better")
    found = told_of(rewritten(with_ensemble, tmp_path / "a", lose))["FO005"]
    assert found.level is Level.WARNING and len(found.trials) == 1


@pytest.mark.parametrize(
    ("vote", "way_out"),
    [
        ("soft", "python -m orchestrator.ensemble --vote auto chooses between them on rows not fitted to"),
        ("auto", "keep the vote: --vote auto compared the two on rows that neither was fitted to: "),
    ],
)
def test_a_choice_that_was_made_already_is_no_way_out(
    with_ensemble: Path, tmp_path: Path, vote: str, way_out: str
) -> None:
    def lose(said: dict[str, Any]) -> None:
        said["metrics"][said["metric"]]["mean"] -= 0.3
        said["choice"]["options"]["vote"] = vote

    found = told_of(rewritten(with_ensemble, tmp_path / "a", lose))
    assert found["FO005"].way_out.startswith(way_out)
    assert "FO004" not in found or "the ensemble has weighed them" in found["FO004"].way_out


@pytest.mark.parametrize(
    ("calibrate", "told"),
    [
        ("none", "do not read its probabilities as shares; --calibrate auto tries a temperature; label"),
        ("auto", "do not read its probabilities as shares, a temperature was tried already; label"),
    ],
)
def test_a_temperature_that_was_tried_already_is_no_way_out(
    with_ensemble: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calibrate: str, told: str
) -> None:
    def asked(said: dict[str, Any]) -> None:
        said["choice"]["options"]["calibrate"] = calibrate

    monkeypatch.setattr(calibration, "miscalibration", lambda *_: Miscalibration(0.4, 0.1, 0.2, 0.3))
    found = told_of(rewritten(with_ensemble, tmp_path / "a", asked))
    assert found["FO012"].way_out.startswith(told)


def test_a_shift_that_a_check_of_the_same_data_found_is_told_and_of_others_not(
    with_ensemble: Path, tmp_path: Path
) -> None:
    shutil.copytree(with_ensemble, tmp_path / "a")
    header = take_snapshot(tmp_path / "a").header.manifest
    finding = {"code": "FO151", "found": "rows to predict differ: AUC 0.9", "way_out": "hold out a camera"}
    record = {
        "data": {"source": header["source"], "root": header["root"], "rows": {"train": 9, "test": 9}},
        "findings": [finding],
    }
    file = tmp_path / "check-a" / "check.json"
    file.parent.mkdir()
    file.write_text(json.dumps(record))
    assert "AUC 0.9" in told_of(tmp_path / "a")["FO013"].found
    file.write_text(json.dumps(record | {"findings": []}))
    assert found_of(tmp_path / "a")["FO013"].level is Level.OK
    for other in ({**record, "data": {**record["data"], "source": "elsewhere"}}, {}, [], "{"):
        file.write_text(other if isinstance(other, str) else json.dumps(other))
        assert found_of(tmp_path / "a")["FO013"].found.startswith(NOT_LOOKED_AT)


def test_compared_studies_that_differ_in_two_things_are_told(tmp_path: Path) -> None:
    first = draw_study(tmp_path / "a", probabilities=False)
    other = draw_study(tmp_path / "b", probabilities=False, folds=4, max_t=3)
    same = draw_study(tmp_path / "c", probabilities=False)
    found = told_of(first, others=[take_snapshot(other)])["FO015"]
    assert found.level is Level.WARNING and "folds" in found.found and "max_t" in found.found
    assert "FO015" not in told_of(first, others=[take_snapshot(same)])


def words_after(command: str, text: str) -> list[str]:
    """Of a command in a sentence, as a shell reads it."""
    return shlex.split(text.partition(command)[2].replace(")", " ").replace(",", " "))


def test_commands_to_paste_name_studies_by_their_folders_as_a_shell_reads_them(
    tmp_path: Path,
) -> None:
    first = draw_study(tmp_path / "two words", probabilities=False, fault="luck", seed=3)
    other = draw_study(tmp_path / "b; reboot", probabilities=False, folds=4, max_t=3)
    found = told_of(first, others=[take_snapshot(other)])
    said = words_after("orchestrator.studies compare", found["FO015"].way_out)
    assert said[:2] == [str(first), str(other)]
    assert words_after("--study", found["FO004"].way_out)[0] == str(first)


# ---- strange studies ------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("gone", ["", "manifest.parquet", "folds.parquet", "oof"])
def test_a_strange_study_gives_a_line_for_every_check(tmp_path: Path, state: str, gone: str) -> None:
    path = draw_study(tmp_path / "a", trials=5, state=state, probabilities=False)  # its images are gone too
    if gone:
        target = path / gone
        shutil.rmtree(target, ignore_errors=True)
        target.unlink(missing_ok=True)
    found = check_study(take_snapshot(path), seed=0)
    assert {item.code for item in found} == {item.code for item in OF_STUDIES}
    assert all(item.found for item in found)


@pytest.mark.parametrize(
    "given",
    [
        {"trials": 1},
        {"folds": 2, "rows": 40},
        {"max_t": 1},
        {"classes": 2, "metric": "roc_auc"},
        {"rows_per_group": 1},
        {"classes": ["a\x1b[31m", "<b>", "=1+1"]},
    ],
)
def test_small_and_odd_studies_raise_nothing(tmp_path: Path, given: dict[str, Any]) -> None:
    found = check_study(take_snapshot(draw_study(tmp_path / "a", probabilities=False, **given)), seed=0)
    assert {item.code for item in found} == {item.code for item in OF_STUDIES}


def test_what_was_found_is_sorted_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    path = draw_study(tmp_path / "a", fault="leak", probabilities=False)
    found = check_study(take_snapshot(path), seed=1)
    order = [Level.BLOCKS, Level.WARNING, Level.NOTE, Level.OK]
    levels = [order.index(item.level) for item in found]
    assert levels == sorted(levels) and levels[0] == 0
    assert found == check_study(take_snapshot(path), seed=1)


def test_an_ensembles_temperature_and_decisions_are_judged_on_folds_that_they_were_not_fitted_to(
    with_ensemble: Path, tmp_path: Path
) -> None:
    def warm(said: dict[str, Any]) -> None:
        said["temperature"] = Temperature(2.5).to_json()
        said["decisions"] = Decisions("offsets", (0.0, 0.4, -0.4)).to_json()

    path = rewritten(with_ensemble, tmp_path / "a", warm)
    answers = judged_answers(take_snapshot(path))
    assert answers is not None
    ece = equal_mass_ece(answers.labels, answers.probabilities, np.ones(len(answers.labels)))
    found = found_of(path)
    assert f"the ensemble: expected calibration error {ece:.3f}" in found["FO012"].found
    assert "weights and its decisions were fitted to these rows" in found["FO005"].found
    material = Material(take_snapshot(path), 0)
    assert (material.ensemble_refitted[1] == answers.decided).all()
    [chart] = [
        item
        for item in member_differences(take_snapshot(path), material.record, answers, 0)
        if isinstance(item, IntervalChart)
    ]
    member = material.snapshot.oof(chart.intervals[0].trial or 0)
    assert member is not None
    gain = score("macro_f1", answers.labels, answers.decided) - score(
        "macro_f1", member.labels, member.probabilities
    )
    assert chart.intervals[0].value == pytest.approx(gain)
