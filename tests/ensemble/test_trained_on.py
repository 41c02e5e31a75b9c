"""Which images an ensemble knows by heart: told by where they lie, warned of, never labelled."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from orchestrator.data.extra_rows import add_extra, load_extra
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.ensemble.__main__ import main
from orchestrator.ensemble.folder import Ensemble
from orchestrator.ensemble.trained_on import TrainedOn, location_digests, trained_rows
from orchestrator.pseudo_labels import __main__ as pseudo_labels
from orchestrator.space import SearchSpace
from tests.support.ensemble_studies import SHADE, TINT, Plan, draw, make_eval, make_faces, make_study


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of two images of another source."""
    folder = tmp_path_factory.mktemp("more")
    for name in ("x.png", "y.png"):
        draw(folder / name, np.random.default_rng(9), 0, 2)
    (folder / "more.csv").write_text("path,group,shade\nx.png,x,light\ny.png,y,light\n")
    return folder / "more.csv"


@pytest.fixture(scope="module")
def made(data: Path, more: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ensemble of a study of `data` that trained on `more` too."""
    root, own = tmp_path_factory.mktemp("made"), load_manifest(data)
    add_extra(own, load_extra(more, None, own)).write(root / "rows.parquet")
    study = make_study(root / "shade", root / "rows.parquet", Plan(SHADE, lrs=(0.1,), epochs=1))
    assert main(["--study", str(study), "--out", str(root / "e")]) == 0
    return root / "e"


def label(folder: Path, source: Path) -> int:
    out, chosen = folder.parent / "pseudo.parquet", ["--threshold", "0.01"]
    out.unlink(missing_ok=True)
    return pseudo_labels.main(
        ["--ensemble", str(folder), "--predict", str(source), "--out", str(out), *chosen]
    )


def table(folder: Path, paths: list[Path]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "new.csv").write_text("\n".join(["path", *map(str, paths)]) + "\n")
    return folder / "new.csv"


def test_the_folder_lists_its_rows_and_those_of_other_sources(made: Path, data: Path, more: Path) -> None:
    listed = pd.read_parquet(made / "trained_on.parquet")
    assert set(listed["place"]) == {
        *location_digests(load_manifest(data)), *location_digests(load_manifest(more)),
    }  # fmt: skip
    assert len(listed) == 74 and listed["place"].str.fullmatch("[0-9a-f]{16}").all()


def test_a_trained_image_is_not_labelled_in_whatever_table_it_stands(
    made: Path, data: Path, more: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.png").write_bytes((more.parent / "x.png").read_bytes())
    (tmp_path / "link.png").symlink_to(more.parent / "y.png")
    for known in (data.parent / "p07-1.png", more.parent / "x.png", tmp_path / "link.png"):
        assert label(made, table(tmp_path, [tmp_path / "new.png", known])) == 2
        said = capsys.readouterr().err
        assert "was trained on 1 of these 2 rows" in said and known.name in said
    assert label(made, table(tmp_path, [tmp_path / "new.png"])) == 0


def test_predictions_of_other_sources_rows_are_made_with_a_warning(
    made: Path, more: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--ensemble", str(made), "--predict", str(more)]) == 0
    assert "warning: 2 of 2 rows were trained on (x.png, y.png), so" in capsys.readouterr().out
    assert main(["--ensemble", str(made), "--predict", str(make_eval(tmp_path / "eval"))]) == 0
    assert "warning" not in capsys.readouterr().out


def test_the_same_path_elsewhere_is_a_warning_and_no_more(
    made: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(data.parent / "p00-0.png", tmp_path / "p00-0.png")
    (tmp_path / "rows.csv").write_text("path\np00-0.png\n")
    assert label(made, tmp_path / "rows.csv") == 0
    assert "1 of 1 rows have the path of a row that was trained on; if" in capsys.readouterr().out


def test_another_image_of_the_same_path_is_no_warning(
    made: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(data.parent / "p00-0.png", tmp_path / "p00-0.png")
    with Image.open(tmp_path / "p00-0.png") as image:
        ImageOps.invert(image.convert("RGB")).save(tmp_path / "p00-0.png")
    (tmp_path / "rows.csv").write_text("path\np00-0.png\n")
    assert main(["--ensemble", str(made), "--predict", str(tmp_path / "rows.csv")]) == 0
    assert "warning" not in capsys.readouterr().out


def test_an_older_folder_knows_its_own_table_and_the_paths_of_its_out_of_fold_rows(
    made: Path, more: Path, tmp_path: Path
) -> None:
    older = shutil.copytree(made, tmp_path / "older")
    (older / "trained_on.parquet").unlink()
    known = TrainedOn.of(Ensemble.load(older))
    own, extra = load_manifest(made.parent / "rows.parquet"), load_manifest(more)
    assert known.rows(own).sum() == 72 and not known.rows(extra).any()
    assert known.warning(extra) is None


def test_a_copy_is_one_by_its_whole_content_where_what_was_trained_on_is_at_hand(tmp_path: Path) -> None:
    def rows(*names: str) -> Manifest:
        frame = pd.DataFrame({"path": names, "group": names, "role": "train", "tint": "red"})
        return Manifest(frame, tmp_path, "rows")

    for name, bar in (("own", 0), ("twin", 9), ("copy", 9), ("new", 5)):
        (tmp_path / name).write_bytes(bytes(40_000) + bytes([bar]) + bytes(160_000))
    own = rows("own", "twin")
    table = trained_rows(own, SearchSpace("a:B", TINT, {"lr": 0.5}))
    assert table["content"].nunique() == 1
    known = TrainedOn.from_table(table, "")
    asked = rows("own", "copy", "new")
    assert known.copies(asked, [own]).tolist() == [True, True, False]
    assert known.copies(asked).all()  # nothing to compare it with
    (tmp_path / "twin").unlink()
    assert known.copies(asked, [own]).all()


def test_only_rows_whose_label_was_told_are_listed(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "path": ["a.png", "b.png", "c.png", "d.png", "d.png"],
            "group": ["a", "b", "c", "d", "d"],
            "role": ["train", "train", "test", "extra", "extra"],
            "tint": ["red", "blue", "red", "red", "red"],
            "shade": "dark",
            "only_fold": [np.nan, np.nan, np.nan, 0, 1],
        }
    )
    rows, space = Manifest(frame, tmp_path, "rows"), SearchSpace("a:B", SHADE, {"lr": 0.5})
    assert trained_rows(rows, space)["path"].tolist() == ["a.png", "b.png"]
    red = SearchSpace("a:B", SHADE, {"lr": 0.5}, given=(TINT, "red"))
    assert trained_rows(rows, red)["path"].tolist() == ["a.png"]
