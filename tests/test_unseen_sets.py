"""Image sets nobody thought of come in through a table and train without a change of code."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from orchestrator.study.study import Study
from orchestrator.tune.__main__ import main

pytestmark = pytest.mark.torch

SPACE = """
from orchestrator.space import SearchSpace, categorical, choice

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=categorical("{column}", {classes}),
    params={{"backbone": "test_resnet", "image_size": {size}, "batch_size": 16, "lr": 0.005,
             "augment": "{augment}", "mix": choice(["none", "mixup"]), "sampler": "weighted"}},
    folds=2, trials=2, max_t=2, grace_period=1, finalists=1, group={group!r},
)
"""


def grey_digits(root: Path) -> None:
    """100 grey images of 28 px, one channel: bars that lie, stand or lean."""
    rng = np.random.default_rng(3)
    lines = ["path,shape"]
    for row in range(100):
        shape = ("lying", "standing", "leaning")[row % 3]
        image = rng.integers(0, 80, (28, 28)).astype(np.uint8)
        end = {"lying": (24, 14), "standing": (14, 24), "leaning": (24, 24)}[shape]
        cv2.line(
            image, (4, 14) if shape == "lying" else (14, 4) if shape == "standing" else (4, 4), end, 255, 3
        )
        lines.append(f"g{row:03d}.png,{shape}")
        cv2.imwrite(str(root / f"g{row:03d}.png"), image)
    (root / "table.csv").write_text("\n".join(lines) + "\n")


def scans(root: Path) -> None:
    """96 scans of 24 patients, wide, some as 16-bit PNG and some as JPEG: a bright spot or none."""
    rng = np.random.default_rng(4)
    lines = ["path,patient_id,finding,site"]
    for row in range(96):
        patient, ill = row // 4, row // 4 % 3 == 0
        image = rng.normal(90, 25, (60, 90)).clip(0, 255)
        if ill:
            cv2.circle(image, (int(rng.integers(20, 70)), int(rng.integers(15, 45))), 9, 230.0, -1)
        name = f"ward {patient % 2}/scan-{row:03d}." + ("jpg" if row % 2 else "png")
        (root / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(root / name), image.astype(np.uint8) if row % 2 else (image * 257).astype(np.uint16))
        lines.append(f"{name},{patient + 1000},{'nodule' if ill else 'clear'},{'north' if row % 3 else ''}")
    (root / "table.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("draw", "column", "classes", "group", "size", "augment"),
    [
        (grey_digits, "shape", ["lying", "standing", "leaning"], None, 28, "rotate(5) + noise(0.05)"),
        (scans, "finding", ["clear", "nodule"], "patient_id", "'40x60'", "flip(0.5) + clahe(p=0.3)"),
    ],
    ids=["grey 28 px", "grouped scans"],
)
def test_a_table_of_any_images_is_searched(
    tmp_path: Path,
    draw: object,
    column: str,
    classes: list[str],
    group: str | None,
    size: object,
    augment: str,
) -> None:
    assert callable(draw)
    root = tmp_path / "images"
    root.mkdir()
    draw(root)
    space = tmp_path / "mine.py"
    space.write_text(SPACE.format(column=column, classes=classes, group=group, size=size, augment=augment))
    runs = tmp_path / "runs"
    arguments = [
        "--space",
        str(space),
        "--data",
        str(root / "table.csv"),
        "--runs",
        str(runs),
        "--study",
        "a",
    ]
    assert main([*arguments, "--inline"]) == 0
    study = Study(runs / "a")
    [best] = study.complete_trials()
    assert len(best.bests) == 2
    frame, folds = study.manifest().frame, study.fold_plan().folds
    assert all(len(set(folds[frame["group"] == name])) == 1 for name in set(frame["group"]))
