"""The embedded demo data: drawn people in the mask competition's layout. No photographs.

<folder>/train/train.csv, train/images/<id>_<gender>_<race>_<age>/{mask1..5,incorrect_mask,normal}.*
         eval/info.csv, eval/images/
         eval_answers.csv          the evaluation part's truth, which no importer reads
         complete.json             written last
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import ManifestError, StorageError
from orchestrator.data.importers.competition import COMPETITION, PHOTOS
from orchestrator.demo.drawing.people import Person, Photo, draw_people, draw_photo

_VERSION = 1  # of the drawings: other drawings must not lie under this one's name
_MARKER = "complete.json"
_WEARING = ("worn", "wrong", "none")


def demo_faces(cache: Path, seed: int = 0, progress: Progress | None = None) -> Path:
    """The folder of the demo faces in `cache`, drawn at the first call (seconds).

    Appears whole or not at all; two processes may ask at once. Raises ManifestError, StorageError.
    """
    folder = demo_folder(cache, seed)
    if not folder.exists():
        part = cache / f"{folder.name}.{os.getpid()}.part"
        shutil.rmtree(part, ignore_errors=True)  # of a process killed under the same number
        try:
            make_demo_faces(part, seed, progress=progress)
            _publish(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    if not (folder / _MARKER).is_file():
        raise ManifestError(f"the demo faces in {folder} are not complete; delete that folder and run again")
    return folder


def demo_folder(cache: Path, seed: int = 0) -> Path:
    """Where in `cache` they lie, drawn or not."""
    return cache / f"demo-faces-v{_VERSION}-seed{seed}"


def _publish(part: Path, folder: Path) -> None:
    try:
        part.rename(folder)
    except OSError:
        if not folder.exists():  # else another process was first, with the same pictures
            raise


def make_demo_faces(
    directory: Path,
    seed: int = 0,
    people: int = 240,
    eval_people: int = 60,
    size: int = 96,
    progress: Progress | None = None,
) -> Path:
    """Draws `people` training and `eval_people` evaluation people, seven photos of `size` px each.

    The same arguments give the same bytes. Raises ManifestError for an unusable argument or a folder that
    is not empty, StorageError when it cannot be written.
    """
    _refuse(directory, people, eval_people, size)
    rng = np.random.default_rng([seed, people])
    train = draw_people(people, 8, rng)
    hidden = draw_people(eval_people, 1, np.random.default_rng([seed, eval_people, 1]), first=people)
    total, done = 7 * (people + eval_people), 0
    try:
        for person in train:
            _draw_album(directory / "train" / "images" / _folder_name(person), person, seed, size)
            done += 7
            _report(progress, done, total)
        answers: dict[str, int] = {}
        for person in hidden:
            answers.update(_draw_hidden(directory / "eval" / "images", person, seed, size))
            done += 7
            _report(progress, done, total)
        _write_tables(directory, train, answers)
    except OSError as error:
        raise StorageError(f"the demo faces cannot be written to {directory}: {error.strerror}") from error
    return directory


def hidden_rows(seed: int = 0, people: int = 240, eval_people: int = 60) -> pd.DataFrame:
    """The evaluation part with its truth, in the order of its table: path (below eval/), group, role test,
    gender, age and mask, as the training part has them. Draws no picture."""
    hidden = draw_people(eval_people, 1, np.random.default_rng([seed, eval_people, 1]), first=people)
    rows = [
        (f"images/{_hidden_name(person, stem, seed)}", f"{person.number:06d}", "test", person.gender,
         person.age, photo.wearing)
        for person in hidden
        for stem, photo in _photos(person, seed)
    ]  # fmt: skip
    columns = ["path", "group", "role", "gender", "age", "mask"]
    return pd.DataFrame(sorted(rows), columns=columns)


def _refuse(directory: Path, people: int, eval_people: int, size: int) -> None:
    if people < 2 or eval_people < 2 or size < 32:
        raise ManifestError(
            f"demo faces need people >= 2, eval_people >= 2 and size >= 32, not "
            f"{people}, {eval_people}, {size}"
        )
    if directory.exists() and any(directory.iterdir()):
        raise ManifestError(f"{directory} is not empty; draw the demo faces into a new folder")


def _report(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


# ---- pictures -------------------------------------------------------------------------------------


def _photos(person: Person, seed: int) -> list[tuple[str, Photo]]:
    """Name and record of the seven photos, in the order the competition lists them."""
    rng = np.random.default_rng([seed, 7, person.number])
    return [(stem, draw_photo(wearing, rng)) for stem, wearing in PHOTOS.items()]


def _draw_album(folder: Path, person: Person, seed: int, size: int) -> None:
    folder.mkdir(parents=True)
    # Suffixes vary, as in the competition: a reader that guesses them fails here already.
    suffix = ".png" if person.number % 10 == 0 else ".jpg"
    for stem, photo in _photos(person, seed):
        _save(folder / f"{stem}{suffix}", person, photo, size)


def _draw_hidden(folder: Path, person: Person, seed: int, size: int) -> dict[str, int]:
    """File name -> 18-class label; the names say nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = {}
    for stem, photo in _photos(person, seed):
        name = _hidden_name(person, stem, seed)
        _save(folder / name, person, photo, size)
        age = (person.age >= 30) + (person.age >= 60)
        labels[name] = _WEARING.index(photo.wearing) * 6 + (person.gender == "female") * 3 + age
    return labels


def _hidden_name(person: Person, stem: str, seed: int) -> str:
    return hashlib.sha1(f"{seed} {person.number} {stem}".encode()).hexdigest() + ".jpg"


def _save(path: Path, person: Person, photo: Photo, size: int) -> None:
    import cv2  # with the painter: a command that draws nothing, as for --help, needs neither

    from orchestrator.demo.drawing.face import paint

    quality = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix == ".jpg" else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    _, data = cv2.imencode(path.suffix, paint(person, photo, size), quality)
    path.write_bytes(data.tobytes())


# ---- tables ---------------------------------------------------------------------------------------


def _folder_name(person: Person) -> str:
    return f"{person.number:06d}_{person.gender}_{person.race}_{person.age}"


def _write_tables(directory: Path, train: Sequence[Person], answers: dict[str, int]) -> None:
    rows = [(f"{p.number:06d}", p.gender, p.race, p.age, _folder_name(p)) for p in train]
    _write_csv(directory / "train" / "train.csv", COMPETITION, rows)
    names = sorted(answers)
    _write_csv(directory / "eval" / "info.csv", ("ImageID", "ans"), [(name, 0) for name in names])
    _write_csv(directory / "eval_answers.csv", ("ImageID", "ans"), [(name, answers[name]) for name in names])
    record = {"version": _VERSION, "train_photos": 7 * len(train), "eval_photos": len(answers)}
    (directory / _MARKER).write_text(json.dumps(record) + "\n")


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
