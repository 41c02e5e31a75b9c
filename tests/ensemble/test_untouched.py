"""Rows with role test and labels are scored by the finished ensemble, and reach nothing in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from orchestrator.core.errors import EnsembleError
from orchestrator.core.metrics import score
from orchestrator.data import image_record
from orchestrator.data.extra_rows import add_extra
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.data.parquet_files import write_table
from orchestrator.demo.faces import hidden_rows, make_demo_faces
from orchestrator.ensemble import Ensemble, build_ensemble
from orchestrator.ensemble.answering import as_judged
from orchestrator.ensemble.stored_votes import store_votes
from orchestrator.ensemble.untouched import (
    UntouchedRows,
    find_untouched,
    score_untouched,
    trial_votes,
    without_copies,
)
from orchestrator.race.simulate.command import read_table
from orchestrator.study.exports import epochs_table
from orchestrator.study.predictions import read_prediction
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main as tune
from tests.support.ensemble_studies import BOTH, PIXELS, SHADE, TINT, draw


@pytest.fixture
def rows(tmp_path: Path) -> Manifest:
    """Twelve new people of role test."""
    rng = np.random.default_rng(9)
    lines = ["path,group,role,tint,shade"]
    (tmp_path / "new").mkdir()
    for person in range(12):
        draw(tmp_path / "new" / f"n{person}.png", rng, person % 2, person % 3)
        tint, shade = TINT.classes[person % 2], SHADE.classes[person % 3]
        lines.append(f"n{person}.png,n{person},test,{tint},{shade}")
    (tmp_path / "new" / "new.csv").write_text("\n".join(lines) + "\n")
    return load_manifest(tmp_path / "new" / "new.csv")


def test_they_are_predicted_scored_and_kept_beside(runs: Path, rows: Manifest) -> None:
    built = build_ensemble(runs / "both")
    before = json.loads((built.path / "ensemble.json").read_text())
    ensemble, estimate = score_untouched(built, rows, np.random.default_rng(0))
    found, classes = read_prediction(built.path / "untouched.parquet")
    assert classes == BOTH.classes and found.labels.tolist() == BOTH.encode(rows.frame).tolist()
    paths = [str(rows.root / path) for path in rows.frame["path"]]
    assert np.allclose(found.probabilities, built.predict(paths))
    judged = as_judged(ensemble.record, found.probabilities)
    assert estimate.score == pytest.approx(score("macro_f1", found.labels, judged))
    assert estimate.n_groups == 12 and estimate.key == "untouched"
    assert Ensemble.load(built.path).estimates[-1] == estimate
    after = json.loads((built.path / "ensemble.json").read_text())
    assert after.pop("digest") != before.pop("digest")
    assert [item["key"] for item in after.pop("estimates")] == [
        *(item["key"] for item in before.pop("estimates")), "untouched",
    ]  # fmt: skip
    assert after == before


def test_their_labels_change_nothing_but_their_score(runs: Path, rows: Manifest) -> None:
    built = build_ensemble(runs / "both")
    best = BOTH.classes[built.predict([str(rows.root / rows.frame["path"][0])])[0].argmax()].split("/")
    written = []
    for frame in (rows.frame, rows.frame.assign(tint=best[0], shade=best[1])):
        _, estimate = score_untouched(built, replace(rows, frame=frame), np.random.default_rng(0))
        found, _ = read_prediction(built.path / "untouched.parquet")
        record = json.loads((built.path / "ensemble.json").read_text())
        del record["digest"]
        assert record["estimates"].pop()["score"] == estimate.score
        written.append((estimate.score, found.probabilities.tobytes(), record))
    assert written[0][1:] == written[1][1:] and written[0][0] != written[1][0]


def test_one_group_has_no_interval_and_says_so(runs: Path, rows: Manifest) -> None:
    built = build_ensemble(runs / "both")
    alone = replace(rows, frame=rows.frame.assign(group="one"))
    _, estimate = score_untouched(built, alone, np.random.default_rng(0))
    assert not estimate.is_defined and "12 rows with role test and labels: " in estimate.meaning
    assert not Ensemble.load(built.path).record.estimates["untouched"].is_defined


def test_each_trials_vote_is_the_mean_of_its_fold_models(runs: Path, rows: Manifest) -> None:
    votes = trial_votes(Study(runs / "both"), rows)
    assert sorted(votes) == [0, 1, 2]
    paths = [str(rows.root / path) for path in rows.frame["path"]]
    built = build_ensemble(runs / "both", top=1)
    (member,) = built.record.members
    assert np.allclose(votes[member.trial], built.predict(paths), atol=1e-6)


def test_with_stored_votes_a_study_is_a_table_with_test_scores(runs: Path, rows: Manifest) -> None:
    study = Study(runs / "both")
    with pytest.raises(EnsembleError, match="so its trials have no test score"):
        store_votes(study)
    study.header = replace(
        study.header, manifest={"source": str(rows.root / "new.csv"), "root": str(rows.root)}
    )
    assert store_votes(study) == study.files.votes
    write_table(study.files.epochs, epochs_table("max", study.events))
    votes, labels = trial_votes(study, rows), BOTH.encode(rows.frame)
    found = read_table(study.path)
    assert found.test == pytest.approx([score("macro_f1", labels, votes[trial]) for trial in range(3)])


def test_stored_votes_are_of_no_copy_of_an_image_that_was_trained_on(runs: Path, rows: Manifest) -> None:
    study = Study(runs / "both")
    known = study.manifest()
    (rows.root / "copy.png").write_bytes((known.root / known.frame["path"][0]).read_bytes())
    with (rows.root / "new.csv").open("a") as table:
        table.write(f"copy.png,copy,test,{TINT.classes[0]},{SHADE.classes[0]}\n")
    source = {"source": str(rows.root / "new.csv"), "root": str(rows.root)}
    study.header = replace(study.header, manifest=source)
    found = find_untouched(study).manifest
    assert found is not None and len(found) == 13
    about = pq.read_schema(store_votes(study)).metadata
    assert len(json.loads(about[b"labels"])) == 12


def test_an_image_that_differs_beside_the_sampled_bytes_is_no_copy(runs: Path, tmp_path: Path) -> None:
    for name in ("train", "test", "copy"):
        image = np.full((512, 512), 20, np.uint8)
        image[100:150, 100:400] = 255 if name == "test" else 20
        Image.fromarray(image).save(tmp_path / f"{name}.bmp")
    study = Study(runs / "both")
    known, rows = (
        Manifest(pd.DataFrame({"path": paths, "group": paths, "role": role}), tmp_path, role)
        for paths, role in ((["train.bmp"], "train"), (["test.bmp", "copy.bmp"], "test"))
    )
    study.manifest = lambda: known  # type: ignore[method-assign]
    assert without_copies(rows, study).frame["path"].tolist() == ["test.bmp"]


def test_only_whole_copies_are_left_out_of_the_score(
    runs: Path, rows: Manifest, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here every image looks as another in the bytes that are sampled."""
    monkeypatch.setattr(image_record, "sampled_sha256", lambda path: b"the same of all")
    (rows.root / "n3.png").write_bytes((data.parent / "p03-1.png").read_bytes())
    monkeypatch.setattr("orchestrator.ensemble.building.find_untouched", lambda *_: UntouchedRows(rows))
    built = build_ensemble(runs / "both")
    assert built.record.estimates["untouched"].n_groups == 11
    assert "1 copies of images that were" in built.record.estimates["untouched"].meaning


# ---- where they are -------------------------------------------------------------------------------


def test_a_study_whose_source_is_gone_says_so_and_one_without_test_rows_says_nothing(
    runs: Path, data: Path, tmp_path: Path
) -> None:
    study = Study(runs / "both")
    assert find_untouched(study) == UntouchedRows(None)
    study.header = replace(study.header, manifest={"source": str(data), "root": str(data.parent)})
    assert find_untouched(study) == UntouchedRows(None)
    study.header = replace(study.header, manifest={"source": str(tmp_path / "gone.csv")})
    note = f"its source cannot be read again ({tmp_path / 'gone.csv'} is not there)"
    assert find_untouched(study) == UntouchedRows(None, note)


def test_what_another_study_trained_on_is_left_out_with_its_group(runs: Path, rows: Manifest) -> None:
    study, other = Study(runs / "tint"), Study(runs / "shade")
    table = rows.frame.assign(group=["n0", "n0", *rows.frame["group"][2:]])
    table.to_csv(rows.root / "all.csv", index=False)
    header = replace(study.header, manifest={"source": str(rows.root / "all.csv"), "root": str(rows.root)})
    study.header = header
    alone = find_untouched(study).manifest
    assert alone is not None and len(alone) == 12
    learned = Manifest(rows.frame[:1].assign(group="somebody", role="extra"), rows.root, "more")
    other.manifest = lambda: add_extra(Study(runs / "shade").manifest(), learned)  # type: ignore[method-assign]
    found = find_untouched(study, others=[other]).manifest
    assert found is not None
    assert found.frame["path"].tolist() == [f"n{at}.png" for at in range(2, 12)]


def test_copies_of_images_that_were_trained_on_are_not_scored(runs: Path, rows: Manifest, data: Path) -> None:
    built = build_ensemble(runs / "both")
    for at in (0, 7):
        (rows.root / f"n{at}.png").write_bytes((data.parent / f"p0{at}-1.png").read_bytes())
    _, estimate = score_untouched(built, rows, np.random.default_rng(0))
    assert estimate.n_groups == 10
    assert "2 copies of images that were trained on are left out" in estimate.meaning
    found, _ = read_prediction(built.path / "untouched.parquet")
    assert len(found.labels) == 10


def test_rows_of_role_test_are_those_of_the_source_that_have_labels_and_were_not_trained_on(
    runs: Path, rows: Manifest, data: Path
) -> None:
    table = rows.frame.assign(role=["train", *["test"] * 11])
    table.loc[2, "shade"] = None  # without a label
    table.loc[3, "path"] = "p00-0.png"  # a path that was trained on
    (rows.root / "p00-0.png").write_bytes((data.parent / "p00-0.png").read_bytes())
    table.to_csv(rows.root / "all.csv", index=False)
    study = Study(runs / "both")
    header = replace(study.header, manifest={"source": str(rows.root / "all.csv"), "root": str(rows.root)})
    study.header = header
    found = find_untouched(study).manifest
    assert found is not None
    assert found.frame["path"].tolist() == ["n1.png", *(f"n{at}.png" for at in range(4, 12))]


def test_the_demos_truth_is_that_of_its_answers(tmp_path: Path) -> None:
    folder = make_demo_faces(tmp_path / "d", people=2, eval_people=3, size=32)
    frame = hidden_rows(people=2, eval_people=3)
    answers = pd.read_csv(folder / "eval_answers.csv")
    assert [f"images/{name}" for name in answers["ImageID"]] == frame["path"].tolist()
    age = (frame["age"] >= 30).astype(int) + (frame["age"] >= 60).astype(int)
    wearing = frame["mask"].map({"worn": 0, "wrong": 1, "none": 2})
    assert (wearing * 6 + (frame["gender"] == "female") * 3 + age).tolist() == answers["ans"].tolist()
    assert frame["group"].nunique() == 3 and set(frame["role"]) == {"test"}
    assert all((folder / "eval" / path).is_file() for path in frame["path"])


def test_the_source_is_read_again_as_the_search_was_told_to_read_it(tmp_path: Path) -> None:
    """Of two columns that name images, the one that --path-column names."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(24):
        role, tint = "test" if number >= 18 else "train", number % 2
        draw(tmp_path / f"own{number}.png", rng, tint, number // 2 % 3)
        draw(tmp_path / f"other{number}.png", rng, 1 - tint, 0)
        rows.append((f"other{number}.png", f"own{number}.png", f"g{number}", role, ("red", "blue")[tint]))
    data = tmp_path / "rows.csv"
    pd.DataFrame(rows, columns=["other", "photo", "group", "role", "tint"]).to_csv(data, index=False)
    space = tmp_path / "space.py"
    space.write_text(
        "from orchestrator.space import SearchSpace, categorical\n"
        f"space = SearchSpace(trainable={PIXELS!r}, target=categorical('tint', ['red', 'blue']), folds=3,\n"
        "    max_t=1, trials=1, params={'lr': 0.1})\n"
    )
    words = ["--space", str(space), "--data", str(data), "--path-column", "photo", "--inline", "--no-report"]
    assert tune([*words, "--data-root", str(tmp_path), "--runs", str(tmp_path), "--study", "a"]) == 0
    study = Study(tmp_path / "a")
    assert study.header.manifest["reading"] == {"path_column": "photo", "data_root": str(tmp_path)}
    found = find_untouched(study).manifest
    assert found is not None
    assert found.frame["path"].tolist() == [f"own{number}.png" for number in range(18, 24)]
