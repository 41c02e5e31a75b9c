"""Studies before and after labels were corrected: only rows whose label both agree on are scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.core import metrics
from orchestrator.core.errors import StudyError
from orchestrator.study.agreed import compare_agreed
from orchestrator.study.study import Study
from tests.study.test_comparing import PLAN, make
from tests.support.ensemble_studies import SHADE, TINT, make_faces
from tests.support.leaning import make_leaning

NOISY = [0, 1, 20, 21, 33, 50, 51, 70]  # rows whose label is wrong


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`before`, on labels some of which are wrong; `after`, on all labels as its models would have them."""
    folder = tmp_path_factory.mktemp("fixed")
    frame = pd.read_csv(make_faces(folder))
    frame.loc[NOISY, "tint"] = frame.loc[NOISY, "tint"].map({"red": "blue", "blue": "red"})
    frame.to_csv(folder / "noisy.csv", index=False)
    before = make_leaning(folder / "before", folder / "noisy.csv", PLAN, folder / "faces.csv")
    said = before.oof(before.complete_trials()[0].number).probabilities.argmax(axis=1)
    frame["tint"] = [TINT.classes[label] for label in said]
    frame.to_csv(folder / "relabelled.csv", index=False)
    make_leaning(folder / "after", folder / "relabelled.csv", PLAN, folder / "faces.csv", draw=1)
    return folder


def own_score(study: Study) -> float:
    oof = study.oof(study.complete_trials()[0].number)
    return metrics.score("macro_f1", oof.labels, oof.probabilities)


def test_relabelling_every_suspect_to_what_models_say_is_no_gain(folder: Path) -> None:
    """By its own labels the second study is far better; on rows that were not touched it is not."""
    before, after = Study(folder / "before"), Study(folder / "after")
    found = compare_agreed(before, after)
    changed = (
        pd.read_csv(folder / "noisy.csv")["tint"] != pd.read_csv(folder / "relabelled.csv")["tint"]
    ).sum()
    assert found.changed == changed > 4 and found.comparison.difference.n_rows == 72 - changed
    assert own_score(after) - own_score(before) > 0.05
    assert found.own_scores == pytest.approx((own_score(before), own_score(after)))
    assert found.comparison.difference.difference <= 0.01
    assert sum(found.transitions.values()) == changed


def test_predictions_that_stay_the_same_gain_exactly_nothing(folder: Path, tmp_path: Path) -> None:
    """The strictest form: nothing but labels differs, each changed to the prediction."""
    before = Study(folder / "before")
    trial = before.complete_trials()[0].number
    after = make_leaning(tmp_path / "same", folder / "relabelled.csv", PLAN, folder / "faces.csv")
    assert np.array_equal(before.oof(trial).probabilities, after.oof(trial).probabilities)
    found = compare_agreed(before, after, trials=(trial, trial))
    assert found.own_scores[1] == 1.0 > found.own_scores[0]
    assert found.comparison.difference.difference == 0 and found.comparison.difference.first == 1.0


def test_rows_in_one_study_alone_and_other_folds_are_told(folder: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(folder / "faces.csv").iloc[:66]
    frame.to_csv(folder / "fewer.csv", index=False)
    after = make(tmp_path / "fewer", folder / "fewer.csv", replace(PLAN, seed=7))
    found = compare_agreed(Study(folder / "before"), after)
    assert found.alone == (6, 0) and found.changed == sum(row < 66 for row in NOISY)
    said = "\n".join(found.lines())
    assert "rows in one study alone count nowhere either: 6 and 0" in said
    assert "note: the folds differ, so chance in them is part of the difference" in said
    assert f"{found.changed} rows changed label and count nowhere" in said and "red -> blue: " in said
    assert found.predicts_new[1] > 0.5


def test_studies_of_other_targets_or_without_one_common_label_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    other = make(tmp_path / "shade", folder / "faces.csv", replace(PLAN, target=SHADE))
    with pytest.raises(StudyError, match="have different classes"):
        compare_agreed(Study(folder / "before"), other)
    frame = pd.read_csv(folder / "noisy.csv")
    frame["tint"] = frame["tint"].map({"red": "blue", "blue": "red"})
    frame.to_csv(folder / "swapped.csv", index=False)
    with pytest.raises(StudyError, match="agree on the label of no row"):
        compare_agreed(Study(folder / "before"), make(tmp_path / "swapped", folder / "swapped.csv", PLAN))


def test_a_study_compared_with_itself_has_changed_nothing(folder: Path) -> None:
    found = compare_agreed(Study(folder / "before"), Study(folder / "before"))
    assert found.changed == 0 and np.isnan(found.predicts_new[0]) and len(found.lines()) == 2
