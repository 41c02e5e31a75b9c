"""A request takes what a program has and refuses what is of no use, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.budget import Budget
from orchestrator.core.errors import InputError, StudyError
from orchestrator.data.manifest import load_manifest
from orchestrator.execution.on_ray.slots import parse_resource_request
from orchestrator.space import SearchSpace, categorical, loguniform
from orchestrator.study.study import Study
from orchestrator.tune import Request, run_search
from orchestrator.tune.coercion import as_budget
from orchestrator.tune.request import COERCE


def tint_space(**changes: Any) -> SearchSpace:
    """Which of two tints a picture has; three trials of two folds and two epochs."""
    numbers = {"folds": 2, "trials": 3, "max_t": 2, "finalists": 2, **changes}
    return SearchSpace(
        trainable="tests.pixel_trainable:PixelTrainable",
        target=categorical("tint", ["red", "blue"]),
        params={"lr": loguniform(1e-3, 2.0)},
        **numbers,
    )


def test_every_field_is_coerced() -> None:
    assert set(COERCE) == set(Request.__dataclass_fields__)


def test_texts_numbers_of_numpy_and_lone_items_become_what_a_search_reads() -> None:
    request = Request(
        space=Path("search_spaces/age.py"), data=Path("faces"), data_root="faces", runs="~/runs",
        extra="more.csv", time_budget="1h30m", trials=np.int64(8), tries={"lr": 0.1},
        gpus_per_fold_run=0.5, study=Path("age"),
    )  # fmt: skip
    assert request.space == "search_spaces/age.py" and request.data == "faces" and request.study == "age"
    assert request.data_root == Path.cwd() / "faces" and request.runs == Path.home() / "runs"
    assert request.extra == (Path("more.csv"),) and request.tries == [{"lr": 0.1}]
    assert request.time_budget == 5400.0
    assert request.trials == 8 and type(request.trials) is int
    assert request.gpus_per_fold_run == "0.5"


def test_gpus_by_type_are_read_as_the_command_line_reads_them() -> None:
    request = Request(gpus_per_fold_run={"A100": 0.25, "T4": 1})
    assert parse_resource_request(request.gpus_per_fold_run).by_type == {"A100": 0.25, "T4": 1.0}


def test_objects_stay_what_they_are(faces: Path) -> None:
    space, frame, manifest = tint_space(), pd.read_csv(faces), load_manifest(faces)
    assert Request(space=space).space is space
    assert Request(data=frame).data is frame
    assert Request(data=manifest).data is manifest


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("space", 3, "space=3: give a SearchSpace, or the path of a space file"),
        ("space", {"lr": 1}, "give a SearchSpace"),
        ("data", [1, 2], "a DataFrame, or a manifest"),
        ("data_root", 1, "data_root=1: give a path"),
        ("runs", True, "runs=True: give a path"),
        ("extra", 5, "extra=5: give paths"),
        ("images", 5, "images=5: give paths"),
        ("labels", 5, "labels=5: give a path"),
        ("path_column", 5, "path_column=5: give the name of a column"),
        ("suffix", 5, "suffix=5: give the ending of the image files"),
        ("class_pattern", 5, "class_pattern=5: give a pattern whose first group is the class"),
        ("group_pattern", 5, "group_pattern=5: give a pattern whose first group is the group of rows"),
        ("extra", [5], "extra=5: give a path"),
        ("trials", 8.0, "trials=8.0: give a whole number"),
        ("trials", "8", "trials='8': give a whole number"),
        ("trials", True, "trials=True: give a whole number"),
        ("seed", -1, "seed=-1: give a whole number of at least 0"),
        ("max_fold_epochs", 0, "max_fold_epochs=0: give a whole number of at least 1"),
        ("time_budget", "soon", "time_budget soon: give a time"),
        ("time_budget", 0, "time_budget=0: give a time such as '2h'"),
        ("time_budget", float("nan"), "time_budget=nan: give a time"),
        ("settings", [("lr", 1)], "settings="),
        ("tries", "lr=1", "tries='lr=1': give a list of configurations"),
        ("tries", [3], "tries=3: give values by parameter name"),
        ("private", "no", "private='no': give True or False"),
        ("inline", 1, "inline=1: give True or False"),
        ("wandb", True, "wandb=True: give the name of a project"),
        ("gpus_per_fold_run", [1], "gpus_per_fold_run=[1]: give 'auto'"),
    ],
)
def test_what_is_of_no_use_is_refused_with_its_name(name: str, value: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        Request(**{name: value})
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given, budget",
    [
        (None, Budget()),
        ("2h", Budget(seconds=7200.0)),
        (500, Budget(fold_epochs=500)),
        ("500 fold-epochs", Budget(fold_epochs=500)),
        (np.int64(500), Budget(fold_epochs=500)),
        (Budget(500, 60.0), Budget(500, 60.0)),
        (Budget(seconds="2h"), Budget(seconds=7200.0)),  # type: ignore[arg-type]
    ],
)
def test_a_budget_is_fold_epochs_a_time_or_both(given: Any, budget: Budget) -> None:
    assert as_budget(given) == budget


@pytest.mark.parametrize(
    "given", [0, -3, True, 1.5, "a while", "0 fold-epochs", [], Budget(0), Budget(seconds=-1.0)]
)
def test_what_is_no_budget_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="budget"):
        as_budget(given)


def test_a_space_that_is_an_object_is_searched_and_its_header_names_no_file(
    faces: Path, tmp_path: Path
) -> None:
    lines: list[str] = []
    space = tint_space()
    request = Request(space=space, data=str(faces), runs=tmp_path, study="a", inline=True)
    result = run_search(request, say=lines.append)
    study = Study(result.study)
    assert study.header.space_file is None and study.header.space_name == "tint"
    assert study.space == space
    assert "space: given as an object, of the target tint" in lines


def test_a_study_of_an_object_is_named_after_its_target(faces: Path, tmp_path: Path) -> None:
    request = Request(space=tint_space(trials=1, finalists=1), data=str(faces), runs=tmp_path, inline=True)
    found = run_search(request, say=lambda text: None).study
    assert found.parent == tmp_path and found.name.startswith("tint-")


def test_a_frame_is_named_in_the_header_and_its_study_is_resumed_without_it(
    faces: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(faces)
    asked = Request(
        space=tint_space(), data=frame, data_root=faces.parent, runs=tmp_path, study="a", inline=True
    )
    run_search(asked, say=lambda text: None)
    assert Study(tmp_path / "a").header.manifest["source"] == "the DataFrame"
    more = Request(resume=True, runs=tmp_path, study="a", trials=5, inline=True)
    assert len(run_search(more, say=lambda text: None).complete) >= 2
    assert len(Study(tmp_path / "a").configs) == 5


def test_a_resumed_study_takes_no_other_space(faces: Path, tmp_path: Path) -> None:
    run_search(
        Request(space=tint_space(), data=str(faces), runs=tmp_path, study="a", inline=True),
        say=lambda text: None,
    )
    asked = Request(resume=True, space=tint_space(), runs=tmp_path, study="a", inline=True)
    before = (tmp_path / "a" / "journal.jsonl").read_bytes()
    with pytest.raises(StudyError, match="has its own space; leave yours out"):
        run_search(asked, say=lambda text: None)
    assert (tmp_path / "a" / "journal.jsonl").read_bytes() == before
