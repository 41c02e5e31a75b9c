"""Which importer reads a source: the first of the table that says yes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from orchestrator.core.errors import ManifestError
from orchestrator.data.importers import (
    IMPORTERS,
    class_folders,
    competition,
    competition_eval,
    plain_images,
    table,
    utkface,
)
from orchestrator.data.importers import detect as detecting
from orchestrator.data.importers.contract import AS_FOUND, Imported, Importer, Source
from orchestrator.data.importers.detect import detect


def files(root: Path, *names: str, **texts: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    for name, text in texts.items():
        (root / f"{name}.csv").write_text(text)
    return root


PEOPLE = "id,gender,race,age,path\n1,male,Asian,30,1_male\n"


@pytest.mark.parametrize(
    ("names", "texts", "importer"),
    [
        (["images/1_male/normal.jpg"], {"train": PEOPLE}, competition),
        (["images/a.jpg"], {"train": "path,label\nimages/a.jpg,x\n"}, table),
        (["images/a.jpg"], {"info": "ImageID,ans\na.jpg,0\n"}, competition_eval),
        (["a.jpg"], {"info": "path,label\na.jpg,x\n"}, table),
        (["a.jpg"], {"labels": "path\na.jpg\n"}, table),
        (["a.jpg"], {"labels": "path\na.jpg\n", "info": "ImageID\na.jpg\n"}, competition_eval),
        (["images/30_0_2_1.jpg"], {}, utkface),
        (["cats/a.jpg", "dogs/deep/b.jpg"], {}, class_folders),
        (["train/a.jpg", "val/b.jpg"], {}, class_folders),
        (["cats/a.jpg", "dogs/readme.txt"], {}, None),
        (["images/Train_0.jpg"], {"train": "image_id,label\nTrain_0,x\n"}, table),
        (["images/Train_0.jpg"], {"train": "path,label\nTrain_0,x\n"}, table),
        (["part1/30_0_2_1.jpg", "part2/31_0_2_1.jpg"], {}, utkface),
        (["a.jpg", "b.jpg"], {}, plain_images),
        (["images/a.jpg"], {}, plain_images),
        (["images/a.jpg"], {"data": "name,label\na,x\n"}, table),
        (["images/a.jpg"], {"data": "name,label\nb,x\n"}, None),
        (["cats/a.jpg", "dogs/b.jpg"], {"notes": "name,label\nb,x\n"}, table),
        (["cats/a.jpg", "dogs/b.jpg"], {"notes": "name,label\nb,x\nc,x\nd,y\n"}, class_folders),
    ],
)
def test_the_first_importer_that_matches_is_the_layouts_own(
    tmp_path: Path, names: list[str], texts: dict[str, str], importer: Importer | None
) -> None:
    source = files(tmp_path, *names, **texts)
    assert next((item for item in IMPORTERS if item.matches(Source(source))), None) is importer


@pytest.mark.parametrize("names", [["a/1.jpg"], ["a/1.jpg", "a/2.jpg"], ["a/1.jpg", "a/b/2.jpg"]])
def test_one_class_alone_is_refused_by_name(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ManifestError) as error:
        detect(files(tmp_path, *names), AS_FOUND)
    assert str(error.value) == (
        f"{tmp_path} holds images of one class alone: a; a search needs two classes at least, and to predict "
        f"these images name {tmp_path / 'a'}"
    )


def test_one_class_below_other_folders_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"one class alone: mine/a; .* name .*mine/a$"):
        detect(files(tmp_path, "mine/a/1.jpg"), AS_FOUND)


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    with pytest.raises(ManifestError) as error:
        detect(tmp_path, AS_FOUND)
    assert str(error.value) == f"{tmp_path} holds no file; name a table or a folder of images"


def test_a_source_of_no_layout_is_refused_with_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing of images")
    with pytest.raises(ManifestError) as error:
        detect(tmp_path, AS_FOUND)
    assert str(error.value) == (
        f"{tmp_path} holds no layout this project knows: the mask competition's train.csv with images/, "
        "its info.csv with images/, a table whose lines name images, class names in file names "
        "(--class-pattern), UTKFace names, a folder per class, or a folder of images"
    )


def test_a_line_in_the_table_is_all_that_another_layout_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Imported(pd.DataFrame({"path": ["a.jpg"]}), tmp_path, "own")
    own = SimpleNamespace(
        LAYOUT="own.json",
        matches=lambda source: (source.path / "own.json").exists(),
        read=lambda *_: rows,
    )
    monkeypatch.setattr(detecting, "IMPORTERS", (own, *IMPORTERS))
    (tmp_path / "notes.txt").write_text("nothing of images")
    with pytest.raises(
        ManifestError, match=r"knows: own\.json, the mask competition's train\.csv with images/, "
    ):
        detect(tmp_path, AS_FOUND)
    assert detect(files(tmp_path, "own.json", "a/1.jpg", "b/2.jpg"), AS_FOUND) is rows
