"""A submission from what is asked for to the file, without a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from orchestrator.core.errors import EnsembleError, StorageError
from orchestrator.data.targets import Target, age_bins, categorical, joint, multi_label, one_hot
from orchestrator.ensemble.submission.planning import Images, asked_for, plan_submission, write
from orchestrator.ensemble.submission.template import Template

LEAF = categorical("label", ["healthy", "rust", "scab"])
IMAGES = Images(["b.jpg", "a.jpg"], {"image_id": ["7", "5"]}, ids="image_id")


@pytest.mark.parametrize(
    "target, answer, header, first",
    [
        (LEAF, None, "image_id,label", "7,rust"),
        (LEAF, "probabilities", "image_id,healthy,rust,scab", "7,0.25,0.5,0.25"),
        (categorical("label", ["a", "b", "c"], name="leaf"), None, "image_id,label", "7,b"),
        (one_hot(["healthy", "rust", "scab"]), None, "image_id,healthy,rust,scab", "7,0,1,0"),
        (multi_label(["healthy", "rust", "scab"]), None, "image_id,healthy,rust,scab", "7,0,1,1"),
        (multi_label("found", sep="|", classes=["a", "b", "c"]), None, "image_id,found", "7,b|c"),
        (age_bins([30, 60]), None, "image_id,age", "7,30-59"),
    ],
)
def test_without_a_template_it_is_written_as_the_training_table_is(
    tmp_path: Path, target: Target, answer: str | None, header: str, first: str
) -> None:
    submission = plan_submission(tmp_path / "s.csv", None, asked_for(target, "macro_f1", answer), IMAGES)
    chances = np.array([[0.25, 0.5, 0.25], [0.25, 0.25, 0.5]], np.float32)
    labels = np.array([[0, 1, 1], [1, 0, 0]]) if target.multi_label else np.array([1, 2])
    write(submission, chances, labels)
    assert (tmp_path / "s.csv").read_bytes().decode().splitlines()[:2] == [header, first]


def test_a_joint_label_is_called_by_its_name(tmp_path: Path) -> None:
    target = joint(categorical("mask", ["on", "off"]), categorical("hat", ["on", "off"]), name="worn")
    submission = plan_submission(tmp_path / "s.csv", None, asked_for(target, "macro_f1", None), IMAGES)
    write(submission, np.full((2, 4), 0.25, np.float32), np.array([1, 2]))
    assert (tmp_path / "s.csv").read_text().splitlines() == ["image_id,worn", "7,on/off", "5,off/on"]


def test_it_says_what_stays_and_what_is_left_out(tmp_path: Path) -> None:
    template = Template("t.csv", ("id", "site", "label"), (("5", "north", ""),))
    images = Images(["b.jpg", "a.jpg"], {"id": ["7", "5"]})
    submission = plan_submission(tmp_path / "s.csv", template, asked_for(LEAF, "macro_f1", None), images)
    assert submission.rows == (1,)
    assert submission.says(2) == (
        "template: t.csv; column 'label': the class, by name; 'site' as in the template; 1 image that it "
        "does not name is left out"
    )


def test_a_file_that_is_there_stays_and_one_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    asked = asked_for(LEAF, "macro_f1", None)
    (tmp_path / "s.csv").write_text("mine")
    with pytest.raises(EnsembleError, match=r"s\.csv exists; name another file"):
        plan_submission(tmp_path / "s.csv", None, asked, IMAGES)
    submission = plan_submission(tmp_path / "s.csv" / "below.csv", None, asked, IMAGES)
    with pytest.raises(StorageError, match=r"cannot write .*below\.csv: .*; name another --submission"):
        write(submission, np.full((2, 3), 1 / 3, np.float32), np.array([0, 1]))
    assert (tmp_path / "s.csv").read_text() == "mine"
