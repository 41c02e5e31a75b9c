"""Two studies on the same rows: the difference of their trials, or the reason why there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import orchestrator as fo
from orchestrator.core import metrics
from orchestrator.core.errors import NoCompleteTrialError, StudyError
from orchestrator.evaluation.paired import PairedDifference
from orchestrator.study import comparing
from orchestrator.study.comparing import Comparison
from orchestrator.study.predictions import assemble, fold_from_bytes, write_prediction
from tests.support.ensemble_studies import SHADE, TINT, Plan, make_faces, make_study

PLAN = Plan(target=TINT, lrs=(0.003, 0.3), epochs=2, finalists=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies `good` and `poor` on one set of rows, and the set itself, faces.csv."""
    folder = tmp_path_factory.mktemp("compared")
    data = make_faces(folder)
    make(folder / "good", data, PLAN)
    make(folder / "poor", data, replace(PLAN, lrs=(1e-9,)))
    return folder


def make(path: Path, data: Path, plan: Plan) -> fo.Study:
    """With the tables of out-of-fold predictions that a driver writes."""
    study = fo.Study(make_study(path, data, plan))
    manifest, folds, store = study.manifest(), study.fold_plan().folds, study.store()
    labels = study.space.target.encode(manifest.frame)
    for trial in study.complete_trials():
        parts = {best.fold: fold_from_bytes(store.get(best.oof)) for best in trial.bests}
        study.files.oof(trial.number).parent.mkdir(exist_ok=True)
        write_prediction(
            study.files.oof(trial.number),
            assemble(parts, labels, folds),
            manifest.frame["path"].tolist(),
            study.space.target.classes,
        )
    return study


def test_the_difference_is_that_of_the_best_trials_out_of_fold(folder: Path) -> None:
    found = fo.compare(folder / "poor", str(folder / "good"))
    scores = []
    for name, trial in zip(("poor", "good"), found.trials, strict=True):
        study = fo.Study(folder / name)
        assert trial == study.complete_trials()[0].number
        oof = study.oof(trial)
        scores.append(metrics.score("macro_f1", oof.labels, oof.probabilities))
    assert (found.difference.first, found.difference.second) == pytest.approx(tuple(scores))
    assert found.difference.low > 0 and found.verdict == f"good trial {found.trials[1]} is better"
    assert (found.difference.n_rows, found.difference.n_groups) == (72, 36)


def test_a_study_compares_itself_and_the_same_seed_gives_the_same_interval(folder: Path) -> None:
    found = fo.Study(folder / "poor").compare(fo.Study(folder / "good"))
    assert found == fo.compare(folder / "poor", folder / "good")
    single = [fo.compare(folder / "poor", folder / "good", seed=seed, repeats=1) for seed in range(5)]
    assert len({item.difference.low for item in single}) > 1


def test_any_two_complete_trials_can_be_compared(folder: Path) -> None:
    found = fo.compare(folder / "good", folder / "good", trials=(1, 0))
    assert found.trials == (1, 0) and found.difference.second > found.difference.first
    with pytest.raises(StudyError, match="trial 7 is not complete; complete are 0, 1"):
        fo.compare(folder / "good", folder / "good", trials=(7, None))


def test_rows_in_another_order_are_paired_by_their_path(folder: Path, tmp_path: Path) -> None:
    """Rows that are trained on alone give the others new numbers."""
    frame = pd.read_csv(folder / "faces.csv")
    extra = frame.iloc[:2].assign(path=["a-first.png", "b-first.png"], group="extra", role="extra")
    for name in extra["path"]:
        (folder / name).write_bytes((folder / "p00-0.png").read_bytes())
    pd.concat([extra, frame.assign(role="train")]).to_csv(folder / "more.csv", index=False)
    more = make(tmp_path / "more", folder / "more.csv", PLAN)
    assert more.oof(0).rows[0] == 2
    good = fo.Study(folder / "good")
    same = np.array_equal(good.fold_plan().folds, more.fold_plan().folds[2:])
    if same:
        assert fo.compare(good, more).difference.n_rows == 72
    else:
        with pytest.raises(StudyError, match="different folds"):
            fo.compare(good, more)


@pytest.mark.parametrize(
    "plan, rows, words",
    [
        (replace(PLAN, seed=5), 72, "have different folds; run both with the same folds, seed"),
        (replace(PLAN, target=SHADE), 72, "have different classes; compare studies of one target"),
        (PLAN, 66, r"validated different rows \(6 are in one of them alone, such as p3"),
    ],
)
def test_studies_that_differ_in_more_than_their_models_are_refused(
    plan: Plan, rows: int, words: str, folder: Path, tmp_path: Path
) -> None:
    pd.read_csv(folder / "faces.csv").iloc[:rows].to_csv(folder / f"first-{rows}.csv", index=False)
    other = make(tmp_path / "other", folder / f"first-{rows}.csv", plan)
    with pytest.raises(StudyError, match=words) as caught:
        fo.compare(folder / "good", other)
    assert "\n" not in str(caught.value)


def test_other_labels_or_groups_of_the_same_images_are_refused(folder: Path, tmp_path: Path) -> None:
    good = fo.Study(folder / "good")
    rows = comparing.scored_rows(good, 0)
    other = replace(rows, labels=1 - rows.labels)
    with pytest.raises(StudyError, match="different labels; run both with the same label fixes"):
        comparing.refuse_unequal(rows, other)
    with pytest.raises(StudyError, match="different groups"):
        comparing.refuse_unequal(rows, replace(rows, groups=rows.paths))


def test_a_study_without_a_complete_trial_has_nothing_to_compare(folder: Path, tmp_path: Path) -> None:
    begun = make_study(tmp_path / "begun", folder / "faces.csv", replace(PLAN, complete=False))
    with pytest.raises(NoCompleteTrialError, match="no complete trial to compare"):
        fo.compare(folder / "good", begun)


def comparison(low: float, high: float, mode: str, name: str = "b") -> Comparison:
    found = PairedDifference(0.5, 0.6, low, high, 0.95, "macro_f1", 10, 5)
    return Comparison(Path("runs/a"), Path("runs") / name, (3, 4), found, mode)


@pytest.mark.parametrize(
    "low, high, mode, verdict",
    [
        (0.01, 0.2, "max", "b trial 4 is better"),
        (-0.2, -0.01, "max", "a trial 3 is better"),
        (0.01, 0.2, "min", "a trial 3 is better"),
        (-0.2, -0.01, "min", "b trial 4 is better"),
        (-0.1, 0.1, "max", "undecided: the interval holds zero"),
    ],
)
def test_the_verdict_follows_from_the_interval_and_the_metric(
    low: float, high: float, mode: str, verdict: str
) -> None:
    assert comparison(low, high, mode).verdict == verdict


def test_text_and_html_say_both_scores_and_the_interval_and_escape_names() -> None:
    found = comparison(-0.1, 0.1, "max", name="<b>")
    assert str(found) == (
        "<b> trial 4 minus a trial 3: +0.1000 macro_f1 (95% interval -0.1000 to +0.1000, 10 rows of 5 "
        "groups); undecided: the interval holds zero"
    )
    page = found._repr_html_()
    assert "&lt;b&gt; trial 4" in page and "<b>" not in page and "0.5000" in page and "+0.1000" in page
