"""Patients, films and plates are found in names, folders, columns and times; without any there are none."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from orchestrator.data.importers.file_names import words_in
from orchestrator.data.quality.candidate_groups import from_times
from orchestrator.data.quality.suggest_groups import Suggestion, passed_over, suggest_groups
from trainables.images.exif import FileFacts, facts_of

Labels = NDArray[np.int64]


def pattern_of(suggestion: Suggestion) -> str:
    match = re.fullmatch(r"--group-pattern '(.+)'", suggestion.option)
    assert match is not None, suggestion.option
    return match[1]


def alike(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether two groupings are the same, whatever their groups are called."""
    return len(set(left)) == len(set(right)) == len(set(zip(left, right, strict=True)))


def neighbours(names: Sequence[str], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(count, 2) pairs of rows of one name, as frames of one film look alike."""
    pairs: list[tuple[int, int]] = []
    array = np.array(names)
    while len(pairs) < count:
        one = int(rng.integers(len(array)))
        same = np.flatnonzero(array == array[one])
        if len(same) > 1:
            other = int(rng.choice(same[same != one]))
            pairs.append((min(one, other), max(one, other)))
    return np.array(pairs, np.int64)


# ---- sets with patients, films and plates ----------------------------------------------------------


def malaria(rng: np.random.Generator) -> tuple[list[str], list[str], Labels]:
    """Cells cut out of several pictures of each patient's blood; half of the patients are ill, and of an ill
    one two cells in three are infected."""
    paths, patients, labels = [], [], []
    for patient in range(40):
        name = f"C{30 + patient // 4}P{1 + patient}"
        ill = patient % 2 == 0
        for picture in range(3):
            taken = f"2015{rng.integers(1, 13):02d}{rng.integers(1, 29):02d}_{rng.integers(100000, 240000)}"
            for cell in rng.choice(300, 8, replace=False):
                paths.append(f"{name}thinF_IMG_{taken}{'abc'[picture]}_cell_{cell}.png")
                patients.append(name)
                labels.append(int(ill and rng.random() < 0.67))
    return paths, patients, np.array(labels)


@pytest.mark.parametrize("seed", range(3))
def test_patients_at_the_beginning_of_the_names_are_found_by_their_labels(seed: int) -> None:
    paths, patients, labels = malaria(np.random.default_rng(seed))
    (found,) = suggest_groups(paths, labels=[labels])
    assert alike(found.names, patients)
    assert "how the file names begin: 40 groups such as C3" in found.text
    assert "pairs of rows in a group share their label" in found.text


def test_patients_of_one_class_each_in_folders_of_classes_are_found() -> None:
    paths = [f"{'ab'[p % 2]}/C{40 + p // 4}P{p}thin_cell_{cell}7.png" for p in range(12) for cell in range(4)]
    (found,) = suggest_groups(paths, labels=[np.array([int(path[0] == "b") for path in paths])])
    assert alike(found.names, [path.split("thin")[0] for path in paths])


def test_names_that_hold_the_class_get_no_credit_for_labels_that_agree() -> None:
    paths = [f"{'ab'[n % 2]}_{n % 40}_{n}.png" for n in range(240)]  # a_0, b_1, a_2: 40 groups of one class
    assert suggest_groups(paths, labels=[np.arange(240) % 2]) == []


def test_the_pattern_that_is_suggested_gives_the_groups_that_were_shown() -> None:
    paths, patients, labels = malaria(np.random.default_rng(0))
    (found,) = suggest_groups(paths, labels=[labels])
    read = words_in(paths, "--group-pattern", pattern_of(found), "here")
    assert tuple(read) == found.names
    assert alike(read, patients)


def test_frames_of_films_are_found_by_the_word_and_the_near_duplicates() -> None:
    rng = np.random.default_rng(1)
    paths = [f"video{film:02d}_frame_{frame:06d}.jpg" for film in range(12) for frame in range(30)]
    films = [path.split("_")[0] for path in paths]
    (found,) = suggest_groups(paths, near_pairs=neighbours(films, 200, rng), labels=[])
    assert alike(found.names, films)
    assert "a word says so" in found.reasons
    assert any("near duplicates lie within a group" in reason for reason in found.reasons)
    assert words_in(paths, "--group-pattern", pattern_of(found), "here")[0] == "video00"


def test_tiles_of_slides_belong_to_their_patient() -> None:
    paths = [
        f"tiles/patient{patient:02d}_tile_{x}_{y}.png"
        for patient in range(15)
        for x in range(5)
        for y in range(4)
    ]
    patients = [path[6:].split("_")[0] for path in paths]
    labels = np.array([int(name[-2:]) % 3 for name in patients])
    (found,) = suggest_groups(paths, labels=[labels])
    assert alike(found.names, patients)


@pytest.mark.parametrize("folder", ["scene7", "patient_12", "Slide-03"])
def test_folders_with_a_word_are_groups_and_their_pattern_reads_them(folder: str) -> None:
    word = re.split(r"\d", folder)[0]
    paths = [
        f"{kind}/{word}{number}/{image}.png" for kind in "ab" for number in range(9) for image in range(4)
    ]
    labels = np.array([int(path[0] == "b") for path in paths])
    found = suggest_groups(paths, labels=[labels])
    assert found, "nothing was suggested"
    read = words_in(paths, "--group-pattern", pattern_of(found[0]), "here")
    assert tuple(read) == found[0].names
    assert {name.rpartition("/")[2] for name in read} == {f"{word}{number}" for number in range(9)}


def test_a_column_of_patients_is_found_by_its_name_and_a_coded_one_by_its_labels() -> None:
    rng = np.random.default_rng(3)
    patient = rng.integers(0, 30, 300)
    labels = (patient % 2).astype(np.int64)
    paths = [f"{digest:016x}.png" for digest in rng.integers(0, 2**63, 300)]
    for name in ("PatientID", "code"):
        columns = {name: [f"p{number}" for number in patient], "age": [0.5 * n for n in range(300)]}
        (found,) = suggest_groups(paths, columns=columns, labels=[labels])
        assert found.option == f'group="{name}"'
        assert alike(found.names, [str(number) for number in patient])


def photo(taken: str) -> FileFacts:
    """What is read of a file of a camera; taken as EXIF writes it."""
    image, file = Image.new("RGB", (8, 8)), io.BytesIO()
    tags = image.getexif()
    tags[0x0110], tags[0x0132] = "Canon", taken
    image.save(file, "JPEG", exif=tags)
    return facts_of(file.getvalue())


def test_sessions_of_a_camera_are_found_by_their_times() -> None:
    rng = np.random.default_rng(4)
    photos, sessions, labels = [], [], []
    for session in range(24):
        for picture in range(10):
            photos.append(photo(f"2021:05:{1 + session:02d} 10:{picture * 3:02d}:00"))
            sessions.append(str(session))
            labels.append(session % 3 if rng.random() < 0.8 else int(rng.integers(3)))
    order = rng.permutation(240)
    paths = [f"{digest:016x}.png" for digest in rng.integers(0, 2**63, 240)]
    found = suggest_groups(
        paths,
        camera=[photos[row].camera for row in order],
        taken=[photos[row].taken for row in order],
        labels=[np.array(labels)[order]],
    )
    assert [one.found for one in found] == ["sessions of one camera, by EXIF"]
    assert alike(found[0].names, [sessions[row] for row in order])
    assert found[0].option == ""  # only a written table can


def test_a_time_that_no_calendar_has_is_unknown() -> None:
    times = [
        photo(taken).taken for taken in ("2021:02:31 10:00:00", "2021:05:01 10:00:00", "0001:01:01 00:00:00")
    ]
    (found,) = from_times(["Canon"] * 3, times, ["a.jpg", "b.jpg", "c.jpg"])
    assert found.names == ("a.jpg", "Canon 2021-05-01 10:00:00", "Canon 0001-01-01 00:00:00")


def test_chains_of_near_duplicates_are_suggested_where_no_name_holds_them_together() -> None:
    rng = np.random.default_rng(5)
    paths = [f"{digest:016x}.png" for digest in rng.integers(0, 2**63, 60)]
    pairs = np.array([(row, row + 1) for row in range(59) if row % 10 != 9])
    (found,) = suggest_groups(paths, near_pairs=pairs)
    assert found.reasons == ("60 rows in 6 chains, the longest of 10",)
    assert alike(found.names, [str(row // 10) for row in range(60)])


def test_chains_are_counted_with_the_groups_that_are_given_and_without_rows_alone() -> None:
    paths = [f"{digest:016x}.png" for digest in np.random.default_rng(5).integers(0, 2**63, 60)]
    given = np.arange(60) // 3  # 20 groups of 3 rows
    given[57:] = [20, 21, 22]  # the last of which are three rows alone
    pairs = np.array([(row, row + 1) for row in range(0, 24, 2)])
    (found,) = suggest_groups(paths, near_pairs=pairs, given=given)
    # Each two of the first eight groups are joined by the pair in their middle.
    assert len(set(found.names)) == 22 - 4
    assert found.text.startswith("chains of near duplicates: 15 groups such as ")
    assert found.text.endswith(
        "of 3 to 6 rows, and 3 rows alone; 24 rows in 12 chains, the longest of 2; they join 8 of the "
        "22 groups that are given"
    )
    within = np.array([(row, row + 1) for row in range(0, 54, 3)])
    assert suggest_groups(paths, near_pairs=within, given=given) == []  # nothing is joined


def test_a_word_whose_groups_hold_all_classes_is_told_of_as_passed_over() -> None:
    names = [f"patient{patient:02d}_tile_{tile}.jpg" for patient in range(30) for tile in range(4)]
    paths = [f"{kind}/{name}" for kind in "ab" for name in names]
    labels = [np.array([int(path[0] == "b") for path in paths])]
    assert suggest_groups(paths, labels=labels) == []
    (found,) = passed_over(paths, labels=labels)
    assert found.text.startswith("the file names say patient: 30 groups such as patient00, patient01, ")
    assert found.text.endswith("class do") and pattern_of(found)
    assert passed_over(paths) == [] != suggest_groups(paths)
    assert passed_over([path[-10:] for path in paths], labels=labels) == []


def test_what_is_suggested_joins_the_groups_that_are_given() -> None:
    paths, patients, labels = malaria(np.random.default_rng(0))
    pictures = [path.split("_cell")[0] for path in paths]
    given = np.unique(pictures, return_inverse=True)[1].astype(np.int64)
    (found,) = suggest_groups(paths, labels=[labels], given=given)
    assert alike(found.names, patients)
    everyone = np.unique(patients, return_inverse=True)[1].astype(np.int64)
    assert suggest_groups(paths, labels=[labels], given=everyone) == []


# ---- sets without any --------------------------------------------------------------------------------


def hashes(rng: np.random.Generator) -> list[str]:
    return [f"{one:016x}{other:016x}.jpg" for one, other in rng.integers(0, 2**63, (300, 2))]


def uuids(rng: np.random.Generator) -> list[str]:
    texts = hashes(rng)
    return [f"{t[:8]}-{t[8:12]}-4{t[13:16]}-{t[16:20]}-{t[20:32]}.png" for t in texts]


def running(rng: np.random.Generator) -> list[str]:
    return [f"IMG_{row:05d}.jpg" for row in range(300)]


def running_in_classes(rng: np.random.Generator) -> list[str]:
    return [f"{'abc'[row % 3]}/image_{row // 3:04d}.png" for row in range(300)]


def named_and_running_in_classes(rng: np.random.Generator) -> list[str]:
    return [f"{'abc'[row % 3]}/case_{row // 3}.png" for row in range(300)]


def class_in_the_name(rng: np.random.Generator) -> list[str]:
    return [f"{('cat', 'dog', 'elk')[row % 3]}.{row // 3}.jpg" for row in range(300)]


def codes_of_classes(rng: np.random.Generator) -> list[str]:
    return [f"n0{1440764 + row % 3}_{rng.integers(10000)}.JPEG" for row in range(300)]


def ages(rng: np.random.Generator) -> list[str]:
    """As of UTKFace: the age, of which the three classes are bins, comes first."""
    return [f"{[5, 35, 65][row % 3] + rng.integers(20)}_{rng.integers(2)}_{row}.jpg" for row in range(300)]


def two_numbers(rng: np.random.Generator) -> list[str]:
    return [f"x_{one}_{other}_{row}.png" for row, (one, other) in enumerate(rng.integers(0, 40, (300, 2)))]


@pytest.mark.parametrize(
    "names",
    [
        hashes,
        uuids,
        running,
        running_in_classes,
        named_and_running_in_classes,
        class_in_the_name,
        codes_of_classes,
        ages,
        two_numbers,
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_names_without_structure_suggest_nothing(
    names: Callable[[np.random.Generator], list[str]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    paths = names(rng)
    labels = np.arange(len(paths)) % 3
    assert [one.text for one in suggest_groups(paths, labels=[labels], seed=seed)] == []


def test_columns_without_structure_suggest_nothing() -> None:
    rng = np.random.default_rng(0)
    paths = running(rng)
    columns = {
        "index": list(range(300)),
        "hour": rng.integers(0, 24, 300).tolist(),
        "width": [512] * 300,
        "height": rng.choice([480, 512], 300).tolist(),
        "score": rng.random(300).tolist(),
    }
    labels = rng.integers(0, 3, 300)
    assert [one.text for one in suggest_groups(paths, columns=columns, labels=[labels])] == []


def test_names_from_data_cannot_steer_a_terminal() -> None:
    columns = {"patient": [f"p{row % 10}\x1b[31m" for row in range(60)]}
    (found,) = suggest_groups([f"{row}.png" for row in range(60)], columns=columns)
    assert "\x1b" not in found.text
