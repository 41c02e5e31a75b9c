"""What a template asks for, and what is written into it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.core.task import Task
from orchestrator.ensemble.submission.asked import Asked
from orchestrator.ensemble.submission.deciding import decide
from orchestrator.ensemble.submission.filling import check, fill
from orchestrator.ensemble.submission.layout import Kind, Layout
from orchestrator.ensemble.submission.planning import asked_for
from orchestrator.ensemble.submission.spellings import column_spellings
from orchestrator.ensemble.submission.template import Template, read_template, rendered
from orchestrator.space import categorical, one_hot
from tests.support.submission_reader import read_submission

LEAF = Task(("healthy", "rust", "scab"))
GRADES = Task(("0", "1", "2", "3", "4"), ordered=True)
SKIN = Task(("0", "1"))
PETS = Task(("cat", "dog"))
LINES = Task(("ETT - Abnormal", "NGT - Normal", "CVC"), multi_label=True)
THREE = np.array([[0.2, 0.7, 0.1], [0.5, 0.25, 0.25]], np.float32)
TWO = np.array([[0.25, 0.75], [0.875, 0.125]], np.float32)
FIVE = np.array([[0.1, 0.1, 0.1, 0.6, 0.1], [0.6, 0.1, 0.1, 0.1, 0.1]], np.float32)
MANY = np.array([[0.75, 0.5, 0.125], [0.25, 0.125, 0.0]], np.float32)
FOUND = np.array([[1, 1, 0], [0, 0, 0]], np.int64)


def template(tmp_path: Path, text: str) -> Template:
    (tmp_path / "t.csv").write_text(text)
    return read_template(tmp_path / "t.csv")


def filled(tmp_path: Path, text: str, asked: Asked, probabilities: np.ndarray) -> tuple[Layout, str]:
    """What is decided of a template of two rows, and the file."""
    form = template(tmp_path, text)
    layout = decide(form, asked)
    labels = FOUND if asked.task.multi_label else probabilities.argmax(axis=1)
    made = fill(form, layout, asked.task, probabilities, labels)
    check(made, form, layout, asked.task)
    (tmp_path / "out.csv").write_bytes(rendered(made))
    chances = layout.kind is Kind.PROBABILITIES
    read_submission(
        tmp_path / "out.csv", tmp_path / "t.csv",
        labels=None if chances else {"", *layout.words},
        several=layout.separator if layout.kind is Kind.LABEL_SET else None,
        probabilities=chances, filled=(*layout.columns, *layout.zeros),
        sums_to_one=chances and len(layout.columns) == len(asked.task) and not asked.task.multi_label,
    )  # fmt: skip
    return layout, (tmp_path / "out.csv").read_text()


@pytest.mark.parametrize(
    "text, task, table, expected",
    [
        # names, as the template writes them, and into empty cells as the training table does
        ("id,label\na,rust\nb,rust\n", LEAF, None, "id,label\na,rust\nb,healthy\n"),
        ("id,label\na,\nb,\n", LEAF, None, "id,label\na,rust\nb,healthy\n"),
        ("id,label\na,\nb,\n", SKIN, ("False", "True"), "id,label\na,True\nb,False\n"),
        ("id,label\na,Rust\nb,Scab\n", LEAF, ("Healthy", "Rust", "Scab"), "id,label\na,Rust\nb,Healthy\n"),
        # numbers: the classes' own, or their place
        ("id,diagnosis\na,0\nb,0\n", GRADES, None, "id,diagnosis\na,3\nb,0\n"),
        ("id,diagnosis\na,0.0\nb,0.0\n", GRADES, None, "id,diagnosis\na,3.0\nb,0.0\n"),
        ("id,ans\na,0\nb,0\n", LEAF, None, "id,ans\na,1\nb,0\n"),
        ("id,ans\na,0\nb,0\n", PETS, None, "id,ans\na,1\nb,0\n"),
        ("id,ans\na,False\nb,False\n", SKIN, None, "id,ans\na,True\nb,False\n"),
        ("id,level\na,1.0\nb,1.5\n", Task(("1.0", "1.5", "2.0")), None, "id,level\na,1.5\nb,1.0\n"),
        ("Category,Id\nrust,a\nrust,b\n", LEAF, None, "Category,Id\nrust,a\nhealthy,b\n"),
        # other columns stay, wherever the label stands
        ("label,id,site\nrust,a,x\nrust,b,y\n", LEAF, None, "label,id,site\nrust,a,x\nhealthy,b,y\n"),
    ],
)  # fmt: skip
def test_one_column_of_labels(
    tmp_path: Path, text: str, task: Task, table: tuple[str, ...] | None, expected: str
) -> None:
    probabilities = {2: TWO, 3: THREE, 5: FIVE}[len(task)]
    asked = Asked(task, table, ("label",), metric="macro_f1", needs="labels")
    layout, written = filled(tmp_path, text, asked, probabilities)
    assert layout.kind is Kind.LABEL
    assert written == expected


@pytest.mark.parametrize(
    "text, task, needs, answer, second",
    [
        ("id,target\na,0.5\nb,0.5\n", SKIN, "labels", None, "0.75"),
        ("id,target\na,0.0\nb,0.0\n", SKIN, "labels", None, "0.75"),
        ("id,target\na,0\nb,0\n", SKIN, "probabilities", None, "0.75"),
        ("id,target\na,0\nb,0\n", SKIN, "labels", "probabilities", "0.75"),
        ("id,target\na,\nb,\n", SKIN, "probabilities", None, "0.75"),
        ("id,p\na,0\nb,0\n", SKIN, "labels", None, "0.75"),
        ("id,label\na,0.5\nb,0.5\n", PETS, "labels", None, "0.75"),
        ("id,cat\na,0.5\nb,0.5\n", PETS, "labels", None, "0.25"),  # a column that is named after a class
    ],
)
def test_one_column_of_probabilities(
    tmp_path: Path, text: str, task: Task, needs: str, answer: str | None, second: str
) -> None:
    layout, written = filled(tmp_path, text, Asked(task, needs=needs, answer=answer), TWO)
    assert layout.kind is Kind.PROBABILITIES
    assert written.splitlines()[1] == f"a,{second}"


def test_zeros_are_labels_or_probabilities_by_the_metric_by_the_name_or_as_the_user_says(
    tmp_path: Path,
) -> None:
    form = template(tmp_path, "id,target\na,0\nb,0\n")
    kinds = {
        (needs, answer): decide(form, Asked(SKIN, needs=needs, answer=answer)).kind
        for needs in ("labels", "probabilities")
        for answer in (None, "labels", "probabilities")
    }
    assert kinds == {
        ("labels", None): Kind.LABEL,
        ("labels", "labels"): Kind.LABEL,
        ("labels", "probabilities"): Kind.PROBABILITIES,
        ("probabilities", None): Kind.PROBABILITIES,
        ("probabilities", "labels"): Kind.LABEL,
        ("probabilities", "probabilities"): Kind.PROBABILITIES,
    }
    # Where the training table itself writes 0.0, the decimals say nothing.
    floats = template(tmp_path, "id,target\na,0.0\nb,0.0\n")
    assert decide(floats, Asked(SKIN, ("0.0", "1.0"), needs="labels")).kind is Kind.LABEL


@pytest.mark.parametrize(
    "header",
    ["id,healthy,rust,scab", "id,p_healthy,p_rust,p_scab", "id,class healthy,class rust,class scab",
     "id,Healthy,Rust,Scab", "id,0,1,2", "id,class_0,class_1,class_2"],
)  # fmt: skip
def test_a_column_for_each_class_by_name_in_whatever_order(tmp_path: Path, header: str) -> None:
    text = f"{header}\na,0.3,0.3,0.3\nb,0.3,0.3,0.3\n"
    layout, written = filled(tmp_path, text, Asked(LEAF, needs="labels"), THREE)
    assert layout.kind is Kind.PROBABILITIES
    assert written == f"{header}\na,0.2,0.7,0.1\nb,0.5,0.25,0.25\n"
    first, *names = header.split(",")
    turned = ",".join([*reversed(names), first])
    form = template(tmp_path, f"{turned}\n0.3,0.3,0.3,a\n0.3,0.3,0.3,b\n")
    made = fill(form, decide(form, Asked(LEAF, needs="labels")), LEAF, THREE, THREE.argmax(axis=1))
    assert rendered(made).decode() == f"{turned}\n0.1,0.7,0.2,a\n0.25,0.25,0.5,b\n"


@pytest.mark.parametrize(
    "cell, needs, rows",
    [
        ("0", "labels", ["a,1,1,0", "b,0,0,0"]),
        ("0", "probabilities", ["a,0.75,0.5,0.125", "b,0.25,0.125,0.0"]),
        ("0.5", "labels", ["a,0.75,0.5,0.125", "b,0.25,0.125,0.0"]),
        ("False", "probabilities", ["a,True,True,False", "b,False,False,False"]),
    ],
)
def test_a_column_for_each_label(tmp_path: Path, cell: str, needs: str, rows: list[str]) -> None:
    text = f"id,ETT - Abnormal,NGT - Normal,CVC\na,{cell},{cell},{cell}\nb,{cell},{cell},{cell}\n"
    _, written = filled(tmp_path, text, Asked(LINES, needs=needs), MANY)
    assert written.splitlines()[1:] == rows


@pytest.mark.parametrize(
    "cell, separator, row",
    [
        ("healthy", None, "a,healthy rust"),
        ("healthy scab", None, "a,healthy rust"),
        ("healthy|scab", None, "a,healthy|rust"),
        ("", None, "a,healthy rust"),
        ("", "|", "a,healthy|rust"),
        ("0 1", None, "a,0 1"),
    ],
)
def test_all_labels_of_a_row_in_one_cell(tmp_path: Path, cell: str, separator: str | None, row: str) -> None:
    task = Task(LEAF.classes, multi_label=True)
    text = f"id,labels\na,{cell}\nb,{cell}\n"
    layout, written = filled(tmp_path, text, Asked(task, separator=separator, needs="labels"), MANY)
    assert layout.kind is Kind.LABEL_SET
    assert written == f"id,labels\n{row}\nb,\n"


def test_as_many_guesses_as_the_template_shows(tmp_path: Path) -> None:
    text = "Image,Id\na,scab rust\nb,scab rust\n"
    form = template(tmp_path, text)
    layout = decide(form, Asked(LEAF, label_columns=("Id",), needs="labels"))
    assert (layout.kind, layout.count) == (Kind.RANKING, 2)
    made = fill(form, layout, LEAF, THREE, THREE.argmax(axis=1))
    check(made, form, layout, LEAF)
    assert rendered(made).decode() == "Image,Id\na,rust healthy\nb,healthy rust\n"


def test_a_template_may_name_classes_that_were_left_out_as_rare(tmp_path: Path) -> None:
    target = categorical("Id", ["healthy", "rust", "scab", "wilt", "burn"])
    target = replace(target, changes=target.changes.without(["wilt"]).merging(["burn"], "rust"))
    asked = asked_for(target, "macro_f1", None)
    guesses = template(tmp_path, "Image,Id\na,wilt rust\nb,burn scab\n")
    layout = decide(guesses, asked)
    assert (layout.kind, layout.count) == (Kind.RANKING, 2)
    check(fill(guesses, layout, LEAF, THREE, THREE.argmax(axis=1)), guesses, layout, LEAF)
    assert decide(template(tmp_path, "Image,Id\na,wilt\nb,rust\n"), asked).words == target.classes
    with pytest.raises(EnsembleError, match=r"'blight'.*which is no class of the training table"):
        decide(template(tmp_path, "Image,Id\na,blight\nb,wilt\n"), asked)


@pytest.mark.parametrize(("cell", "never"), [("0.1", "0.0"), ("0", "0")])
def test_the_column_of_a_class_that_was_left_out_as_rare_is_zero(
    cell: str, never: str, tmp_path: Path
) -> None:
    target = one_hot(["healthy", "rust", "scab", "unk"])
    target = replace(target, changes=target.changes.without(["unk"]))
    text = f"id,p_healthy,p_unk,p_rust,p_scab\na{4 * f',{cell}'}\nb{4 * f',{cell}'}\n"
    layout, written = filled(tmp_path, text, asked_for(target, "macro_f1", None), THREE)
    assert layout.says.endswith("; 0 for p_unk, left out as rare")
    assert [line.split(",")[2] for line in written.splitlines()] == ["p_unk", never, never]


def test_numbers_of_classes_are_those_of_the_training_tables_own_column(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "label": [7, 3, 5, 3],
            "label_name": ["healthy", "rust", "scab", "rust"],
            "site": ["x", "x", "y", "y"],
            "code": ["h", "r", "s", None],
        }
    )
    columns = column_spellings(frame, np.array([0, 1, 2, 1]), 3, ("label_name",))
    assert columns == {"label": ["7", "3", "5"]}
    asked = Asked(LEAF, label_columns=("label_name",), columns=columns, needs="labels")
    layout, written = filled(tmp_path, "id,label\na,3\nb,3\n", asked, THREE)
    assert layout.says == "column 'label': the class, as column 'label' of the training table writes it"
    assert written == "id,label\na,3\nb,7\n"
    # Numbers that may be a class's place, too, are the column's where it has the template's name.
    own = {"code": ["0", "2", "1"], "label": ["2", "0", "1"]}
    asked = Asked(LEAF, label_columns=("label_name",), columns=own, needs="labels")
    assert filled(tmp_path, "id,label\na,0\nb,0\n", asked, THREE)[1] == "id,label\na,0\nb,2\n"
    assert filled(tmp_path, "id,code\na,0\nb,0\n", asked, THREE)[1] == "id,code\na,2\nb,0\n"


def test_names_with_spaces_are_not_separated_by_spaces(tmp_path: Path) -> None:
    text = "id,labels\na,ETT - Abnormal|CVC\nb,CVC\n"
    _, written = filled(tmp_path, text, Asked(LINES, needs="labels"), MANY)
    assert written == "id,labels\na,ETT - Abnormal|NGT - Normal\nb,\n"


def test_a_row_of_one_class_sums_to_one_although_a_network_left_a_rest(tmp_path: Path) -> None:
    text = "id,healthy,rust,scab\na,0.3,0.3,0.3\nb,0.3,0.3,0.3\n"
    _, written = filled(tmp_path, text, Asked(LEAF, needs="labels"), THREE * np.float32(0.996))
    assert np.allclose(
        [sum(map(float, line.split(",")[1:])) for line in written.splitlines()[1:]], 1, atol=1e-6
    )


def test_tiny_probabilities_are_written_without_exponent(tmp_path: Path) -> None:
    tiny = np.array([[1 - 1e-9, 1e-9], [0, 1]], np.float32)
    _, written = filled(tmp_path, "id,target\na,0.5\nb,0.5\n", Asked(SKIN, needs="labels"), tiny)
    assert written == "id,target\na,0.000000001\nb,1.0\n"


def test_a_metric_that_does_not_say_leaves_the_question_to_the_user(tmp_path: Path) -> None:
    form = template(tmp_path, "id,target\na,0\nb,0\n")
    with pytest.raises(EnsembleError, match="give --as labels or --as probabilities"):
        decide(form, Asked(SKIN, metric="mine:score"))
