"""One function for each public layout: the files that unpacking its download gives, with drawn pictures.

Each draws into `root` about `rows` training and a quarter as many test images, and the same ones for the same
`rng`. Labels come in the shares that the competition has, so far as so few rows can show them. What the test
images show is returned, and written nowhere.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orchestrator.demo.faces import make_demo_faces
from tests.competitions.pictures import draw, draw_grade, save

Truth = dict[str, tuple[str, ...]]
"""Id of a test image, as the sample submission writes it -> its class, or its labels."""
Draw = Callable[[Path, np.random.Generator, int], Truth]


@dataclass(frozen=True)
class Competition:
    """A layout, and what a person who unpacked it types."""

    draw: Draw
    data: str  # of --data, below the set's folder
    predict: str  # of --predict
    template: str | None  # of --template; None: there is no sample submission
    metric: str | None = None  # of --metric: the competition's own, where nothing in the files tells it
    options: tuple[str, ...] = ()  # of every command that reads the training rows
    init: tuple[str, ...] = ()  # of `tune --init` alone


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _classes(rows: int, shares: Sequence[float], rng: np.random.Generator) -> list[int]:
    """Class numbers in random order, six of each at least."""
    sure = [number for number in range(len(shares)) for _ in range(6)]
    weights = np.array(shares) / sum(shares)
    drawn = rng.choice(len(shares), max(rows - len(sure), 0), p=weights).tolist()
    return [int(number) for number in rng.permutation(sure + drawn)]


def _hex(rng: np.random.Generator, letters: int) -> str:
    return "".join(rng.choice(list("0123456789abcdef"), letters))


def _numbers(count: int, low: int, high: int, rng: np.random.Generator) -> list[int]:
    return [int(number) for number in rng.choice(np.arange(low, high), count, replace=False)]


# ---- named by the project's plan ------------------------------------------------------------------


def cassava(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Leaf disease: file names and class numbers, a JSON that names the classes."""
    names = {
        "0": "Cassava Bacterial Blight (CBB)",
        "1": "Cassava Brown Streak Disease (CBSD)",
        "2": "Cassava Green Mottle (CGM)",
        "3": "Cassava Mosaic Disease (CMD)",
        "4": "Healthy",
    }
    labels = _classes(rows, (0.05, 0.1, 0.11, 0.62, 0.12), rng)
    ids = _numbers(len(labels) + rows // 4, 1_000_015, 4_294_967, rng)
    train = [(f"{number}.jpg", label) for number, label in zip(ids, labels, strict=False)]
    for name, label in train:
        save(root / "train_images" / name, draw([label], 5, rng))
    test = [f"{number}.jpg" for number in ids[len(labels) :]]
    for at, name in enumerate(test):
        save(root / "test_images" / name, draw([at % 5], 5, rng))
    _table(root / "train.csv", ("image_id", "label"), train)
    _table(root / "sample_submission.csv", ("image_id", "label"), [(name, 4) for name in test])
    (root / "label_num_to_disease_map.json").write_text(json.dumps(names))
    return {name: (str(at % 5),) for at, name in enumerate(test)}


def aptos(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Diabetic eyes: ids without suffix, grades 0 to 4."""
    labels = _classes(rows, (0.49, 0.1, 0.27, 0.06, 0.08), rng)
    train = [(_hex(rng, 12), label) for label in labels]
    test = [_hex(rng, 12) for _ in range(rows // 4)]
    for name, label in train:
        save(root / "train_images" / f"{name}.png", draw_grade(label, 5, rng))
    for at, name in enumerate(test):
        save(root / "test_images" / f"{name}.png", draw_grade(at % 5, 5, rng))
    _table(root / "train.csv", ("id_code", "diagnosis"), train)
    _table(root / "test.csv", ("id_code",), [(name,) for name in test])
    _table(root / "sample_submission.csv", ("id_code", "diagnosis"), [(name, 0) for name in test])
    return {name: (str(at % 5),) for at, name in enumerate(test)}


def siim(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Skin: patients with several images, a rare positive class, columns that give the answer away."""
    sites = ("torso", "lower extremity", "upper extremity", "head/neck", "")
    labels = _classes(rows, (0.9, 0.1), rng)
    ids = _numbers(len(labels) + rows // 4, 15_719, 9_999_999, rng)
    train, test, truth = [], [], Truth()
    for at, number in enumerate(ids):
        name, patient = f"ISIC_{number:07d}", f"IP_{at // 3 + 279323:07d}"
        facts = (name, patient, ("male", "female")[at % 2], 5 * int(rng.integers(4, 18)), sites[at % 5])
        if at >= len(labels):
            test.append(facts)
            truth[name] = (str(at % 2),)
            save(root / "jpeg" / "test" / f"{name}.jpg", draw([at % 2], 2, rng))
            continue
        label = labels[at]
        words = ("melanoma", "malignant") if label else (("unknown", "nevus")[at % 2], "benign")
        train.append((*facts, *words, label))
        save(root / "jpeg" / "train" / f"{name}.jpg", draw([label], 2, rng))
    header = ("image_name", "patient_id", "sex", "age_approx", "anatom_site_general_challenge")
    _table(root / "train.csv", (*header, "diagnosis", "benign_malignant", "target"), train)
    _table(root / "test.csv", header, test)
    _table(root / "sample_submission.csv", ("image_name", "target"), [(row[0], 0) for row in test])
    return truth


CATHETERS = (
    "ETT - Abnormal", "ETT - Borderline", "ETT - Normal",
    "NGT - Abnormal", "NGT - Borderline", "NGT - Incompletely Imaged", "NGT - Normal",
    "CVC - Abnormal", "CVC - Borderline", "CVC - Normal", "Swan Ganz Catheter Present",
)  # fmt: skip


def ranzcr(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Catheters: eleven labels, patients with several images, ids full of dots."""
    train, test, truth = [], [], Truth()
    for at in range(rows + rows // 4):
        name = "1.2.826.0.1.3680043.8.498." + "".join(map(str, rng.integers(1, 10, 38)))
        on = (rng.random(len(CATHETERS)) < 0.15).astype(int)
        on[at % len(CATHETERS)] = 1
        part = "train" if at < rows else "test"
        save(root / part / f"{name}.jpg", draw(np.flatnonzero(on).tolist(), len(CATHETERS), rng, 48))
        if at < rows:
            train.append((name, *on, f"{at // 2:08x}a"))
        else:
            test.append((name, *[0] * len(CATHETERS)))
            truth[name] = tuple(CATHETERS[label] for label in np.flatnonzero(on))
    _table(root / "train.csv", ("StudyInstanceUID", *CATHETERS, "PatientID"), train)
    _table(root / "sample_submission.csv", ("StudyInstanceUID", *CATHETERS), test)
    notes = [(row[0], CATHETERS[9], "[[1, 2], [3, 4]]") for row in train[: rows // 3]]
    _table(root / "train_annotations.csv", ("StudyInstanceUID", "label", "data"), notes)
    return truth


def masks(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Masks: seven photos of each person, facts in folder names, eighteen classes, an evaluation part."""
    people = max(rows // 7, 6)
    drawn = root / "drawn"
    make_demo_faces(drawn, int(rng.integers(1000)), people, max(people // 4, 2), size=48)
    for part in ("train", "eval"):
        (drawn / part).rename(root / part)
    with (drawn / "eval_answers.csv").open(newline="") as file:
        _, *answers = csv.reader(file)
    shutil.rmtree(drawn)
    return {name: (label,) for name, label in answers}


# ---- others ---------------------------------------------------------------------------------------


def plant_2021(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Leaves with several diseases: labels with spaces between them."""
    names = ("complex", "frog_eye_leaf_spot", "healthy", "powdery_mildew", "rust", "scab")
    train = []
    for at in range(rows):
        on = {at % len(names)} | ({int(rng.choice((0, 1, 3, 4, 5)))} if at % 4 == 0 else set())
        on = {2} if 2 in on else on
        train.append((f"{_hex(rng, 16)}.jpg", " ".join(names[label] for label in sorted(on))))
        save(root / "train_images" / train[-1][0], draw(sorted(on), len(names), rng))
    test = [f"{_hex(rng, 16)}.jpg" for _ in range(rows // 4)]
    for at, name in enumerate(test):
        save(root / "test_images" / name, draw([at % len(names)], len(names), rng))
    _table(root / "train.csv", ("image", "labels"), train)
    _table(root / "sample_submission.csv", ("image", "labels"), [(name, "healthy") for name in test])
    return {name: (names[at % len(names)],) for at, name in enumerate(test)}


def plant_2020(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Leaves with one disease at most: a column of 0 and 1 for each class, one folder for train and test."""
    names = ("healthy", "multiple_diseases", "rust", "scab")
    labels = _classes(rows, (0.28, 0.08, 0.34, 0.3), rng)
    train = []
    for at, label in enumerate(labels):
        train.append((f"Train_{at}", *(int(other == label) for other in range(4))))
        save(root / "images" / f"Train_{at}.jpg", draw([label], 4, rng))
    test = [f"Test_{at}" for at in range(rows // 4)]
    for at, name in enumerate(test):
        save(root / "images" / f"{name}.jpg", draw([at % 4], 4, rng))
    _table(root / "train.csv", ("image_id", *names), train)
    _table(root / "test.csv", ("image_id",), [(name,) for name in test])
    _table(root / "sample_submission.csv", ("image_id", *names), [(name, *[0.25] * 4) for name in test])
    return {name: (names[at % 4],) for at, name in enumerate(test)}


def ham10000(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Skin lesions in two folders, several images of one lesion; no test part and no sample submission."""
    names = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
    labels = _classes(rows // 2, (0.03, 0.05, 0.11, 0.01, 0.11, 0.67, 0.02), rng)
    ids = _numbers(2 * len(labels), 24_306, 34_320, rng)
    train = []
    for at, number in enumerate(ids):
        label, name = labels[at // 2], f"ISIC_{number:07d}"
        part = f"HAM10000_images_part_{1 + at % 2}"
        facts = ("histo", 5 * int(rng.integers(4, 18)), ("male", "female")[at % 2], "back")
        train.append((f"HAM_{at // 2:07d}", name, names[label], *facts))
        save(root / part / f"{name}.jpg", draw([label], 7, rng))
    header = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
    _table(root / "HAM10000_metadata.csv", header, train)
    return {str(row[1]): (str(row[2]),) for row in train if row[1] in _second_part(root)}


def _second_part(root: Path) -> set[str]:
    return {path.stem for path in (root / "HAM10000_images_part_2").iterdir()}


def cifar10(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Objects: ids that count from 1 in train/ and again in test/, class names."""
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    labels = _classes(rows, [1.0] * 10, rng)
    for at, label in enumerate(labels):
        save(root / "train" / f"{at + 1}.png", draw([label], 10, rng, 32))
    for at in range(rows // 4):
        save(root / "test" / f"{at + 1}.png", draw([at % 10], 10, rng, 32))
    _table(root / "trainLabels.csv", ("id", "label"), [(at + 1, names[n]) for at, n in enumerate(labels)])
    _table(root / "sampleSubmission.csv", ("id", "label"), [(at + 1, "cat") for at in range(rows // 4)])
    return {str(at + 1): (names[at % 10],) for at in range(rows // 4)}


def dog_breeds(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Breeds: hexadecimal ids, a column of probabilities for each class, log loss."""
    names = ["affenpinscher", "afghan_hound", "beagle", "border_collie", "chow", "pug", "saluki", "whippet"]
    labels = _classes(rows, [1.0] * len(names), rng)
    train = [(_hex(rng, 32), label) for label in labels]
    test = [_hex(rng, 32) for _ in range(rows // 4)]
    for name, label in train:
        save(root / "train" / f"{name}.jpg", draw([label], len(names), rng))
    for at, name in enumerate(test):
        save(root / "test" / f"{name}.jpg", draw([at % len(names)], len(names), rng))
    _table(root / "labels.csv", ("id", "breed"), [(name, names[label]) for name, label in train])
    shares = [1 / len(names)] * len(names)
    _table(root / "sample_submission.csv", ("id", *names), [(name, *shares) for name in test])
    return {name: (names[at % len(names)],) for at, name in enumerate(test)}


def drivers(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Distracted drivers: class folders and a list beside them that says who drives."""
    names = [f"c{number}" for number in range(10)]
    labels = _classes(rows, [1.0] * 10, rng)
    numbers = _numbers(len(labels) + rows // 4, 0, 102_151, rng)
    subjects = [f"p{number:03d}" for number in _numbers(6, 2, 82, rng)]
    listed = []
    for at, label in enumerate(labels):
        name = f"img_{numbers[at]}.jpg"
        listed.append((subjects[at % len(subjects)], names[label], name))
        save(root / "imgs" / "train" / names[label] / name, draw([label], 10, rng))
    test = [f"img_{number}.jpg" for number in numbers[len(labels) :]]
    for at, name in enumerate(test):
        save(root / "imgs" / "test" / name, draw([at % 10], 10, rng))
    _table(root / "driver_imgs_list.csv", ("subject", "classname", "img"), listed)
    _table(root / "sample_submission.csv", ("img", *names), [(name, *[0.1] * 10) for name in test])
    return {name: (names[at % 10],) for at, name in enumerate(test)}


def chest_folders(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Pneumonia: folders train, val and test with one folder per class, and what macOS leaves behind."""
    for part, count in (("train", rows), ("val", 8), ("test", rows // 4)):
        for at in range(count):
            label = int(at % 4 != 0)
            name = (
                f"person{at}_{('virus', 'bacteria')[at % 2]}_{at}.jpeg" if label else f"IM-{at:04d}-0001.jpeg"
            )
            folder = root / "chest_xray" / part / ("NORMAL", "PNEUMONIA")[label]
            save(folder / name, draw([label], 2, rng))
    (root / "chest_xray" / "train" / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    hidden = root / "chest_xray" / "__MACOSX" / "train" / "NORMAL"
    hidden.mkdir(parents=True)
    (hidden / "._IM-0000-0001.jpeg").write_bytes(b"\0\5\26\7")
    normal = (root / "chest_xray" / "test" / "NORMAL").iterdir()
    return {path.name: ("NORMAL",) for path in normal}


def camera_traps(root: Path, rng: np.random.Generator, rows: int) -> Truth:
    """Animals: COCO's JSON, whose category numbers the submission asks for, and cameras that took several."""
    numbers = {0: "empty", 3: "tapir", 8: "agouti", 14: "peccary"}  # by name they stand in another order
    labels = _classes(rows, (0.4, 0.2, 0.2, 0.2), rng)
    images, annotations = [], []
    for at, label in enumerate(labels):
        name, location = _hex(rng, 16), at // 4 % 9
        images.append({"id": name, "file_name": f"{name}.jpg", "location": location, "seq_id": f"s{at // 2}"})
        annotations.append({"id": at, "image_id": name, "category_id": list(numbers)[label]})
        save(root / "train" / f"{name}.jpg", draw([label], 4, rng))
    test = [_hex(rng, 16) for _ in range(rows // 4)]
    for at, name in enumerate(test):
        save(root / "test" / f"{name}.jpg", draw([at % 4], 4, rng))
    categories = [{"id": number, "name": name} for number, name in numbers.items()]
    record = {"images": images, "annotations": annotations, "categories": categories}
    (root / "train_annotations.json").write_text(json.dumps(record))
    _table(root / "sample_submission.csv", ("Id", "Category"), [(name, 0) for name in test])
    return {name: (str(list(numbers)[at % 4]),) for at, name in enumerate(test)}


COMPETITIONS: Mapping[str, Competition] = {
    "cassava": Competition(cassava, "train.csv", "test_images", "sample_submission.csv", "accuracy"),
    "aptos": Competition(aptos, "train.csv", "test.csv", "sample_submission.csv", "quadratic_weighted_kappa"),
    "siim": Competition(
        siim, "train.csv", "test.csv", "sample_submission.csv", "roc_auc", init=("--target", "target")
    ),
    "ranzcr": Competition(ranzcr, "train.csv", "test", "sample_submission.csv"),
    "masks": Competition(masks, "train", "eval", "eval/info.csv"),
    "plant_2021": Competition(plant_2021, "train.csv", "test_images", "sample_submission.csv"),
    "plant_2020": Competition(plant_2020, "train.csv", "test.csv", "sample_submission.csv"),
    "ham10000": Competition(
        ham10000, "HAM10000_metadata.csv", "HAM10000_images_part_2", None, init=("--target", "dx")
    ),
    "cifar10": Competition(  # 1.png lies in train/ and in test/
        cifar10, "trainLabels.csv", "test", "sampleSubmission.csv", "accuracy", ("--images", "train")
    ),
    "dog_breeds": Competition(dog_breeds, "labels.csv", "test", "sample_submission.csv"),
    "drivers": Competition(drivers, "driver_imgs_list.csv", "imgs/test", "sample_submission.csv"),
    "camera_traps": Competition(
        camera_traps, "train_annotations.json", "test", "sample_submission.csv", "macro_f1"
    ),
    "chest_folders": Competition(chest_folders, "chest_xray", "chest_xray/test/NORMAL", None),
}


def make(name: str, root: Path, rows: int = 60, seed: int = 0) -> Truth:
    """Draws the set `name` into `root`; the same arguments give the same bytes."""
    return COMPETITIONS[name].draw(root, np.random.default_rng([seed, rows, len(name)]), rows)
