"""The facts of a first space, read from the data and from what lies beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from orchestrator.core.errors import InputError
from orchestrator.core.json_text import parse_json
from orchestrator.core.regular_files import open_file, read_file
from orchestrator.core.text import shortened
from orchestrator.data.manifest import Manifest, group_columns
from orchestrator.data.table_files import read_csv
from orchestrator.tune.first_space.facts import Facts, Template, columns_from
from orchestrator.tune.first_space.layout_target import layout_target

SAMPLED = 24  # images whose sizes are looked at
LARGEST_JSON = 1_000_000  # bytes: a list of classes is small, annotations are not
TEST_NAMES = (
    "test.csv", "test_images", "test", "images/test", "imgs/test", "jpeg/test", "Test", "testing", "eval",
)  # fmt: skip


def collect(manifest: Manifest, source: Path, template: Path | None) -> Facts:
    """source: what --data named. Raises InputError for a template that cannot be read."""
    frame = manifest.frame[manifest.frame["role"] == "train"].reset_index(drop=True)
    if frame.empty:
        raise InputError(
            f"{source}: {manifest.why_nothing_trains()}; --init needs the rows that are trained on"
        )
    asked_for = template or find_template(source)
    return Facts(
        source=str(source),
        columns=columns_from(frame, without=("path", "group", "role")),
        paths=tuple(map(str, frame["path"])),
        group_column=_own_group(manifest),
        sizes=tuple(_sizes([manifest.root / path for path in frame["path"]])),
        template=None if asked_for is None else read_template(asked_for),
        class_files=dict(_class_files(_folder(source))),
        layout_target=layout_target(frame),
    )


def find_template(source: Path) -> Path | None:
    """The sample submission beside the data, or the one table among the test images; None: there is none.

    Raises InputError where there are several.
    """
    folders = (_folder(source), _folder(source).parent) if source.is_dir() else (_folder(source),)
    for folder in folders:
        names = sorted(path for path in folder.glob("*.csv") if "submission" in path.name.lower())
        found = [path for path in names if "sample" in path.name.lower()] or names
        if len(found) > 1:
            raise InputError(
                f"{folder} holds {len(found)} sample submissions: {shortened([p.name for p in found])}; say "
                "which with --template FILE"
            )
        if found:
            return found[0]
    test = find_test(source)
    tables = sorted(test.glob("*.csv")) if test is not None and test.is_dir() else []
    return tables[0] if len(tables) == 1 and _is_unanswered(tables[0]) else None


def _is_unanswered(path: Path) -> bool:
    """A template has one and the same answer in every row; a table of true labels has not."""
    answers = columns_from(read_csv(path))[1:]
    return bool(answers) and all(len(column.counts) == 1 for column in answers)


def find_test(source: Path) -> Path | None:
    """What is predicted, going by its name beside the data."""
    folder = _folder(source)
    folders = (folder, folder.parent) if source.is_dir() else (folder,)
    places = [base / name for base in folders for name in TEST_NAMES]
    places += [path for base in folders for path in sorted(base.iterdir()) if _is_test_folder(path)]
    return next((place for place in places if place.exists() and place != source), None)


def _is_test_folder(path: Path) -> bool:
    return path.is_dir() and re.search(r"(^|[\W_])test", path.name, re.I) is not None


def read_template(path: Path) -> Template:
    """Raises InputError for a file without a column beside the ids."""
    if not path.is_file():
        raise InputError(f"--template {path}: no such file")
    columns = columns_from(read_csv(path))
    if len(columns) < 2:
        raise InputError(
            f"--template {path} has {len(columns)} column; a sample submission has ids and columns to fill"
        )
    return Template(path.name, columns)


def _folder(source: Path) -> Path:
    return source if source.is_dir() else source.parent


def _own_group(manifest: Manifest) -> str | None:
    frame = manifest.frame
    if (frame["group"] == frame["path"]).all():
        return None
    return next(iter(group_columns(frame)), "group")


def _sizes(paths: Sequence[Path]) -> Iterator[tuple[int, int]]:
    """(height, width) of some images, from their headers; what has none is left to the search to refuse."""
    for path in paths[:: max(len(paths) // SAMPLED, 1)][:SAMPLED]:
        try:
            with open_file(path) as file, Image.open(file) as image:
                yield image.height, image.width
        except (OSError, Image.DecompressionBombError):
            continue


def _class_files(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """JSON files that give each class a name, either way round."""
    for path in sorted(folder.glob("*.json")):
        if path.stat().st_size > LARGEST_JSON:
            continue
        try:
            record = parse_json(read_file(path).decode("utf-8-sig"))
        except (OSError, ValueError):
            continue  # some other file; the reader of labels says what is wrong with one that was named
        if isinstance(record, dict) and all(isinstance(v, str | int) for v in record.values()):
            yield path.name, {str(key): str(value) for key, value in record.items()}
