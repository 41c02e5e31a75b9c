"""Each kind of oddity is found where it is planted, and nothing is found in a set that has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.core.finding import Level
from orchestrator.core.image_measures import STATISTICS, ImageMeasures
from orchestrator.data.quality.oddities import ODDITIES, odd_images
from orchestrator.data.quality.task_labels import TaskLabels

N = 40
USUAL = {
    "brightness": 0.5, "brightness_p01": 0.05, "brightness_p05": 0.1, "brightness_p99": 0.95, "entropy": 7.0,
    "edge_std": 60.0, "fine_edge_std": 40.0, "histogram_std": 0.002, "colour": 50.0, "quality": 90.0,
}  # fmt: skip


def usual() -> ImageMeasures:
    """N images that differ a little."""
    rng = np.random.default_rng(0)
    texts = np.full(N, "", "U40")
    spread = rng.uniform(0.97, 1.03, (len(STATISTICS), N))
    statistics = {
        name: (USUAL.get(name, 0.5) * own).astype(np.float32)
        for name, own in zip(STATISTICS, spread, strict=True)
    }
    sides = rng.integers(100, 110, (2, N)).astype(np.int32)
    return ImageMeasures(
        digests=np.array([f"{row:02d}" for row in range(N)]),
        hashes=np.zeros((N, 8, 4), np.uint64),
        height=sides[0],
        width=sides[1],
        kind=texts,
        mode=texts,
        statistics=statistics,
        thumbnails=np.zeros((N, 8, 8), np.uint8),
        camera=texts,
        taken=texts,
        errors=texts,
    )


PATHS = tuple(f"{row:02d}.png" for row in range(N))
PLANTED = {
    "FO111": {"brightness_p99": 0.2},
    "FO112": {"brightness_p05": 0.99},
    "FO113": {"edge_std": 15.0, "fine_edge_std": 5.0},
    "FO114": {"entropy": 0.4},
    "FO115": {"height": 900, "width": 800},
    "FO116": {"height": 20},
    "FO117": {"colour": 0.0},
}


def with_planted(code: str, rows: int) -> ImageMeasures:
    made = usual()
    height, width, statistics = made.height.copy(), made.width.copy(), dict(made.statistics)
    for name, value in PLANTED[code].items():
        if name in ("height", "width"):
            (height if name == "height" else width)[:rows] = value
        else:
            statistics[name] = statistics[name].copy()
            statistics[name][:rows] = value
    return replace(made, height=height, width=width, statistics=statistics)


def test_every_kind_has_its_planted_test() -> None:
    assert {kind.code for kind in ODDITIES} == set(PLANTED)


def test_nothing_is_odd_in_a_usual_set() -> None:
    assert odd_images(usual(), PATHS) == []


@pytest.mark.parametrize("code", PLANTED)
def test_a_planted_oddity_is_the_one_finding_and_names_its_rows(code: str) -> None:
    [finding] = odd_images(with_planted(code, 2), PATHS)
    assert finding.code == code and finding.level is Level.WARNING and finding.way_out
    assert sorted(finding.rows) == [0, 1]
    assert finding.found.startswith("2 of 40 images") and "00.png" in finding.found


@pytest.mark.parametrize("code", sorted(PLANTED.keys() - {"FO115"}))
def test_what_most_of_a_set_has_is_how_the_set_is(code: str) -> None:
    assert odd_images(with_planted(code, 30), PATHS) == []


def test_an_oddity_that_one_class_has_is_told_as_a_shortcut() -> None:
    half = TaskLabels("tint", ("red", "blue"), np.arange(N) // 20)
    [finding] = odd_images(with_planted("FO111", 12), PATHS, [half])
    assert "12 of them have tint red, which 50% of all rows have" in finding.found
    mixed = TaskLabels("tint", ("red", "blue"), np.arange(N) % 2)
    few = TaskLabels("tint", ("red", "blue"), np.where(np.arange(N) < 4, 0, 1))
    for task, rows in ((mixed, 12), (half, 6), (few, 1)):
        [finding] = odd_images(with_planted("FO111", rows), PATHS, [task])
        assert "of them" not in finding.found


def test_of_two_sizes_the_rarer_is_odd() -> None:
    [finding] = odd_images(with_planted("FO115", 36), PATHS)
    assert set(finding.rows) == set(range(36, 40))


def test_a_file_that_cannot_be_read_is_no_odd_image() -> None:
    made = with_planted("FO111", 2)
    errors = made.errors.copy()
    errors[:2] = "truncated"
    assert odd_images(replace(made, errors=errors), PATHS) == []
    nothing = replace(made, errors=np.full(N, "missing"))
    assert odd_images(nothing, PATHS) == []


def test_the_clearest_comes_first() -> None:
    made = usual()
    darkest = made.statistics["brightness_p99"].copy()
    darkest[[3, 7, 9]] = (0.3, 0.01, 0.2)
    [finding] = odd_images(replace(made, statistics={**made.statistics, "brightness_p99": darkest}), PATHS)
    assert finding.rows == (7, 9, 3)


def test_blurred_is_what_lacks_edges_beside_the_others_at_either_size() -> None:
    smooth = usual()  # a set of smooth pictures, all alike
    few = {name: smooth.statistics[name] / 20 for name in ("edge_std", "fine_edge_std")}
    assert odd_images(replace(smooth, statistics={**smooth.statistics, **few}), PATHS) == []
    fine = with_planted("FO113", 2)  # fine detail alone is missing, as in an enlarged picture
    assert (
        odd_images(
            replace(fine, statistics={**fine.statistics, "edge_std": smooth.statistics["edge_std"]}), PATHS
        )
        == []
    )
