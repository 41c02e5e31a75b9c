"""What of a cache goes: by its last use, by size, and never what somebody makes or uses."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from orchestrator.core.errors import StudyError
from orchestrator.studies.cache import CacheEntry, cache_entries, clean, to_clean
from orchestrator.study import Study
from tests.support.drawn_study import draw_study

NOW = 2_000_000_000.0
DAY = 86400.0


def entry(name: str, days: float, size: int = 10) -> CacheEntry:
    return CacheEntry(name, (), size, NOW - days * DAY, "")


@pytest.mark.parametrize(
    "older, most, gone",
    [
        (30 * DAY, None, ["a"]),
        (None, 25, ["a"]),
        (None, 5, ["a", "b", "c"]),
        (None, 30, []),
        (5 * DAY, 10, ["a", "b"]),
        (None, None, []),
        (0.0, None, ["a", "b", "c"]),
    ],
)
def test_the_longest_unused_goes_first(older: float | None, most: int | None, gone: list[str]) -> None:
    entries = [entry("a", 40), entry("b", 6), entry("c", 1)]
    assert [item.name for item in to_clean(entries, NOW, older, most)] == gone


def test_what_was_used_minutes_ago_stays_and_rests_of_a_cleaning_go() -> None:
    entries = [entry("fresh", 0.001), entry(".removed-1", 0.0)]
    assert [item.name for item in to_clean(entries, NOW, 0.0, 0)] == [".removed-1"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    cache = tmp_path / ".cache"
    for name in ("images/images-1-64px.npy", "images/images-1-64px.npy.lock", "images/measures-2.npz",
                 "images/embeddings-3/part", "images/embeddings-3/lock", "contents/contents-4.parquet",
                 "baselines/8.parquet",
                 "demo-faces-v1-seed0/train/x.png", "folds/folds-5.parquet", "clusters/6.parquet",
                 "images/images-7-64px.npy.99.part", "mine/file"):  # fmt: skip
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text("x" * 100)
    (cache / "images" / "images-1-64px.json").write_text('{"facts": {"images": 1680}}')
    for path in cache.rglob("*"):
        os.utime(path, (NOW - 50 * DAY, NOW - 50 * DAY))
    return tmp_path


def files(runs: Path) -> set[str]:
    found = (path for path in (runs / ".cache").rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(runs / ".cache")) for path in found if path.suffix != ".lock"}


STAYS = {"folds/folds-5.parquet", "clusters/6.parquet", "images/images-7-64px.npy.99.part", "mine/file"}


def test_what_can_be_made_again_goes_and_folds_copies_and_what_is_unknown_stay(runs: Path) -> None:
    found = cache_entries(runs / ".cache")
    assert {item.name for item in found} == {
        "images-1-64px.npy", "measures-2.npz", "embeddings-3", "contents-4.parquet", "8.parquet",
        "demo-faces-v1-seed0",
    }  # fmt: skip
    [store] = [item for item in found if item.name == "images-1-64px.npy"]
    assert "1680 images" in store.costs and store.size == 127
    assert clean(runs, to_clean(found, NOW, 30 * DAY, None)) == [] and files(runs) == STAYS


def test_a_read_counts_as_use(runs: Path) -> None:
    os.utime(runs / ".cache" / "images" / "images-1-64px.npy", (NOW - DAY, NOW - 50 * DAY))
    old = to_clean(cache_entries(runs / ".cache"), NOW, 30 * DAY, None)
    assert "images-1-64px.npy" not in {item.name for item in old} and len(old) == 5


def test_what_somebody_makes_stays_and_is_told(runs: Path) -> None:
    with FileLock(runs / ".cache" / "images" / "images-1-64px.npy.lock"):
        [kept] = clean(runs, cache_entries(runs / ".cache"))
    assert kept.name == "images-1-64px.npy" and "images/images-1-64px.npy" in files(runs)


def test_nothing_goes_while_a_study_is_driven(runs: Path) -> None:
    draw_study(runs / "a", trials=2, folds=2, max_t=2, rows=24, state="running", most=1)
    before = files(runs)
    study = Study.open(runs / "a")
    with pytest.raises(StudyError, match=r"driven by another process.*may read what would be removed"):
        clean(runs, cache_entries(runs / ".cache"))
    assert files(runs) == before
    study.close()
    assert clean(runs, cache_entries(runs / ".cache")) == []


def test_a_cleaning_that_is_interrupted_leaves_nothing_that_looks_whole(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", stop)
    demo = [item for item in cache_entries(runs / ".cache") if item.name.startswith("demo")]
    with pytest.raises(KeyboardInterrupt):
        clean(runs, demo)
    monkeypatch.undo()
    assert not (runs / ".cache" / "demo-faces-v1-seed0").exists()
    [left] = to_clean(cache_entries(runs / ".cache"), NOW, 100 * DAY, None)
    assert left.name.startswith(".removed-")
    assert clean(runs, [left]) == [] and not any(".removed-" in name for name in files(runs))


def test_without_a_cache_there_is_nothing(tmp_path: Path) -> None:
    assert cache_entries(tmp_path / ".cache") == [] and clean(tmp_path, []) == []


def test_a_link_in_a_cache_is_left_alone(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (runs / ".cache" / "demo-faces-v9-seed0").symlink_to(tmp_path / "precious")
    assert "demo-faces-v9-seed0" not in {item.name for item in cache_entries(runs / ".cache")}
