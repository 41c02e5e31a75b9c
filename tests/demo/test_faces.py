"""The demo faces: one seed, one set of bytes; honest about people, silent about age except in the face."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from orchestrator.core.errors import ManifestError, StorageError
from orchestrator.data.folds import build_fold_plan
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.data.targets import age_bins, categorical, joint
from orchestrator.demo import faces as module
from orchestrator.demo.drawing.face import paint
from orchestrator.demo.drawing.people import HAIR_STYLES, RACES, Ageing, Person, draw_people, draw_photo
from orchestrator.demo.faces import demo_faces, make_demo_faces

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AGE = age_bins([30, 60])
GENDER = categorical("gender", ["male", "female"])
MASK = categorical("mask", ["worn", "wrong", "none"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `demo_faces` draws, once for this file."""
    return demo_faces(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def manifest(folder: Path) -> Manifest:
    return load_manifest(folder)


def person_of(age: int, gender: str = "female", seed: int = 0) -> Person:
    people = draw_people(60, 8, np.random.default_rng(seed))
    return replace(next(p for p in people if p.gender == gender and p.hair_style == "crop"), age=age)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


# ---- the files ------------------------------------------------------------------------------------


def test_the_demo_faces_are_people_with_seven_photos_skewed_as_the_competition(manifest: Manifest) -> None:
    frame = manifest.frame
    assert len(frame) == 1680 and frame["group"].nunique() == 240
    people = frame.groupby("group").first()
    shares = np.bincount(AGE.encode(people)) / 240
    assert 0.44 < shares[0] < 0.50 and 0.43 < shares[1] < 0.50 and 0.05 < shares[2] < 0.09
    old = people[people["age"] >= 60]
    assert old["gender"].value_counts().min() >= 8 and people["gender"].value_counts().min() >= 110
    assert frame["mask"].value_counts().to_dict() == {"worn": 1200, "wrong": 240, "none": 240}
    assert build_fold_plan(manifest, 5, 0, (MASK, GENDER, AGE)).k == 5


def test_the_hidden_answers_lie_beside_the_evaluation_part_and_the_importer_never_sees_them(
    folder: Path,
) -> None:
    frame = load_manifest(folder / "eval").frame
    assert (
        len(frame) == 420
        and set(frame["role"]) == {"test"}
        and set(frame["group"]) == set(frame["path"].str[7:])
    )
    assert list(frame.columns) == ["path", "group", "role", "ImageID"]
    with (folder / "eval_answers.csv").open() as file:
        answers = {row["ImageID"]: int(row["ans"]) for row in csv.DictReader(file)}
    assert list(answers) == frame["ImageID"].tolist()
    counts = np.bincount(list(answers.values()), minlength=18).reshape(3, 2, 3).sum(axis=(1, 2))
    assert counts.tolist() == [300, 60, 60]
    with (folder / "eval" / "info.csv").open() as file:
        assert {row["ans"] for row in csv.DictReader(file)} == {"0"}


def test_the_answers_are_the_joint_label_of_who_was_drawn(tmp_path: Path) -> None:
    """A training part of the same people tells what their labels are."""
    make_demo_faces(tmp_path / "a", people=8, eval_people=2, size=32)
    labels = joint(MASK, GENDER, AGE).encode(load_manifest(tmp_path / "a").frame)
    people = draw_people(8, 8, np.random.default_rng([0, 8]))
    expected = {(p.gender == "female") * 3 + (p.age >= 30) + (p.age >= 60) for p in people}
    assert {int(label) % 6 for label in labels} == expected


def test_one_seed_gives_the_same_bytes_and_another_seed_other_ones(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        make_demo_faces(tmp_path / name, seed, people=4, eval_people=2, size=48)
    first, again, other = (digests(tmp_path / name) for name in "abc")
    assert first == again
    assert len(set(first.values()) & set(other.values())) <= 1, "only the marker may agree"


def test_suffixes_vary_and_every_picture_has_the_size_asked_for(tmp_path: Path) -> None:
    make_demo_faces(tmp_path / "a", people=4, eval_people=2, size=64)
    paths = sorted((tmp_path / "a" / "train" / "images").rglob("*.*"))
    assert {path.suffix for path in paths} == {".jpg", ".png"} and len(paths) == 28
    assert all(cv2.imread(str(path)).shape == (64, 64, 3) for path in paths)


def test_progress_rises_to_the_number_of_photos(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    make_demo_faces(tmp_path / "a", people=3, eval_people=2, size=32, progress=lambda *at: seen.append(at))
    assert seen == [(7 * (step + 1), 35) for step in range(5)]


@pytest.mark.parametrize("wrong", [{"people": 1}, {"eval_people": 0}, {"size": 8}])
def test_an_impossible_request_is_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ManifestError, match="demo faces need"):
        make_demo_faces(tmp_path / "a", **wrong)  # type: ignore[arg-type]


def test_a_folder_that_holds_something_is_not_drawn_into(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ManifestError, match="not empty"):
        make_demo_faces(tmp_path, people=2, eval_people=2)


# ---- made once, whole or not at all ---------------------------------------------------------------


def small(seen: list[Path]) -> Callable[..., Path]:
    def make(directory: Path, seed: int = 0, progress: object = None) -> Path:
        seen.append(directory)
        return make_demo_faces(directory, seed, people=2, eval_people=2, size=32)

    return make


def test_the_faces_are_drawn_once_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    monkeypatch.setattr(module, "make_demo_faces", small(seen))
    first = demo_faces(tmp_path / "cache")
    assert demo_faces(tmp_path / "cache") == first and len(seen) == 1
    assert demo_faces(tmp_path / "cache", seed=1) != first and len(seen) == 2
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(
        [first.name, first.name.replace("seed0", "seed1")]
    )


def test_a_drawing_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write_tables", no_space)
    monkeypatch.setattr(
        module, "draw_people", lambda *_, first=0: draw_people(2, 1, np.random.default_rng(0), first)
    )
    with pytest.raises(StorageError, match="No space left"):
        demo_faces(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_that_was_faster_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken(directory: Path, seed: int = 0, progress: object = None) -> Path:
        small([])(tmp_path / f"demo-faces-v{module._VERSION}-seed{seed}", seed)
        return small([])(directory, seed)

    monkeypatch.setattr(module, "make_demo_faces", overtaken)
    folder = demo_faces(tmp_path)
    assert list(tmp_path.iterdir()) == [folder]


def test_faces_without_their_marker_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "make_demo_faces", small([]))
    (demo_faces(tmp_path) / "complete.json").unlink()
    with pytest.raises(ManifestError, match="delete that folder"):
        demo_faces(tmp_path)


# ---- what can be read from a face, and what can't --------------------------------------------------


def test_age_is_drawn_by_its_signs_and_by_nothing_else() -> None:
    photo = draw_photo("none", np.random.default_rng(1))
    young = person_of(20)
    assert np.array_equal(paint(young, photo, 96), paint(replace(young, age=75), photo, 96))
    old = replace(young, ageing=Ageing(*[75.0] * len(fields(Ageing))))
    changed = np.abs(paint(young, photo, 96).astype(int) - paint(old, photo, 96)).max(axis=2) > 12
    assert changed.sum() > 150
    outside = np.ones((96, 96), bool)
    outside[18:88, 18:78] = False
    assert not changed[outside].any(), "background, hair and clothes must not change with age"


def test_the_signs_of_age_stay_visible_above_a_mask() -> None:
    photo = replace(draw_photo("worn", np.random.default_rng(2)), turn=0.0, zoom=1.0, shift=(0.0, 0.0))
    young = replace(person_of(20), glasses=None, ageing=Ageing(*[22.0] * 8))
    for apparent, least in ((45.0, 60), (70.0, 150)):
        older = replace(young, ageing=Ageing(*[apparent] * 8))
        changed = np.abs(paint(young, photo, 96).astype(int) - paint(older, photo, 96)).max(axis=2) > 12
        assert changed[:55].sum() > least
        assert changed[60:].sum() == 0, "what lies under the mask cannot be seen"


def test_each_state_of_the_mask_looks_different() -> None:
    person, rng = person_of(25), np.random.default_rng(3)
    photo = replace(draw_photo("worn", rng), noise_seed=2)
    worn, wrong, bare = (
        paint(person, replace(photo, wearing=state), 96).astype(int) for state in ("worn", "wrong", "none")
    )
    for one, other in ((worn, wrong), (worn, bare), (wrong, bare)):
        assert (np.abs(one - other).max(axis=2) > 25).sum() > 250


def test_who_somebody_is_says_nothing_about_their_age() -> None:
    """Hair, skin, background, clothes, glasses and build of 1,500 people: no better than chance."""
    people = draw_people(1500, 8, np.random.default_rng(0))
    features = np.array([_identity(person) for person in people])
    ages = np.digitize([person.age for person in people], [30, 60])
    forest = RandomForestClassifier(30, min_samples_leaf=5, class_weight="balanced", random_state=0)
    found = _macro_f1(forest, features, ages)
    chance = _macro_f1(DummyClassifier(strategy="stratified", random_state=0), features, ages)
    assert abs(found - chance) < 0.04, (found, chance)


def test_the_signs_of_age_say_much_but_not_all() -> None:
    people = draw_people(1500, 8, np.random.default_rng(0))
    signs = np.array([[getattr(p.ageing, item.name) for item in fields(Ageing)] for p in people])
    ages = np.digitize([person.age for person in people], [30, 60])
    found = _macro_f1(
        make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced")), signs, ages
    )
    assert 0.75 < found < 0.97, found


def test_colours_of_the_pictures_do_not_give_the_age_away(manifest: Manifest) -> None:
    """Background, hair and clothes as a model sees them, one bare photo of each person."""
    bare = manifest.frame[manifest.frame["mask"] == "none"]
    pictures = [cv2.imread(str(manifest.root / path)) / 255 for path in bare["path"]]
    patches = [
        (slice(0, 14), slice(0, 14)),
        (slice(0, 14), slice(-14, None)),
        (slice(10, 20), slice(38, 58)),
        (slice(-5, None), slice(20, 76)),
    ]
    features = np.array([[picture[patch].mean(axis=(0, 1)) for patch in patches] for picture in pictures])
    ages = AGE.encode(bare)
    forest = RandomForestClassifier(60, min_samples_leaf=3, class_weight="balanced", random_state=0)
    assert _macro_f1(forest, features.reshape(len(bare), -1), ages) < 0.42


def test_a_split_that_leaks_people_scores_visibly_higher_than_an_honest_one(manifest: Manifest) -> None:
    """Age from 16 px pictures by logistic regression: rows split without regard to people, and by person."""
    pictures = [cv2.imread(str(manifest.root / path)) for path in manifest.frame["path"]]
    pixels = np.array([cv2.resize(p, (16, 16), interpolation=cv2.INTER_AREA).ravel() for p in pictures]) / 255
    ages = AGE.encode(manifest.frame)
    honest_folds = build_fold_plan(manifest, 5, 0, (AGE, GENDER)).folds.astype(np.int64)
    leaking_folds = np.random.default_rng(0).permutation(len(ages)) % 5
    honest, leaking = (_score(pixels, ages, folds) for folds in (honest_folds, leaking_folds))
    constant = f1_score(ages, np.zeros_like(ages), average="macro")
    assert leaking - honest >= 0.15, (leaking, honest)
    assert honest > constant + 0.10 and honest > 0.38, (honest, constant)


def test_races_and_hair_styles_all_occur(manifest: Manifest) -> None:
    assert set(manifest.frame["race"]) == set(RACES)
    people = draw_people(240, 8, np.random.default_rng([0, 240]))
    assert {person.hair_style for person in people} == set(HAIR_STYLES)


def _identity(person: Person) -> list[float]:
    colours = [*person.skin, *person.hair, *person.background[0], *person.background[1], *person.clothes]
    kinds = [RACES.index(person.race), HAIR_STYLES.index(person.hair_style), person.glasses is not None]
    return [*colours, *kinds, person.face_width, person.eye_distance, person.nose, person.collar]


def _macro_f1(model: object, features: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return float(f1_score(labels, cross_val_predict(model, features, labels, cv=folds), average="macro"))


def _score(features: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.int64]) -> float:
    predicted = np.zeros_like(labels)
    for fold in range(5):
        model = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.01, max_iter=300, tol=1e-2, class_weight="balanced")
        )
        inside = folds == fold
        predicted[inside] = model.fit(features[~inside], labels[~inside]).predict(features[inside])
    return float(f1_score(labels, predicted, average="macro"))
