"""The command: who is suspected, what is written, what is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from orchestrator.audit import command
from orchestrator.audit.__main__ import main
from orchestrator.audit.evidence import gather_evidence, with_ensemble
from orchestrator.data.known_clusters import remember_clusters
from orchestrator.data.label_fixes import apply_fixes
from orchestrator.data.manifest import load_manifest
from orchestrator.data.quality.duplicates import Duplicates
from orchestrator.data.targets import multi_label
from orchestrator.ensemble.__main__ import main as ensemble
from orchestrator.storage.checkpoint_files import PROBABILITIES
from orchestrator.study.epoch_predictions import EpochPredictions
from orchestrator.study.predictions import read_prediction
from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main as tune
from tests.conftest import SPACE
from tests.study.test_comparing import make
from tests.study.test_made_by_0_1 import MADE
from tests.support.ensemble_studies import BOTH, SHADE, TINT, Plan, make_faces
from tests.support.leaning import make_leaning

PLAN = Plan(target=BOTH, lrs=(0.3, 0.1), epochs=3, finalists=2)
SWAP = {"red": "blue", "blue": "red"}
WRONG = "p04"  # the group whose tint is wrong in both images
ODD = "p07-1.png"  # whose shade is wrong, unlike its neighbour's


@pytest.fixture(autouse=True)
def read_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped decoder takes seconds to import; its reading is tested where it lies."""

    def read(root: str, paths: Sequence[str], side: int) -> list[np.ndarray | None]:
        return [
            None if (image := cv2.imread(f"{root}/{path}")) is None else image[..., ::-1] for path in paths
        ]

    monkeypatch.setattr(command, "read_thumbnails", read)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """runs/both, a study of labels two of which are wrong, and the data."""
    folder = tmp_path_factory.mktemp("audited")
    frame = pd.read_csv(make_faces(folder))
    wrong, odd = frame["group"] == WRONG, frame["path"] == ODD
    frame.loc[wrong, "tint"] = frame.loc[wrong, "tint"].map(SWAP)
    frame.loc[odd, "shade"] = "dark" if frame.loc[odd, "shade"].item() != "dark" else "light"
    frame.to_csv(folder / "noisy.csv", index=False)
    make_leaning(folder / "runs" / "both", folder / "noisy.csv", PLAN, folder / "faces.csv")
    return folder


def audited(folder: Path, *words: str, study: Sequence[str] = ("both",)) -> int:
    return main(["--study", *study, "--runs", str(folder / "runs"), *words])


def record_in(folder: Path) -> dict[str, object]:
    return json.loads((folder / "audit.json").read_text())


def test_a_wrong_group_and_an_odd_row_are_the_first_suspects(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, made = tmp_path / "fixes.csv", tmp_path / "made"
    assert audited(folder, "--out", str(out), "--folder", str(made), "--top", "6") == 0
    printed = capsys.readouterr().out
    record = record_in(made)
    first = {(item["target"], tuple(item["paths"])) for item in record["suspects"][:2]}
    assert first == {("tint", (f"{WRONG}-0.png", f"{WRONG}-1.png")), ("shade", (ODD,))}
    assert "tint: judged group by group" in printed and "FO142" in printed and "FO141" in printed
    draft = pd.read_csv(out)
    assert draft.columns.tolist() == ["path", "column", "old", "new", "reason", "confirmed"]
    assert draft["confirmed"].isna().all() and f"group:{WRONG}" in set(draft["path"])


def test_what_a_finding_advises_is_the_draft_once_there_is_one(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "fixes.csv"
    assert audited(folder, "--folder", str(tmp_path / "bare")) == 0
    assert audited(folder, "--out", str(out), "--folder", str(tmp_path / "made")) == 0
    bare, made = (
        {item["way_out"] for item in record_in(tmp_path / name)["findings"]} for name in ("bare", "made")
    )
    assert bare == {
        "look at each in the gallery; --out FILE.csv drafts fixes, and tune --label-fixes applies those that "
        "you confirm"
    }
    assert made == {
        f"look at each in the gallery, confirm what is wrong in {out}, and give that to tune --label-fixes"
    }


def test_the_gallery_says_what_it_means_by_variability(folder: Path, tmp_path: Path) -> None:
    audited(folder, "--folder", str(tmp_path / "made"))
    page = (tmp_path / "made" / "audit.html").read_text()
    assert "never learnt, variability 0.00<" in page and "+-" not in page
    assert "Variability: the standard deviation over epochs of the given label" in page


def test_confirmed_lines_of_its_draft_mend_the_labels(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "fixes.csv"
    assert audited(folder, "--out", str(out), "--folder", str(tmp_path / "made"), "--top", "2") == 0
    draft = pd.read_csv(out).assign(confirmed="yes")
    draft.to_csv(out, index=False)
    fixed, report = apply_fixes(load_manifest(folder / "noisy.csv"), out)
    truth = pd.read_csv(folder / "faces.csv")
    assert fixed.frame["tint"].tolist() == truth["tint"].tolist() and report.rows == 3
    assert fixed.frame["shade"].tolist() == truth["shade"].tolist()


def test_the_table_fits_80_columns(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audited(folder, "--folder", str(tmp_path / "made"))
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if re.match(r"^ *\d+ +(tint|shade)", line)]
    assert len(table) >= 2 and max(map(len, table)) <= 80


def test_the_record_tells_every_row_and_every_number_is_json(folder: Path, tmp_path: Path) -> None:
    audited(folder, "--folder", str(tmp_path / "made"))
    record = record_in(tmp_path / "made")
    assert record["format"] == 1 and record["complete_trials"] == 2
    assert [item["target"] for item in record["targets"]] == ["tint", "shade", BOTH.name]
    assert all(len(item["rows"]) == 72 for item in record["targets"])
    assert {"path", "given", "likely", "wrong"} == set(record["targets"][0]["rows"][0])
    first = record["suspects"][0]
    assert first["learnt"] == 1 and first["variability"] == 0, "every epoch contradicts the label alike"
    assert {item["code"] for item in record["findings"]} == {"FO141", "FO142"}
    assert {item["target"] for item in record["suspects"]} == {"tint", "shade"}


def test_a_trial_answers_by_the_mean_over_its_epochs_and_says_how_late_labels_are_learnt(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make(tmp_path / "runs" / "both", folder / "noisy.csv", replace(PLAN, target=TINT))
    evidence = gather_evidence([study], lambda done, total: None)
    answers, oof = evidence.parts[0].answers[0], study.oof(study.complete_trials()[0].number)
    kept = EpochPredictions(study)
    trial = study.complete_trials()[0].number
    mean = np.mean([kept.probabilities(trial, 1, epoch) for epoch in (1, 2, 3)], axis=0)
    assert answers.probabilities[oof.folds == 1] == pytest.approx(mean)
    assert not np.allclose(answers.probabilities, oof.probabilities)
    audited(tmp_path, "--folder", str(tmp_path / "made"))
    first = record_in(tmp_path / "made")["suspects"][0]
    assert 0 <= first["learnt"] <= 1 and 0 <= first["variability"] < 1
    assert "epoch of each fold speaks" not in capsys.readouterr().out
    name = study.store().names(PROBABILITIES)[0]
    study.store().delete(name)
    audited(tmp_path, "--folder", str(tmp_path / "again"))
    assert "of 1 of 2 trials not all epochs are kept: one epoch of each fold" in capsys.readouterr().out


def test_the_gallery_shows_pictures_labels_and_groups_and_loads_nothing(folder: Path, tmp_path: Path) -> None:
    audited(folder, "--folder", str(tmp_path / "made"))
    page = (tmp_path / "made" / "audit.html").read_text()
    assert page.count('<img src="data:image/') >= 4 and f"group {WRONG}" in page
    assert "given red" in page or "given blue" in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page) and "<script" not in page


def test_without_the_images_the_gallery_has_no_pictures_and_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audited(folder, "--data-root", str(tmp_path), "--folder", str(tmp_path / "made")) == 0
    printed = capsys.readouterr().out
    assert "cannot be shown" in printed and "--data-root" in printed
    page = (tmp_path / "made" / "audit.html").read_text()
    assert '<img src="data:image/' not in page and ODD in page


def test_names_from_data_are_escaped_in_the_page_and_shown_in_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(make_faces(tmp_path))
    frame.to_csv(tmp_path / "true.csv", index=False)
    evil = "<b onload=x>\x1b[31m.png"
    shutil.move(tmp_path / ODD, tmp_path / evil)
    frame.loc[frame["path"] == ODD, "path"] = evil
    frame["group"] = frame["group"].replace({"p07": "<script>alert(1)</script>"})
    frame.loc[frame["path"] == evil, "tint"] = frame.loc[frame["path"] == evil, "tint"].map(SWAP)
    frame.to_csv(tmp_path / "evil.csv", index=False)
    plan = replace(PLAN, target=TINT)
    make_leaning(tmp_path / "runs" / "both", tmp_path / "evil.csv", plan, tmp_path / "true.csv")
    assert audited(tmp_path, "--folder", str(tmp_path / "made")) == 0
    page = (tmp_path / "made" / "audit.html").read_text()
    assert (
        "<script" not in page and "<b onload" not in page and "&lt;script&gt;" in page and "\x1b" not in page
    )
    printed = capsys.readouterr().out
    assert "\x1b" not in printed and "<b onload=x>" in printed


def test_studies_of_parts_and_of_the_whole_are_read_together(folder: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(folder / "runs" / "both", runs / "both")
    make(runs / "tint", folder / "noisy.csv", replace(PLAN, target=TINT))
    assert audited(tmp_path, "--folder", str(tmp_path / "made"), study=("both", "tint")) == 0
    record = record_in(tmp_path / "made")
    assert record["complete_trials"] == 4
    alone = tmp_path / "alone"
    audited(tmp_path, "--folder", str(alone))
    whole = {item["target"]: item["rows"] for item in record["targets"]}
    other = {item["target"]: item["rows"] for item in record_in(alone)["targets"]}
    assert whole["shade"] == other["shade"] and whole["tint"] != other["tint"]


def test_studies_whose_labels_differ_are_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(folder / "runs" / "mended", folder / "faces.csv", replace(PLAN, target=TINT))
    assert audited(folder, "--folder", str(tmp_path / "made"), study=("both", "mended")) == 2
    said = capsys.readouterr().err
    assert "has other labels of p04-0.png, p04-1.png for tint" in said and "--compare BEFORE AFTER" in said
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "words, words_said",
    [
        (["--out", "{}/there.csv"], "there.csv exists; name another file (nothing was changed)"),
        (["--folder", "{}"], "exists; name another folder (nothing was changed)"),
        (["--compare", "both", "both", "--out", "{}/x.csv"], "leave --study out"),
    ],
)
def test_nothing_is_overwritten_and_nothing_is_ignored(
    words: list[str], words_said: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there.csv").write_text("worked on")
    assert audited(folder, *(word.format(tmp_path) for word in words)) == 2
    assert words_said in capsys.readouterr().err
    assert (tmp_path / "there.csv").read_text() == "worked on"


def test_a_study_without_a_complete_trial_has_nothing_to_say(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "runs" / "both", folder / "noisy.csv", replace(PLAN, complete=False))
    assert audited(tmp_path) == 1
    assert "has no complete trial" in capsys.readouterr().err


def test_each_of_several_labels_is_audited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.read_csv(make_faces(tmp_path))
    frame["is_red"], frame["is_light"] = (frame["tint"] == "red") * 1, (frame["shade"] == "light") * 1
    frame.to_csv(tmp_path / "true.csv", index=False)
    frame.loc[frame["group"] == WRONG, "is_red"] = 1 - frame.loc[frame["group"] == WRONG, "is_red"]
    frame.to_csv(tmp_path / "flags.csv", index=False)
    plan = replace(PLAN, target=multi_label(["is_red", "is_light"]))
    make_leaning(tmp_path / "runs" / "both", tmp_path / "flags.csv", plan, tmp_path / "true.csv")
    out = tmp_path / "fixes.csv"
    assert audited(tmp_path, "--folder", str(tmp_path / "made"), "--top", "1", "--out", str(out)) == 0
    line = pd.read_csv(out).iloc[0]
    assert (line["path"], line["column"]) == (f"group:{WRONG}", "is_red") and line["old"] + line["new"] == 1


def test_before_and_after_are_compared_on_agreed_rows(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "runs" / "both", tmp_path / "runs" / "before")
    make(tmp_path / "runs" / "after", folder / "faces.csv", PLAN)
    assert main(["--compare", "before", "after", "--runs", str(tmp_path / "runs")]) == 0
    printed = capsys.readouterr().out
    assert "3 rows changed label and count nowhere; 69 rows of" in printed
    assert "after trial" in printed and "that difference counts the changing of labels itself" in printed
    assert not list((tmp_path / "runs").glob("*/audit-*"))


def test_a_draft_that_a_study_began_with_is_carried_on(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = pd.read_csv(folder / "noisy.csv").set_index("path")["tint"]
    old, kept = given[f"{WRONG}-0.png"], given["p00-0.png"]
    lines = [
        "path,column,old,new,reason,confirmed",
        f"group:{WRONG},tint,{old},{SWAP[old]},seen,yes",
        f"group:p00,tint,{kept},{SWAP[kept]},asked,no",
        f"group:p01,tint,{given['p01-0.png']},{SWAP[given['p01-0.png']]},not asked,",
    ]
    (tmp_path / "fixes.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "tint.py").write_text(SPACE)
    words = ["--space", str(tmp_path / "tint.py"), "--data", str(folder / "noisy.csv"), "--inline"]
    words += ["--label-fixes", str(tmp_path / "fixes.csv"), "--study", "both", "--trials", "1"]
    assert tune([*words, "--max-epochs", "2", "--runs", str(tmp_path / "runs")]) == 0
    assert "not applied: 1 that say no and 1 that nobody has confirmed" in capsys.readouterr().out
    assert audited(tmp_path, "--out", str(tmp_path / "next.csv"), "--folder", str(tmp_path / "made")) == 0
    assert "and 2 lines decided before" in capsys.readouterr().out
    draft = pd.read_csv(tmp_path / "next.csv", keep_default_na=False)
    assert draft["confirmed"].tolist()[:2] == ["yes", "no"] and set(draft["confirmed"][2:]) <= {""}
    assert draft["path"].tolist()[:2] == [f"group:{WRONG}", "group:p00"]
    assert not draft["path"][2:].str.contains(f"{WRONG}|p00").any(), "a person has decided on these"


def test_the_newest_study_is_meant_where_none_is_named(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "runs" / "both", tmp_path / "runs" / "both")
    assert main(["--runs", str(tmp_path / "runs")]) == 0
    made = list((tmp_path / "runs" / "both").glob("audit-*/audit.html"))
    assert len(made) == 1 and Study(tmp_path / "runs" / "both").complete_trials()


def test_rows_in_doubt_are_told_in_words_that_do_not_claim_more(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    audited(folder, "--folder", str(tmp_path / "made"))
    printed = capsys.readouterr().out
    assert "more likely wrong than right" in printed and "copies of images: not known" in printed
    assert np.isfinite(record_in(tmp_path / "made")["targets"][0]["rows"][0]["wrong"])


def test_an_ensemble_is_asked_in_place_of_the_trials(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = make(tmp_path / "runs" / "both", folder / "noisy.csv", PLAN)
    out = tmp_path / "ensemble"
    assert ensemble(["--study", str(study.path), "--vote", "soft", "--repeats", "20", "--out", str(out)]) == 0
    capsys.readouterr()
    audited(tmp_path, "--folder", str(tmp_path / "trials"))
    assert audited(tmp_path, "--folder", str(tmp_path / "made"), "--ensemble", str(out)) == 0
    asked, trials = (record_in(tmp_path / name)["targets"][2] for name in ("made", "trials"))
    evidence = gather_evidence([study], lambda done, total: None)
    answers = with_ensemble(evidence, out, [study]).parts[2].answers
    assert len(answers) == 1 and len(answers[0].rows) == 72
    assert answers[0].probabilities == pytest.approx(read_prediction(out / "oof.parquet")[0].probabilities)
    assert asked["rows"] != trials["rows"]
    other = make(tmp_path / "runs" / "shade", folder / "noisy.csv", replace(PLAN, target=SHADE))
    assert audited(tmp_path, "--ensemble", str(out), study=("shade",)) == 2
    assert f"answers none of the targets of {other.path}" in capsys.readouterr().err


def test_copies_that_check_found_are_compared_first(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two groups show one image under two labels; models doubt the wrong group far more."""
    frame = pd.read_csv(folder / "noisy.csv")
    clusters = np.arange(len(frame))
    clusters[frame["path"] == "p00-0.png"] = clusters[frame["path"] == "p03-1.png"] = 900
    found = Duplicates(
        clusters, np.empty((0, 2), np.int64), np.empty(0, np.float32), clusters, "by hand", None
    )
    shutil.copytree(folder / "runs" / "both", tmp_path / "runs" / "both")
    remember_clusters(tmp_path / "runs" / ".cache", folder, frame["path"].tolist(), found)
    assert audited(tmp_path, "--folder", str(tmp_path / "made")) == 0
    printed = capsys.readouterr().out
    assert (
        "copies of images: 2 rows of 72 with an identical one, 0 pairs of near duplicates; by hand" in printed
    )
    assert "FO124" in printed
    suspects = record_in(tmp_path / "made")["suspects"]
    first = [item for item in suspects if item["copies"]]
    assert first == suspects[: len(first)] and {item["target"] for item in first} == {"tint", "shade"}
    rows = {*first[0]["paths"], *first[0]["beside"]}
    assert rows == {"p00-0.png", "p00-1.png", "p03-0.png", "p03-1.png"}


def test_near_duplicates_that_check_found_are_told_of_and_join_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two groups of other labels have an image each that looks alike; no threshold is proven."""
    frame = pd.read_csv(folder / "noisy.csv")
    rows = np.arange(len(frame))
    near = np.flatnonzero(frame["path"].isin(["p00-0.png", "p03-1.png"]))[None]
    clusters = np.where(np.isin(rows, near), 900, rows)
    shutil.copytree(folder / "runs" / "both", tmp_path / "runs" / "both")
    audited(tmp_path, "--folder", str(tmp_path / "without"))
    found = Duplicates(rows, near, np.ones(1, np.float32), clusters, "by hand", None)
    remember_clusters(tmp_path / "runs" / ".cache", folder, frame["path"].tolist(), found)
    capsys.readouterr()
    assert audited(tmp_path, "--folder", str(tmp_path / "made")) == 0
    assert "1 pair of near duplicates; by hand" in capsys.readouterr().out
    told = [item for item in record_in(tmp_path / "made")["findings"] if item["code"] == "FO124"]
    assert told and {tuple(item["paths"]) for item in told} == {("p00-0.png", "p03-1.png")}
    before, after = (record_in(tmp_path / name) for name in ("without", "made"))
    assert after["targets"] == before["targets"]
    assert [item["paths"] for item in after["suspects"]] == [item["paths"] for item in before["suspects"]]


def test_a_study_of_some_rows_alone_is_audited_on_those(folder: Path, tmp_path: Path) -> None:
    plan = replace(PLAN, target=SHADE, given=(TINT, "red"))
    study = make_leaning(tmp_path / "runs" / "both", folder / "noisy.csv", plan, folder / "faces.csv")
    assert audited(tmp_path, "--folder", str(tmp_path / "made")) == 0
    rows = record_in(tmp_path / "made")["targets"][0]["rows"]
    red = pd.read_csv(folder / "noisy.csv").query("tint == 'red'")["path"]
    assert [row["path"] for row in rows] == red.tolist() and study.space.given is not None


def test_a_study_that_version_0_1_wrote_is_audited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(MADE / "studies", tmp_path / "runs")
    assert audited(tmp_path, "--folder", str(tmp_path / "made"), study=("complete",)) == 0
    assert "no trial has two epochs or more that are all kept" in capsys.readouterr().out
    assert record_in(tmp_path / "made")["targets"][0]["rows"]


def test_the_page_names_every_field_of_the_record(folder: Path, tmp_path: Path) -> None:
    audited(folder, "--folder", str(tmp_path / "made"))
    record = record_in(tmp_path / "made")
    records = [record, record["targets"][0], record["targets"][0]["rows"][0]]
    records += [record["suspects"][0], record["findings"][0]]
    names = {name for item in records for name in item}
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "audit.md").read_text()
    assert names == {name for name in names if f"`{name}`" in page}
