"""What a check says of the value of a leak names what the difference comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from orchestrator.check.__main__ import main
from tests.check.test_check_groups import picture

pytestmark = pytest.mark.torch
PEOPLE = 60


def checked(
    root: Path, rows: list[tuple[np.ndarray, str, str]], capsys: pytest.CaptureFixture[str]
) -> tuple[str, dict[str, Any]]:
    """rows: picture, group, tint. What is said, and the findings by their codes."""
    lines = ["path,group,tint"]
    for number, (image, group, tint) in enumerate(rows):
        cv2.imwrite(str(root / f"i{number}.png"), image)
        lines.append(f"i{number}.png,{group},{tint}")
    (root / "rows.csv").write_text("\n".join(lines) + "\n")
    asked = ["--data", str(root / "rows.csv"), "--target", "tint", "--runs", str(root / "runs")]
    assert main([*asked, "--out", str(root / "out")]) in (0, 1)
    record = json.loads((root / "out" / "check.json").read_text())
    return capsys.readouterr().out, {item["code"]: item for item in record["findings"]}


def noisy(rng: np.random.Generator, image: np.ndarray, much: float) -> np.ndarray:
    return np.clip(image + rng.normal(0, much, image.shape), 0, 255).astype(np.uint8)


def test_a_few_torn_copies_are_not_blamed_for_what_ignoring_groups_is_worth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, rows = np.random.default_rng(3), []
    for person in range(PEOPLE):
        own, tint = rng.integers(60, 180, (4, 4, 3)), ("red", "blue")[int(rng.integers(2))]
        large = own.repeat(4, 0).repeat(4, 1)
        rows += [(noisy(rng, large, 6), f"p{person:02d}", tint) for _ in range(4)]
    for person in range(3):  # copies, in the group of another
        rows.append((noisy(rng, rows[4 * person][0], 1), f"p{person + 10}", rows[4 * person + 40][2]))
    said, found = checked(tmp_path, rows, capsys)
    assert "FO125" in found and "FO161" not in found
    (line,) = [line for line in said.splitlines() if line.startswith("FO161")]
    assert " in folds that ignore groups, " in line and "--write-groups" not in line
    assert "243 rows of 57 groups); 60 groups before copies were joined" in line


def test_copies_that_the_groups_tear_apart_are_a_warning_with_their_own_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, rows = np.random.default_rng(4), []
    for person in range(PEOPLE):
        photo, tint = picture(rng, 48), ("red", "blue")[int(rng.integers(2))]
        rows += [(noisy(rng, photo, 1), f"p{person:02d}-{half // 2}", tint) for half in range(4)]
    _, found = checked(tmp_path, rows, capsys)
    assert found["FO161"]["level"] == "warning"
    assert " in folds that tear copies apart, " in found["FO161"]["found"]
    assert "240 rows of " in found["FO161"]["found"]
    assert found["FO161"]["found"].endswith("groups); 120 groups before copies were joined")
    assert "--write-groups" in found["FO161"]["way_out"]
