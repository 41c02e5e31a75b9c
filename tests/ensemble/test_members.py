"""Which studies and trials make an ensemble, and which do not belong together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.data.extra_rows import add_extra, load_extra
from orchestrator.data.manifest import load_manifest
from orchestrator.data.targets import categorical
from orchestrator.ensemble import Ensemble
from orchestrator.ensemble.__main__ import main
from orchestrator.ensemble.members import gather
from orchestrator.study.predictions import read_prediction
from orchestrator.study.study import Study
from tests.pixel_trainable import PixelTrainable
from tests.support.ensemble_command import build
from tests.support.ensemble_studies import BOTH, SHADE, TINT, Plan, draw, make_faces, make_study


def test_members_are_all_fold_models_of_the_best_complete_trials(runs: Path) -> None:
    complete = Study(runs / "both").complete_trials()
    assert len(complete) == 3
    (part,) = Ensemble.load(build(runs)).components
    assert [member.trial for member in part.members] == [trial.number for trial in complete[:2]]
    assert all([model.fold for model in member.models] == [0, 1, 2] for member in part.members)
    assert part.members[0].models[1].epoch == complete[0].bests[1].epoch


def test_top_chooses_how_many_and_refuses_more_than_there_are(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(Ensemble.load(build(runs, "--top", "1")).models()) == 3
    assert main(["--runs", str(runs), "--study", "both", "--top", "4"]) == 2
    assert "has 3 complete trials" in capsys.readouterr().err


def test_studies_that_do_not_make_up_the_joint_label_are_refused_by_name(runs: Path, data: Path) -> None:
    with pytest.raises(EnsembleError, match="both says no joint target"):
        gather([runs / "both", runs / "tint"], None)
    with pytest.raises(EnsembleError, match="both have the target 'tint'"):
        gather([runs / "tint", runs / "tint"], None)
    other = categorical("tint", ["blue", "red"], name="hue")
    make_study(runs / "hue", data, Plan(target=other, joint=True, lrs=(0.5,)))
    with pytest.raises(EnsembleError, match="target 'hue', which is no part"):
        gather([runs / "tint", runs / "shade", runs / "hue"], None)
    with pytest.raises(EnsembleError, match=r"hue.*no part"):
        gather([runs / "tint", runs / "hue"], None)


def test_a_joint_that_lacks_a_part_says_which(
    runs: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestrator.data.targets import joint
    from tests.support import ensemble_studies

    three = joint(TINT, SHADE, categorical("group", ["a", "b"]))
    monkeypatch.setattr(ensemble_studies, "BOTH", three)
    monkeypatch.setattr(ensemble_studies, "build_fold_plan", lambda *_: Study(runs / "tint").fold_plan())
    for name, target in (("tint3", TINT), ("shade3", SHADE)):
        make_study(runs / name, data, Plan(target=target, joint=True, lrs=(0.5,)))
    with pytest.raises(EnsembleError, match="lacks a study of group"):
        gather([runs / "tint3", runs / "shade3"], None)


def test_a_joint_of_other_rows_or_other_folds_is_refused(runs: Path, data: Path, tmp_path: Path) -> None:
    make_study(runs / "reseeded", data, Plan(target=SHADE, joint=True, lrs=(0.5,), seed=5))
    with pytest.raises(EnsembleError, match="different folds"):
        gather([runs / "tint", runs / "reseeded"], None)
    (tmp_path / "fewer").mkdir()
    fewer = make_faces(tmp_path / "fewer")
    fewer.write_text("\n".join(fewer.read_text().splitlines()[:-2]) + "\n")
    make_study(runs / "fewer", fewer, Plan(target=SHADE, joint=True, lrs=(0.5,)))
    with pytest.raises(EnsembleError, match=r"different train rows .column 'path'"):
        gather([runs / "tint", runs / "fewer"], None)


def with_more(data: Path, folder: Path, first: bool) -> Path:
    """The same rows and two of another source, which know a shade alone and come first or last."""
    folder.mkdir()
    rng, own = np.random.default_rng(9), load_manifest(data)
    for name in ("x.png", "y.png"):
        draw(folder / name, rng, 0, 2)
    (folder / "more.csv").write_text("path,group,shade\nx.png,x,light\ny.png,y,light\n")
    both = add_extra(own, load_extra(folder / "more.csv", None, own))
    order = np.roll(np.arange(len(both)), 2 if first else 0)
    rows = replace(both, frame=both.frame.iloc[order].reset_index(drop=True))
    rows.write(folder / "rows.parquet")
    return folder / "rows.parquet"


@pytest.mark.parametrize("first", [True, False])
def test_studies_that_differ_in_rows_of_other_sources_alone_are_combined_row_by_row(
    runs: Path, data: Path, tmp_path: Path, first: bool
) -> None:
    more = with_more(data, tmp_path / "more", first)
    make_study(runs / "shade+", more, Plan(target=SHADE, joint=True, lrs=(0.1,), epochs=1))
    plain, parts = gather([runs / "shade", runs / "tint"], None), gather([runs / "shade+", runs / "tint"], 1)
    study = Study(runs / "shade+")
    plan, frame = study.fold_plan(), study.manifest().frame
    assert (plan.folds < 0).sum() == 2
    assert parts.rows.tolist() == plain.rows.tolist() and parts.labels.tolist() == plain.labels.tolist()
    assert parts.groups.tolist() == plain.groups.tolist()
    answers = parts.studies[1].predictions[0]
    for fold in range(3):
        (best,) = [item for item in study.complete_trials()[0].bests if item.fold == fold]
        predictor = PixelTrainable.load_predictor(study.store().get(best.weights), {}, 3)
        held_out = frame[plan.folds == fold]
        expected = predictor.predict([str(data.parent / path) for path in held_out["path"]])
        assert np.allclose(answers.probabilities[answers.folds == fold], expected, atol=1e-6)
    assert main(["--study", str(runs / "shade+"), str(runs / "tint"), "--out", str(runs / "e")]) == 0
    oof, _ = read_prediction(runs / "e" / "oof.parquet")
    assert oof.labels.tolist() == BOTH.encode(load_manifest(data).frame).tolist()


def test_a_label_mended_in_one_study_alone_keeps_them_apart(runs: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mended").mkdir()
    mended = make_faces(tmp_path / "mended")
    mended.write_text(mended.read_text().replace("p00-0.png,p00,red,dark", "p00-0.png,p00,red,mid"))
    make_study(runs / "mended", mended, Plan(target=SHADE, joint=True, lrs=(0.5,), epochs=1))
    with pytest.raises(EnsembleError, match=r"different train rows .column 'shade'"):
        gather([runs / "tint", runs / "mended"], None)
