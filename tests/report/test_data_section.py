"""The section Data: counts as in the tables, a check of the same rows where there is one, a few pictures."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.check.record import CheckRecord
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded
from orchestrator.pages.blocks import Code, Findings, Pictures
from orchestrator.report.sections import data
from tests.report.test_errors_section import grey
from tests.support.drawn_study import draw_study
from tests.support.report_blocks import column, context_of, only, table, words


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_study(tmp_path_factory.mktemp("data") / "a", trials=3)


def test_classes_and_folds_are_those_of_the_tables(study: Path) -> None:
    made = data.blocks(context_of(study))
    labels = pd.read_parquet(study / "manifest.parquet")["label"]
    folds = pd.read_parquet(study / "folds.parquet")["fold"].to_numpy()
    classes = table(made, "label: 3 classes")
    counts = labels.value_counts()
    assert column(classes, "rows") == [counts[name] for name in column(classes, "class")]
    assert column(table(made, "Folds"), "rows") == np.bincount(folds).tolist()
    for name in ("red", "green", "blue"):
        assert column(table(made, "Folds"), name) == [
            int(((labels == name).to_numpy() & (folds == fold)).sum()) for fold in range(3)
        ]
    assert "240 rows with role train; 60 groups of 4 rows" in words(made)


def write_check(folder: Path, study: Path, **changed: object) -> None:
    """As the check writes it."""
    header = context_of(study).main.header
    shift = Finding(Level.WARNING, "shift", "rows to predict differ: AUC 0.81", "look", "FO151", rows=(3,))
    record = CheckRecord(
        str(header.manifest["source"]), str(header.manifest["root"]), header.rows_fingerprint,
        {"train": 240}, "", ("rows: 240", "shift: by pixels, none"), (shift,), (), {3: "row0003.png"},
    ).to_json()  # fmt: skip
    record["data"] |= changed
    folder.mkdir()
    (folder / "check.json").write_text(json.dumps(record))


def copied(study: Path, to: Path) -> Path:
    """Beside no check of another test."""
    to.mkdir()
    (to / "a").symlink_to(study, target_is_directory=True)
    return to / "a"


def test_what_a_check_of_the_same_rows_found_is_shown(study: Path, tmp_path: Path) -> None:
    here = copied(study, tmp_path / "runs")
    write_check(tmp_path / "runs" / "check-rows", study)
    os.utime(tmp_path / "runs" / "check-rows" / "check.json", (1_764_000_000, 1_764_000_000))
    made = data.blocks(context_of(here))
    (finding,) = only(made, Findings).findings
    assert (finding.code, finding.level, finding.rows) == ("FO151", Level.WARNING, ())
    said = words(made)
    assert "A check of these very rows (check-rows, 2025-11-24 16:00 UTC)" in said
    assert "found in its own words: 1 thing worth a look." in said
    assert "Shift: rows to predict differ: AUC 0.81." in said


def test_copies_that_a_check_counts_are_told_from_those_in_several_folds(study: Path, tmp_path: Path) -> None:
    here = copied(study, tmp_path / "runs")
    write_check(tmp_path / "runs" / "check-rows", study)
    record = tmp_path / "runs" / "check-rows" / "check.json"
    record.write_text(record.read_text().replace("FO151", "FO121"))
    folds = pd.read_parquet(study / "folds.parquet")["fold"].to_numpy()
    pair = (int((folds == 0).argmax()), int((folds == 1).argmax()))
    grave = coded("FO009", Level.BLOCKS, "1 image", pairs=[pair])
    said = words(data.blocks(replace(context_of(here), findings=((grave,),))))
    assert "Of the copies that it counts, 1 image came to lie in another fold" in said
    assert "Of the copies" not in words(data.blocks(context_of(here)))


def test_a_check_that_read_rows_to_predict_too_is_told_from_one_of_the_same_rows(
    study: Path, tmp_path: Path
) -> None:
    here = copied(study, tmp_path / "runs")
    write_check(tmp_path / "runs" / "check-rows", study, fingerprint="other", rows={"train": 240, "test": 9})
    assert "A check of the same source, with as many rows to learn from" in words(
        data.blocks(context_of(here))
    )


@pytest.mark.parametrize(
    "changed",
    [{"fingerprint": "other", "source": "elsewhere.csv"}, {"fingerprint": "other", "rows": {"train": 7}}],
)
def test_a_check_of_other_rows_is_passed_over(
    study: Path, tmp_path: Path, changed: dict[str, object]
) -> None:
    here = copied(study, tmp_path / "runs")
    write_check(tmp_path / "runs" / "check-rows", study, **changed)
    made = data.blocks(context_of(here))
    assert "No check of these rows lies beside the study" in only(made, Code).note
    assert not [item for item in made if isinstance(item, Findings)]


@pytest.mark.parametrize("text", ["", "[]", "3", '{"format": "orchestrator check", "version": 9}', '{"a": '])
def test_a_file_that_is_no_record_of_a_check_is_passed_over(study: Path, tmp_path: Path, text: str) -> None:
    here = copied(study, tmp_path / "runs")
    (tmp_path / "runs" / "check-odd").mkdir()
    (tmp_path / "runs" / "check-odd" / "check.json").write_text(text)
    assert "No check of these rows" in only(data.blocks(context_of(here)), Code).note


def test_pictures_are_of_each_class_and_of_different_groups(study: Path) -> None:
    pictures = only(data.blocks(context_of(study, grey)), Pictures)
    manifest = context_of(study).main.manifest
    assert manifest is not None and pictures.heads == ("red", "green", "blue")
    for name, rows in zip(pictures.heads, pictures.sets, strict=True):
        frame = manifest.frame.iloc[list(rows)]
        assert set(frame["label"]) == {name} and len(rows) == 3 and frame["group"].is_unique
    again = only(data.blocks(context_of(study, grey)), Pictures)
    assert again == pictures


def test_many_classes_have_no_more_pictures_than_fit(tmp_path: Path) -> None:
    many = draw_study(tmp_path / "a", classes=[f"c{number:02d}" for number in range(10)], rows=400, trials=2)
    pictures = only(data.blocks(context_of(many, grey)), Pictures)
    assert sum(map(len, pictures.sets)) <= data.PICTURES


def test_rows_that_cannot_be_read_are_said_to_be(tmp_path: Path) -> None:
    study = draw_study(tmp_path / "a", trials=2)
    (study / "manifest.parquet").write_bytes(b"damaged")
    made = data.blocks(context_of(study, grey))
    assert words(made) == "The rows of this study cannot be read, so nothing is known of its data."


def test_damaged_folds_leave_the_rest(tmp_path: Path) -> None:
    study = draw_study(tmp_path / "a", trials=2)
    (study / "folds.parquet").unlink()
    made = data.blocks(context_of(study))
    assert table(made, "label: 3 classes").rows


def test_rows_without_groups_say_so(tmp_path: Path) -> None:
    made = data.blocks(context_of(draw_study(tmp_path / "a", trials=2, rows_per_group=1)))
    assert "no two rows share a group" in words(made)
    assert table(made, "Folds").columns == ("fold", "rows", "red", "green", "blue")
