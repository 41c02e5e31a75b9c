"""Which studies and trials make an ensemble, and which do not belong together."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.data.extra_rows import add_extra, load_extra
from orchestrator.data.folds import _content
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
    with pytest.raises(EnsembleError, match=r"joint target 'tint_shade'.*lacks a study of shade"):
        gather([runs / "both", runs / "tint"], None)
    with pytest.raises(EnsembleError, match=r"tint is named twice; .*leave one of them out"):
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


def test_rows_and_folds_that_differ_are_named(runs: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "mended").mkdir()
    mended = make_faces(tmp_path / "mended")
    mended.write_text(mended.read_text().replace("p05-1.png,p05", "p05-1.png,p04"))
    make_study(runs / "regrouped", mended, Plan(target=TINT, joint=True, lrs=(0.5,), epochs=1))
    with pytest.raises(EnsembleError, match=r"column 'group': p05-1\.png has '?p0"):
        gather([runs / "tint", runs / "regrouped"], None)
    make_study(runs / "reseeded", data, Plan(target=TINT, lrs=(0.5,), epochs=1, seed=5))
    with pytest.raises(EnsembleError, match=r"different folds .*\.png is in fold \d and in fold \d"):
        gather([runs / "reseeded", runs / "tint"], None)


# ---- several studies of one target, and a joint study beside the product ---------------------------


def permuted_study(path: Path, like: Path, data: Path, folder: Path) -> Path:
    """Of the same rows in another order, each in the fold that it has in the study `like`."""
    own, plan = load_manifest(data), Study(like).fold_plan()
    order = np.random.default_rng(1).permutation(len(own))
    shuffled = replace(own, frame=own.frame.iloc[order].reset_index(drop=True))
    folder.mkdir()
    shuffled.write(folder / "rows.parquet")
    fingerprint = _content(shuffled.fingerprint, plan.k, plan.folds[order])
    same = replace(
        plan, folds=plan.folds[order], fingerprint=fingerprint, manifest_fingerprint=shuffled.fingerprint
    )
    with mock.patch("tests.support.ensemble_studies.build_fold_plan", lambda *_: same):
        return make_study(path, folder / "rows.parquet", Plan(target=TINT, lrs=(0.5,), epochs=1))


def test_rows_are_joined_by_their_paths(runs: Path, data: Path, tmp_path: Path) -> None:
    """Whatever the order of the rows that either study began with."""
    make_study(runs / "again", data, Plan(target=TINT, lrs=(0.2, 0.4), epochs=1))
    permuted_study(runs / "shuffled", runs / "again", data, tmp_path / "shuffled")
    found = gather([runs / "shuffled", runs / "again"], None)
    swapped = gather([runs / "again", runs / "shuffled"], None)
    (term,) = found.routes[0].terms
    assert [study.name for study in term.studies] == ["again", "shuffled"]
    paths = [str(found.manifest.frame["path"].iloc[row]) for row in found.rows]
    assert paths == sorted(paths)
    for study in term.studies:
        best = study.trials[0].bests[1]
        models = PixelTrainable.load_predictor(study.study.store().get(best.weights), {}, 2)
        own = study.predictions[0].folds == best.fold
        expected = models.predict([str(data.parent / path) for path in np.array(paths)[own]])
        assert np.allclose(study.predictions[0].probabilities[own], expected, atol=1e-6)
        assert study.predictions[0].labels.tolist() == found.labels.tolist()
    for one, other in zip(found.studies, swapped.studies, strict=True):
        assert one.name == other.name
        for left, right in zip(one.predictions, other.predictions, strict=True):
            assert left.probabilities.tobytes() == right.probabilities.tobytes()


def test_a_joint_study_beside_its_parts_is_a_second_route_in_any_order(runs: Path) -> None:
    for order in permutations(["both", "tint", "shade"]):
        found = gather([runs / name for name in order], None)
        assert found.target == BOTH
        names = [[[study.name for study in term.studies] for term in route.terms] for route in found.routes]
        assert names == [[["tint"], ["shade"]], [["both"]]]


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
