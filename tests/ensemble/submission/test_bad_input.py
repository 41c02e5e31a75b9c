"""What a submission is refused for, message by message."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from orchestrator.core.errors import EnsembleError
from orchestrator.core.task import Task
from orchestrator.ensemble.submission.asked import Asked
from orchestrator.ensemble.submission.deciding import decide
from orchestrator.ensemble.submission.filling import check, check_probabilities, fill
from orchestrator.ensemble.submission.ids import match_ids
from orchestrator.ensemble.submission.template import Template, read_template

LEAF = Asked(Task(("healthy", "rust", "scab")), label_columns=("label",), metric="macro_f1", needs="labels")
SKIN = Asked(Task(("0", "1")), label_columns=("target",), metric="roc_auc", needs="probabilities")
MANY = Asked(Task(("healthy", "rust", "scab"), multi_label=True), metric="macro_f1", needs="labels")


def written(tmp_path: Path, text: str) -> Template:
    (tmp_path / "t.csv").write_text(text)
    return replace(read_template(tmp_path / "t.csv"), name="t.csv")


@pytest.mark.parametrize(
    "text, asked, message",
    [
        ("id,label\na,mildew\n", LEAF,
         "template t.csv: column 'label' has 'mildew' (row 1, a), which is no class of the training "
         "table; its classes are healthy, rust, scab; if the cells mean nothing, empty them"),
        ("id,label\na,rust\nb,Rust\n", LEAF,
         "template t.csv: column 'label' has 'Rust' (row 2, b), which is no class of the training "
         "table; did you mean rust?; its classes are healthy, rust, scab; if the cells mean nothing, "
         "empty them"),
        ("id,label\na,5\n", LEAF,
         "template t.csv: column 'label' has '5' (row 1, a), which is no class of the training table; "
         "its classes are healthy, rust, scab; if the cells mean nothing, empty them"),
        ("id,label\na,0.5\n", LEAF,
         "template t.csv: column 'label' has '0.5' (row 1, a), one number a row, but there are 3 "
         "classes; it needs a column for each of them, or names of classes"),
        ("id,label\na,rust 0.1\n", LEAF,
         "template t.csv: column 'label' has 'rust 0.1' (row 1, a): more than classes in a cell, such as a "
         "class with its score, is not written; name a template of ids and classes alone, and add the rest "
         "to what is written"),
        ("id,label\na,rust 10 10 90 90\n", LEAF,
         "template t.csv: column 'label' has 'rust 10 10 90 90' (row 1, a): more than classes in a cell, "
         "such as a class with its score, is not written; name a template of ids and classes alone, and add "
         "the rest to what is written"),
        ("id,labels\na,rust mildew\n", MANY,
         "template t.csv: column 'labels' has 'mildew' (row 1, a), which is no class of the training "
         "table; its classes are healthy, rust, scab; if the cells mean nothing, empty them"),
        ("id,healthy,rust\na,0.5,0.5\n", LEAF,
         "template t.csv has no column for class 'scab' of the training table; its columns are id, "
         "healthy, rust"),
        ("id,healthy\na,0\n", LEAF,
         "template t.csv has no column for class 'rust', 'scab' of the training table; its columns "
         "are id, healthy"),
        ("id,healthy,rust,scab,mildew\na,0,0,0,0\n", LEAF,
         "template t.csv: column 'mildew' is no class of the training table; its classes are "
         "healthy, rust, scab"),
        ("healthy,rust,scab\n0,0,0\n", LEAF,
         "template t.csv has a column for each class and none for the ids; add one"),
        ("id,p_healthy,p_rust,p_scab,q_healthy,q_rust,q_scab\na,0,0,0,0,0,0\n", LEAF,
         "template t.csv: columns 'p_healthy' and 'q_healthy' may both be class 'healthy'; take one of "
         "the two sets of columns out"),
        ("id,healthy,rust,scab\na,0.3,x,0\n", LEAF,
         "template t.csv: column 'rust' has 'x' (row 1, a), where a probability or 0 or 1 belongs; "
         "empty its cells"),
        ("id,x,y\na,0,0\n", LEAF,
         "template t.csv: columns x, y are neither the classes of the training table (healthy, rust, "
         "scab) nor its label; leave the ids and what is to fill in"),
        # labels and probabilities
        ("id,label\na,rust\n", replace(LEAF, answer="probabilities"),
         "--as probabilities: template t.csv has one column, 'label', for 3 classes; leave --as out, or name "
         "a template with a column for each class"),
        ("id,target\na,no\n", replace(SKIN, task=Task(("no", "yes")), answer="probabilities"),
         "--as probabilities: the cells of column 'target' of template t.csv hold no, which are no "
         "probabilities; leave --as out, or name another --template"),
        ("id,target\na,0.5\n", replace(SKIN, answer="labels"),
         "--as labels: the cells of column 'target' of template t.csv hold 0.5, which are no labels; "
         "leave --as out, or name another --template"),
        ("id,healthy,rust,scab\na,0.3,0.3,0.4\n", replace(LEAF, answer="labels"),
         "--as labels: the cells of columns healthy, rust, scab of template t.csv hold 0.3, 0.4, which "
         "are no labels; leave --as out, or name another --template"),
        ("id,labels\na,rust scab\n", replace(MANY, answer="probabilities"),
         "--as probabilities: template t.csv has one column, 'labels', for 3 classes; leave --as out, or "
         "name a template with a column for each class"),
        ("id,target\na,0\n", replace(SKIN, metric="mine:score", needs=None),
         "template t.csv: column 'target' may ask for labels or for probabilities, and the metric "
         "mine:score does not say which; give --as labels or --as probabilities"),
    ],
)  # fmt: skip
def test_a_template_that_does_not_fit(tmp_path: Path, text: str, asked: Asked, message: str) -> None:
    with pytest.raises(EnsembleError) as refused:
        decide(written(tmp_path, text), asked)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "template t.csv has no row below a header; it needs a row for each id"),
        (b"id,label\n", "template t.csv has no row below a header; it needs a row for each id"),
        (b"id\na\n", "template t.csv has one column, 'id'; it needs the ids and at least one column to fill"),
        (b"id,id\na,b\n", "template t.csv: column 'id' appears more than once; rename one of them"),
        (b"id,label\na\n", "template t.csv: line 2 has 1 cells, the header has 2; correct that line"),
        (b"PK\x03\x04\xff\xfe",
         "template t.csv is no text in UTF-8 (invalid start byte); unpack it, or save it as CSV in UTF-8"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_template(
    tmp_path: Path, data: bytes, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_bytes(data)
    with pytest.raises(EnsembleError) as refused:
        read_template(Path("t.csv"))
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "ids, paths, message",
    [
        (["a", "b"], ["x/a.jpg", "y/a.jpg", "x/b.jpg"],
         "template t.csv: id 'a' names two images, x/a.jpg and y/a.jpg (1 such ids); take one of them "
         "out of what --predict names"),
        (["a"], ["a.jpg", "a.png"],
         "template t.csv: id 'a' names two images, a.jpg and a.png (1 such ids); take one of them out "
         "of what --predict names"),
        (["a", "b", "c"], ["a.jpg"],
         "template t.csv: 2 of 3 ids name none of the 1 images to predict: b, c; --predict must "
         "name them all"),
        (["a", "b", "a"], ["a.jpg", "b.jpg"],
         "template t.csv: rows 1 and 3 both name a.jpg; every id must be there once, take one row out"),
        (["a", "a.jpg"], ["a.jpg"],
         "template t.csv: rows 1 and 2 both name a.jpg; every id must be there once, take one row out"),
        (["1"], ["001.jpg"],
         "template t.csv: 1 of 1 ids name none of the 1 images to predict: 1; --predict must name them all"),
    ],
)  # fmt: skip
def test_ids_that_are_not_one_image_each(ids: list[str], paths: list[str], message: str) -> None:
    template = Template("t.csv", ("id", "label"), tuple((name, "") for name in ids))
    with pytest.raises(EnsembleError) as refused:
        match_ids(template, (0,), paths, {})
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "ids, message",
    [
        (["a", "b"], "out.csv: ids c are missing"),
        (["a", "b", "c", "d"], "out.csv: ids d are not in the template"),
        (["a", "b", "b", "c"], "out.csv: ids b appear more than once"),
        (["c", "a", "b"], "out.csv: the ids are not in the order of the template"),
    ],
)
def test_a_table_with_other_ids_than_the_template(ids: list[str], message: str) -> None:
    template = Template("t.csv", ("id", "label"), (("a", ""), ("b", ""), ("c", "")))
    filled = Template("out.csv", template.header, tuple((name, "rust") for name in ids))
    with pytest.raises(EnsembleError) as refused:
        check(filled, template, decide(template, LEAF), LEAF.task)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "rows, asked, message",
    [
        ([[0.5, 0.5]], LEAF,
         "probabilities (1, 2) need a row for each of 1 ids and a column for each of 3 classes"),
        ([[0.5, 0.25, np.nan]], LEAF,
         "the probability of class 'scab' in row 1 is nan; it must be finite and from 0 to 1"),
        ([[0.5, 0.25, 1.5]], MANY,
         "the probability of class 'scab' in row 1 is 1.5; it must be finite and from 0 to 1"),
        ([[0.5, 0.25, 0.5]], LEAF, "the probabilities of row 1 sum to 1.2500, not 1"),
    ],
)  # fmt: skip
def test_probabilities_that_are_none(rows: list[list[float]], asked: Asked, message: str) -> None:
    with pytest.raises(EnsembleError) as refused:
        check_probabilities(np.array(rows, np.float32), 1, asked.task)
    assert str(refused.value) == message


def test_labels_of_one_true_class_need_not_sum_to_one_where_several_may_be_true() -> None:
    check_probabilities(np.array([[0.5, 0.75, 1.0]], np.float32), 1, MANY.task)


@pytest.mark.parametrize("cell", ["", "mildew", "1"])
def test_a_cell_that_is_no_label_is_found_before_it_is_written(cell: str) -> None:
    template = Template("t.csv", ("id", "label"), (("a", "rust"),))
    layout = decide(template, LEAF)
    with pytest.raises(EnsembleError, match=f"row 1 has '{cell}', which is no label"):
        check(replace(template, rows=(("a", cell),)), template, layout, LEAF.task)


def test_what_is_filled_in_passes_the_check() -> None:
    template = Template("t.csv", ("id", "label"), (("a", ""), ("b", "")))
    layout, chances = decide(template, LEAF), np.full((2, 3), 1 / 3, np.float32)
    made = fill(template, layout, LEAF.task, chances, np.array([2, 0]))
    check(made, template, layout, LEAF.task)
    assert [row[1] for row in made.rows] == ["scab", "healthy"]
