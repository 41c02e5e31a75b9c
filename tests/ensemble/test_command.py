"""python -m orchestrator.ensemble: what it writes, prints, predicts and refuses."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.demo import faces as demo_faces
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.__main__ import main
from orchestrator.study.study import Study
from tests.support.ensemble_command import UNIFORM, build
from tests.support.ensemble_studies import BOTH, Plan, make_study

# ---- the folder it writes -------------------------------------------------------------------------


def test_other_views_than_the_validated_ones_are_said_in_one_line(
    flipped: Path, tmp_path: Path, evaluation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "e"
    build(flipped, "--out", str(folder), "--tta", "none")
    note = "note: predictions are made with tta none; the out-of-fold scores were obtained with tta flip"
    assert capsys.readouterr().out.count(note) == 1
    assert main(["--ensemble", str(folder), "--predict", str(evaluation)]) == 0
    assert note in capsys.readouterr().out
    assert main(["--ensemble", str(folder), "--predict", str(evaluation), "--tta", "flip"]) == 0
    assert "note:" not in capsys.readouterr().out


def test_a_folder_that_exists_is_never_written_to(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (runs / "taken").mkdir()
    assert main(["--runs", str(runs), "--study", "both", "--out", str(runs / "taken")]) == 2
    assert "exists" in capsys.readouterr().err
    assert not list((runs / "taken").iterdir())


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (runs / "file").write_text("")
    assert main(["--runs", str(runs), "--study", "both", "--out", str(runs / "file" / "e")]) == 2
    captured = capsys.readouterr()
    assert f"cannot write {runs / 'file' / 'e'}: " in captured.err
    assert "members:" not in captured.out
    assert sorted(path.name for path in runs.iterdir()) == ["both", "file", "shade", "tint"]
    build(runs, "--out", str(runs / "new" / "deep" / "e"))
    assert Ensemble.load(runs / "new" / "deep" / "e").models()


def test_a_missing_checkpoint_leaves_no_half_written_folder(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = Study(runs / "both")
    study.store().delete(study.complete_trials()[1].bests[2].weights)
    assert main(["--runs", str(runs), "--study", "both", "--out", str(runs / "out"), *UNIFORM]) == 2
    assert "missing" in capsys.readouterr().err
    assert sorted(path.name for path in runs.iterdir()) == ["both", "shade", "tint"]


# ---- predictions and submissions ------------------------------------------------------------------


def test_a_submission_has_every_image_once_in_the_templates_order(
    runs: Path, evaluation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = runs / "submission.csv"
    folder = build(runs, "--predict", str(evaluation), "--submission", str(file))
    template = pd.read_csv(evaluation / "info.csv")
    written = pd.read_csv(file)
    assert list(written.columns) == ["ImageID", "ans"]
    assert written["ImageID"].tolist() == template["ImageID"].tolist()
    paths = [str(evaluation / "images" / name) for name in template["ImageID"]]
    probabilities = Ensemble.load(folder).predict(paths)
    assert written["ans"].tolist() == probabilities.argmax(axis=1).tolist()
    table = pd.read_parquet(next(folder.glob("predictions-*.parquet")))
    assert table["ImageID"].tolist() == template["ImageID"].tolist()
    assert table["predicted_index"].tolist() == written["ans"].tolist()
    assert table["predicted"].tolist() == [BOTH.classes[index] for index in written["ans"]]
    assert np.allclose(table[[f"p_{name}" for name in BOTH.classes]], probabilities)
    assert f"red/dark {(written['ans'] == 0).sum()}, " in capsys.readouterr().out


def test_an_ensemble_that_exists_predicts_again_without_replacing_earlier_predictions(
    runs: Path, evaluation: Path
) -> None:
    folder = build(runs)
    for _ in range(2):
        assert main(["--ensemble", str(folder), "--predict", str(evaluation)]) == 0
    first, second = sorted(folder.glob("predictions-*.parquet"))
    assert pd.read_parquet(first).equals(pd.read_parquet(second))


def test_predicting_the_training_rows_is_done_with_a_warning(
    runs: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = build(runs)
    assert main(["--ensemble", str(folder), "--predict", str(data)]) == 0
    said = capsys.readouterr().out
    assert "all 72 rows" in said and "look better than they are" in said


def test_the_demo_faces_can_be_predicted_by_name(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = partial(demo_faces.make_demo_faces, people=40, eval_people=3)
    monkeypatch.setattr(demo_faces, "make_demo_faces", few)
    folder = build(runs, "--top", "1", "--predict", "demo", "--submission", str(runs / "demo.csv"))
    written = pd.read_csv(runs / "demo.csv")
    assert (
        len(written) == written["ImageID"].nunique() == len(pd.read_parquet(next(folder.glob("p*.parquet"))))
    )
    assert len(written) == 3 * 7
    assert "with role test" in capsys.readouterr().out


def test_only_rows_with_role_test_are_predicted_where_there_are_any(
    runs: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(data)
    table["role"] = ["test" if group == "p03" else "train" for group in table["group"]]
    source = data.with_name("with_test.csv")
    table.to_csv(source, index=False)
    folder = build(runs, "--predict", str(source))
    assert "the 2 rows of with_test with role test" in capsys.readouterr().out
    assert len(pd.read_parquet(next(folder.glob("predictions-*.parquet")))) == 2


def test_an_existing_submission_is_refused_before_any_work(
    runs: Path, evaluation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = runs / "submission.csv"
    file.write_text("mine")
    arguments = [
        "--runs",
        str(runs),
        "--study",
        "both",
        "--predict",
        str(evaluation),
        "--submission",
        str(file),
    ]
    assert main(arguments) == 2
    assert "exists" in capsys.readouterr().err
    assert file.read_text() == "mine"
    assert not list((runs / "both").glob("ensemble-*"))


# ---- arguments and exit codes ---------------------------------------------------------------------


def test_without_a_study_the_newest_is_taken_and_named_first(
    runs: Path, evaluation: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--runs", str(runs), "--predict", str(evaluation)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith(f"study: {runs / 'shade'} (the newest")
    (folder,) = (runs / "shade").glob("ensemble-*")
    assert f"ensemble: {folder}" in said
    assert "BBC-CV macro_f1: " in said and "OOF macro_f1: " in said


def test_a_study_that_was_stopped_early_is_voted_over_by_what_it_has_and_says_so(
    tmp_path: Path, data: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(tmp_path / "early", data, Plan(done=2))
    assert main(["--runs", str(tmp_path), "--study", "early"]) == 0
    assert "no complete trial yet" in caplog.text
    printed = capsys.readouterr().out
    assert "ensemble: " in printed and "candidates: 3 unfinished trials x 3 folds" in printed


def test_a_study_without_a_complete_trial_exits_with_1(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(tmp_path / "half", data, Plan(complete=False))
    assert main(["--runs", str(tmp_path), "--study", "half"]) == 1
    assert "no complete trial" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--study", "nowhere"], "no study"),
        (["--submission", "s.csv"], "needs --predict"),
        (["--ensemble", "e"], "needs --predict"),
        (["--ensemble", "e", "--predict", "x", "--top", "2"], "--top: an ensemble that exists"),
        (["--template", "t.csv"], "--template needs --submission"),
        (["--as", "labels"], "--as needs --submission"),
        (["--study", "both", "--predict", "no/*.jpg"], "matches no file"),
        (["--study", "both", "--predict", "no/such/folder"], "no/such/folder"),
    ],
)
def test_wrong_input_is_a_line_on_stderr_and_exit_code_2(
    runs: Path, data: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    given = [str(data) if item == "FACES" else item for item in arguments]
    assert main(["--runs", str(runs), *given]) == 2
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error
    assert not list((runs / "both").glob("ensemble-*"))


def test_an_empty_runs_folder_says_what_to_do_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--runs", str(tmp_path)]) == 2
    assert "orchestrator.tune" in capsys.readouterr().err


def test_ctrl_c_exits_with_130_and_leaves_nothing_half_written(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator import storage

    kept, found = storage.DirectoryStore.file_of, []

    def interrupted(self: storage.DirectoryStore, name: str) -> Path | None:
        if found:
            raise KeyboardInterrupt
        found.append(name)
        return kept(self, name)

    monkeypatch.setattr(storage.DirectoryStore, "file_of", interrupted)
    assert main(["--runs", str(runs), "--study", "both", "--out", str(runs / "out")]) == 130
    assert sorted(path.name for path in runs.iterdir()) == ["both", "shade", "tint"]
