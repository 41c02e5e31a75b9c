"""A first space from the data alone: target, metric, groups and sizes, and the file that says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.core.errors import InputError, SearchSpaceError
from orchestrator.data.targets import age_bins, categorical, joint
from orchestrator.space import SearchSpace
from orchestrator.space.loading import load_space
from orchestrator.tune.first_space.facts import Asked, Facts, Template, columns_from
from orchestrator.tune.first_space.proposal import Proposal, propose
from orchestrator.tune.first_space.rendering import render

ROWS = 60


def facts(columns: dict[str, Any], template: dict[str, Any] | None = None, **more: Any) -> Facts:
    read = None if template is None else Template("sample.csv", columns_from(pd.DataFrame(template)))
    return Facts("train.csv", columns_from(pd.DataFrame(columns)), template=read, **more)


def ids(count: int = ROWS) -> list[str]:
    return [f"img{row:03d}" for row in range(count)]


def cycle(*values: Any, count: int = ROWS) -> list[Any]:
    return [values[row % len(values)] for row in range(count)]


def written(proposal: Proposal, folder: Path) -> SearchSpace:
    path = folder / "mine.py"
    path.write_text(render(proposal, ['python -m orchestrator.tune --space mine.py --data \'a\\b """.csv\'']))
    return load_space(path)


LEAF = {"image_id": ids(), "label": cycle(0, 1, 2, 3, 4)}
SKIN = {
    "image_name": ids(),
    "patient_id": [f"IP_{row // 3:07d}" for row in range(ROWS)],
    "sex": cycle("male", "female"),
    "age_approx": cycle(45.0, 50.0, 61.0),
    "diagnosis": cycle("unknown", "nevus", "melanoma"),
    "benign_malignant": cycle("benign", "benign", "malignant"),
    "target": cycle(0, 0, 1),
}
TUBES = {
    "StudyInstanceUID": ids(),
    "ETT - Abnormal": cycle(0, 1),
    "CVC - Normal": cycle(1, 1, 0),
    "Swan Ganz Catheter Present": cycle(0, 0, 0, 1),
    "PatientID": [f"{row // 2:04x}" for row in range(ROWS)],
}
ONE_OF_FOUR = {
    "image_id": ids(),
    **{
        name: [int(row % 4 == at) for row in range(ROWS)]
        for at, name in enumerate(["ok", "both", "rust", "scab"])
    },
}
SEPARATED = {
    "image": ids(),
    "labels": cycle("scab", "rust", "healthy", "scab rust", "rust complex", "complex"),
}


TUBE_LABELS = ["ETT - Abnormal", "CVC - Normal", "Swan Ganz Catheter Present"]
FINDINGS = {
    "Image Index": ids(),
    "Finding Labels": cycle("Effusion", "Nodule", "Effusion|Nodule", "No Finding"),
    "Patient ID": cycle(*range(20)),
}
BREEDS = {
    "id": ids(),
    "breed": cycle("beagle", "pug", "chow"),
    "mood": cycle("calm", "wild", "calm", "shy"),
}
OF_TUBES = 'multi_label(["ETT - Abnormal", "CVC - Normal", "Swan Ganz Catheter Present"])'
OF_FOUR = 'one_hot(["ok", "both", "rust", "scab"])'


def sample(column: str, *names: str, value: Any = 0) -> dict[str, Any]:
    return {column: ["t1"], **{name: [value] for name in names}}


@pytest.mark.parametrize(
    ("columns", "template", "target", "metric", "group"),
    [
        (LEAF, sample("image_id", "label"), 'categorical("label")', "macro_f1", None),
        (SKIN, sample("image_name", "target"), 'binary("target", positive=1)', "roc_auc", "patient_id"),
        (TUBES, sample("StudyInstanceUID", *TUBE_LABELS), OF_TUBES, "roc_auc", "PatientID"),
        (TUBES, None, OF_TUBES, "roc_auc", "PatientID"),
        (ONE_OF_FOUR, sample("image_id", "ok", "both", "rust", "scab"), OF_FOUR, "log_loss", None),
        (
            SEPARATED,
            sample("image", "labels", value="rust"),
            'multi_label("labels", sep=" ")',
            "macro_f1",
            None,
        ),
        (BREEDS, sample("id", "Beagle", "chow", "pug"), 'categorical("breed")', "log_loss", None),
        (FINDINGS, None, 'multi_label("Finding Labels", sep="|")', "macro_f1", "Patient ID"),
    ],
    ids=["leaf", "skin", "tubes", "no template", "one of four", "separated", "breeds", "findings"],
)
def test_target_metric_and_group_of_public_layouts(
    columns: dict[str, Any], template: dict[str, Any] | None, target: str, metric: str, group: str | None
) -> None:
    made = propose(facts(columns, template))
    assert (made.target.code, made.metric.name, made.groups.column) == (target, metric, group)


def test_two_candidates_are_a_question() -> None:
    columns = {"image_id": ids(), "dx": cycle("nv", "mel", "bcc"), "sex": cycle("male", "female")}
    question = r"2 columns could be the target: dx \(3 values: bcc, mel, nv\); sex .* such as --target dx"
    with pytest.raises(InputError, match=question):
        propose(facts(columns))
    assert propose(facts(columns), Asked(target=("dx",))).target.code == 'categorical("dx")'


def test_a_column_called_label_needs_no_question() -> None:
    columns = {"path": ids(), "label": cycle("a", "b", "c"), "sex": cycle("male", "female")}
    assert propose(facts(columns)).target.columns == ("label",)


def test_a_class_that_is_the_folder_of_its_image_need_not_repeat() -> None:
    paths = ("two/a/1.jpg", "two/b/1.jpg")
    own = facts({"label": ["a", "b"]}, paths=paths)
    assert propose(own, Asked()).target.code == 'categorical("label")'
    elsewhere = facts({"label": ["a", "b"]}, paths=("1.jpg", "2.jpg"))
    with pytest.raises(InputError, match="no column looks like a target"):
        propose(elsewhere, Asked())


def test_a_number_and_a_name_for_each_class_are_one_candidate() -> None:
    columns = {"class_id": cycle(0, 1, 2), "class_name": cycle("cat", "dog", "cow"), "path": ids()}
    assert propose(facts(columns)).target.columns == ("class_name",)


def test_a_measurement_and_an_empty_or_constant_target_are_refused() -> None:
    measured = {"path": ids(), "weight": np.linspace(1, 2, ROWS)}
    with pytest.raises(InputError, match="regression"):
        propose(facts(measured), Asked(target=("weight",)))
    with pytest.raises(InputError, match="no column looks like a target"):
        propose(facts(measured))
    with pytest.raises(InputError, match="one value in every row, 'a'"):
        propose(facts({"label": ["a"] * ROWS}), Asked(target=("label",)))
    with pytest.raises(InputError, match="is empty in every row"):
        propose(facts({"label": [None] * ROWS}), Asked(target=("label",)))


def test_a_misspelt_target_and_metric_are_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match="no such column; it has image_id, label; did you mean label"):
        propose(facts(LEAF), Asked(target=("lable",)))
    with pytest.raises(SearchSpaceError, match="macro_f"):
        propose(facts(LEAF), Asked(metric="makro_f1"))
    with pytest.raises(InputError, match="holds benign, malignant; columns of labels hold 0 and 1"):
        propose(facts(SKIN), Asked(target=("target", "benign_malignant")))


def test_words_of_one_class_are_no_labels_and_notes_are_none() -> None:
    names = cycle("Cassava Mosaic Disease", "Cassava Green Mottle", "Healthy")
    assert propose(facts({"path": ids(), "label": names})).target.code == 'categorical("label")'


def test_numbers_that_count_are_suggested_as_grades_and_said_so_by_their_metric() -> None:
    columns = {"id_code": ids(), "diagnosis": cycle(0, 1, 2, 3, 4)}
    suggested = propose(facts(columns))
    assert suggested.target.code == 'categorical("diagnosis")'
    assert any("ordered=True" in note for note in suggested.target.notes)
    named = propose(facts(columns, class_files={"names.json": dict(zip("01234", "abcde", strict=True))}))
    assert not any("ordered=True" in note for note in named.target.notes)
    asked = propose(facts(columns), Asked(metric="quadratic_weighted_kappa"))
    assert asked.target.code == 'categorical("diagnosis", ordered=True)'


def test_missing_labels_get_a_rule_that_runs() -> None:
    holes = [None if row % 10 == 0 else label for row, label in enumerate(LEAF["label"])]
    made = propose(facts({**LEAF, "label": holes}))
    assert made.target.code == 'categorical("label", missing="drop")'
    assert "6 rows have no label" in made.target.notes[0]
    one = propose(facts({**LEAF, "label": [None, *LEAF["label"][1:]]}))
    assert '1 row has no label: "drop" leaves it out' in one.target.notes[0]
    tubes = {**TUBES, "CVC - Normal": [None if row % 5 == 0 else 1 for row in range(ROWS)]}
    assert 'missing="negative"' in propose(facts(tubes)).target.code


def test_the_coarsest_identity_groups_and_what_it_costs_is_said() -> None:
    columns = {
        **LEAF,
        "lesion_id": [f"L{row // 2}" for row in range(ROWS)],
        "patient_id": [f"P{row // 6}" for row in range(ROWS)],
    }
    groups = propose(facts(columns)).groups
    assert groups.column == "patient_id"
    assert "10 groups in 60 rows" in groups.notes[0]
    assert "too good" in groups.notes[1] and "lesion_id" in groups.notes[2]


def test_the_datas_own_group_is_left_alone() -> None:
    columns = {**LEAF, "id": cycle(*range(10)), "patient_id": cycle(*range(12))}
    assert propose(facts(columns, group_column="id")).groups.column is None


def test_values_that_look_like_identities_are_mentioned_only() -> None:
    groups = propose(facts({**LEAF, "code": [f"x{row // 3}" for row in range(ROWS)]})).groups
    assert groups.column is None and any("code repeat like identities" in note for note in groups.notes)


@pytest.mark.parametrize(
    ("rare", "folds", "words"), [(5, 5, ""), (3, 3, "would allow 5 folds"), (1, 2, "refused")]
)
def test_folds_follow_the_rarest_class(rare: int, folds: int, words: str) -> None:
    labels = ["rare"] * rare + cycle("a", "b", count=ROWS - rare)
    groups = propose(facts({"path": ids(), "label": labels})).groups
    assert groups.folds == folds and words in " ".join(groups.fold_notes)
    assert bool(groups.fold_notes) == (rare < 5)


@pytest.mark.parametrize(
    ("sizes", "side"), [([], 224), ([(32, 32)] * 3, 64), ([(600, 800)], 224), ([(100, 140)], 128)]
)
def test_the_image_size_follows_the_files(sizes: list[tuple[int, int]], side: int) -> None:
    assert propose(facts(LEAF, sizes=tuple(sizes))).sizes.image_size == side


def test_few_rows_get_small_batches_and_many_epochs() -> None:
    few, many = propose(facts(LEAF)).sizes, propose(facts({"label": cycle("a", "b", count=30_000)})).sizes
    assert max(few.batch_sizes) < min(many.batch_sizes) + 1 and few.epochs > many.epochs


def test_a_layout_that_knows_its_target_says_it(tmp_path: Path) -> None:
    target = joint(categorical("mask", ["worn", "none"]), age_bins([30, 60]))
    columns = {"mask": cycle("worn", "none"), "age": cycle(20, 40, 70), "id": cycle(*range(9))}
    made = propose(facts(columns, group_column="id", layout_target=target))
    assert written(made, tmp_path).target == target
    assert propose(facts(columns, layout_target=target), Asked(("mask",))).target.columns == ("mask",)


@pytest.mark.parametrize(
    "columns", [LEAF, SKIN, TUBES, ONE_OF_FOUR, SEPARATED], ids=["leaf", "skin", "tubes", "one", "sep"]
)
@pytest.mark.parametrize("rows", [60, 6000])
def test_the_file_it_writes_is_a_space_at_every_scale(
    columns: dict[str, Any], rows: int, tmp_path: Path
) -> None:
    grown = {name: (values * (rows // ROWS)) for name, values in columns.items()}
    asked = Asked(target=("target",)) if "target" in columns else Asked()
    space = written(propose(facts(grown), asked), tmp_path)
    for scale in ("full", "small", "smoke"):
        assert space.at_scale(scale).folds >= 2
    assert space.at_scale("smoke").max_t <= 2


def test_names_with_quotes_and_line_ends_stay_inside_their_quotes(tmp_path: Path) -> None:
    odd = 'a "b" \\ c\nd'
    columns = {odd: cycle('x"""', "y\ny", "z")}
    space = written(propose(facts(columns), Asked(target=(odd,))), tmp_path)
    assert space.target.columns == (odd,)


def test_a_column_of_folds_is_mentioned_and_no_target() -> None:
    made = propose(facts({"path": ids(), "species": cycle("a", "b"), "kfold": cycle(*range(5))}))
    assert made.target.columns == ("species",)
    assert 'fold_column="kfold", folds=5' in made.own_folds[0]


def test_batches_fit_into_half_of_few_rows() -> None:
    columns = {"path": ids(12), "label": cycle("a", "b", count=12)}
    made = propose(facts(columns))
    assert made.sizes.batch_sizes == (3,) and '"batch_size": 3,' in render(made, [])
    assert '"batch_size": choice([' in render(propose(facts(LEAF)), [])


def test_a_metric_has_to_suit_the_target_and_may_be_ones_own(tmp_path: Path) -> None:
    with pytest.raises(SearchSpaceError, match="quadratic_weighted_kappa"):
        propose(facts(TUBES), Asked(metric="quadratic_weighted_kappa"))
    made = propose(facts(LEAF), Asked(metric="my_metrics:score"))
    assert (written(made, tmp_path).metric, written(made, tmp_path).mode) == ("my_metrics:score", "max")
    for columns in (LEAF, TUBES, SEPARATED, ONE_OF_FOUR):
        for name in propose(facts(columns)).metric.others:
            assert propose(facts(columns), Asked(metric=name)).metric.name == name


def test_words_have_no_order_that_a_metric_could_use() -> None:
    columns = {"path": ids(), "grade": cycle("mild", "none", "severe")}
    with pytest.raises(InputError, match="needs an order, and that of mild, none, severe is not known"):
        propose(facts(columns), Asked(metric="quadratic_weighted_kappa"))


def test_few_labels_in_many_sets_need_not_stand_alone() -> None:
    weather, land = ("clear", "haze", "partly"), ("forest", "water", "road", "farm")
    tags = [f"{weather[row % 3]} {land[row % 4]} {land[row // 4 % 4]}" for row in range(ROWS)]
    assert propose(facts({"image_name": ids(), "tags": tags})).target.code == 'multi_label("tags", sep=" ")'
    breeds = [
        f"{kind} {dog}" for kind in ("golden", "brown", "tall", "old") for dog in ("pug", "hound", "terrier")
    ]
    names = facts({"path": ids(), "breed": cycle(*breeds)})
    assert propose(names).target.code == 'categorical("breed")'


def test_uncertain_labels_are_refused_with_the_way_out() -> None:
    columns = {"Path": ids(), "Edema": cycle(1.0, 0.0, -1.0), "Effusion": cycle(1.0, None)}
    with pytest.raises(InputError, match=r"'Edema' .* holds -1, 0, 1; .*has to be made 0, 1 or empty"):
        propose(facts(columns), Asked(target=("Edema", "Effusion")))


def test_a_column_that_is_one_everywhere_is_no_label() -> None:
    made = propose(facts({**TUBES, "views": [1] * ROWS}))
    assert "views" not in made.target.columns


def test_a_name_that_ends_as_a_target_serves_where_none_is_one() -> None:
    columns = {**FINDINGS, "Patient Gender": cycle("F", "M"), "Follow-up #": cycle(0, 1, 2)}
    assert propose(facts(columns)).target.columns == ("Finding Labels",)


def test_words_and_a_sample_submission_in_numbers_leave_the_positive_class_to_the_user() -> None:
    made = propose(facts({"path": ids(), "label": cycle("cat", "dog")}, sample("id", "label")))
    assert made.target.code == 'categorical("label")'
    assert 'binary("label", positive="dog") or positive="cat"' in made.target.notes[0]


def test_folders_that_look_like_identities_are_mentioned() -> None:
    paths = tuple(f"train/patient{row // 3:05d}/study1/{row}.jpg" for row in range(ROWS))
    notes = propose(facts(LEAF, paths=paths)).groups.notes
    assert "in 20 folders such as patient00000, which look like identities" in notes[-1]


def test_grades_may_go_by_halves() -> None:
    made = propose(facts({"path": ids(), "severity": cycle("1.0", "1.5", "2.0")}))
    assert made.target.code == 'categorical("severity")'
    assert "rise from 1" in made.target.notes[0]


def test_many_numbers_as_classes_come_with_the_way_to_bins() -> None:
    columns = {"path": ids(400), "age": cycle(*range(1, 91), count=400)}
    made = propose(facts(columns), Asked(target=("age",)))
    assert 'age_bins([31, 61], column="age", name="age")' in made.target.notes[-1]


def test_what_stands_in_the_sample_submission_finds_the_target_and_how_many_guesses_count() -> None:
    whales = {
        "image": ids(),
        "species": cycle("humpback", "beluga"),
        "individual_id": cycle("a7", "b1", "c9", "d4", "e0"),
    }
    found = propose(facts(whales, sample("predictions", "x", value="c9 a7 e0")), Asked())
    assert (found.target.columns, found.metric.name) == (("individual_id",), "top_k_accuracy@3")
    assert "3 guesses a row" in found.metric.why
    numbers = {"image": ids(), "kind": cycle(1, 2, 3), "grade": cycle(1, 2)}
    with pytest.raises(InputError, match="2 columns could be the target"):
        propose(facts(numbers, sample("predictions", "x", value=1)), Asked())


def test_columns_of_minus_one_and_one_are_labels() -> None:
    faces = {
        "image_id": ids(),
        "bald": cycle(1, -1),
        "young": cycle(-1, -1, 1),
        "glasses": cycle(1, 1, -1, -1),
    }
    found = propose(facts(faces), Asked())
    assert found.target.code == 'multi_label(["bald", "young", "glasses"])'
    assert found.target.said_by == "they are the 3 columns of -1 and 1"
    assert found.target.counts == {"bald": 30, "young": 20, "glasses": 30}


def test_a_column_of_numbers_beside_the_only_candidate_is_said() -> None:
    hands = {"id": range(1000, 1000 + ROWS), "boneage": range(ROWS), "male": cycle(True, False)}
    paths = tuple(f"hands/{number}.png" for number in hands["id"])
    said_by = propose(facts(hands, paths=paths), Asked()).target.said_by
    assert said_by == (
        "it is the only column whose values can be classes; boneage: many different numbers, and predicting "
        "a number (regression) is not supported"
    )


def test_a_column_with_uncertain_cells_and_a_table_of_numbers_alone_are_told_of() -> None:
    chest = {"image": ids(), "edema": cycle(0, 1, -1)}
    assert "If -1 stands for uncertain" in " ".join(propose(facts(chest), Asked()).target.notes)
    galaxies = {"galaxy": ids(), "smooth": [row / 64 for row in range(ROWS)]}
    with pytest.raises(
        InputError, match=r"smooth: many different numbers, .* \(regression\) is not supported$"
    ):
        propose(facts(galaxies), Asked())


def test_a_class_without_a_row_is_left_out_and_costs_no_fold() -> None:
    columns = {"a": cycle(1, 0, 0), "b": cycle(0, 1, 0), "c": cycle(0, 0, 1), "unk": cycle(0)}
    asked = Asked(target=("a", "b", "c", "unk"))
    groups = propose(facts({"image": ids(), **columns}), asked).groups
    assert (groups.folds, groups.refused) == (5, True)
    assert "unk (0 groups)" in " ".join(groups.fold_notes) and "--drop-rare 5" in " ".join(groups.fold_notes)
