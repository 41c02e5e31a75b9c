"""Three tasks and their product, a joint model, their blend: what is printed, against people never seen.

    python -m benchmarks.joint_answers ../shared/data/mask_faces \\
        --weights ../shared/weights/tf_efficientnet_lite0.safetensors --draws 3 --write

Every draw holds out a third of the people (as many of each gender and age bin), labels and all, and runs the
commands themselves: four searches of heads on frozen features (mask, gender, age, all 18 classes), then an
ensemble of the three, one of the fourth and one of all; in the first draw each also without calibration. The
people held out have role `test`: their labels decide what the answers were worth. Folders that are there are
not made again. --write puts the figures into docs/benchmarks/joint_answers.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.joint_answers_page import write_page
from orchestrator.data.manifest import Manifest, load_manifest
from orchestrator.ensemble_record.record import RECORD

TASKS = ("mask", "gender", "age")
JOINT = "all"
MADE_OF = {"product": TASKS, "joint": (JOINT,), "blend": (*TASKS, JOINT)}
CALIBRATED = {"calibrated": "auto", "uncalibrated": "none"}
SPACES = Path(__file__).parent / "joint_spaces"
HELD_OUT = 1 / 3


@dataclass(frozen=True)
class Place:
    """Where everything of this benchmark lies."""

    out: Path

    @property
    def features(self) -> Path:
        return self.out / "features.npz"

    def rows(self, draw: int) -> Path:
        return self.out / f"rows-{draw}.csv"

    def runs(self, draw: int) -> Path:
        return self.out / f"runs-{draw}"


def main(argv: Sequence[str] | None = None) -> None:
    options = _options(argv)
    place = Place(options.out.resolve())
    place.out.mkdir(parents=True, exist_ok=True)
    train = load_manifest(options.data / "train")
    hidden = load_manifest(options.data / "eval")
    if not place.features.exists():
        describe([*files_of(train), *files_of(hidden)], options.weights, place.features)
    for draw in range(options.draws):
        if not place.rows(draw).exists():
            held_out_rows(train, draw).to_csv(place.rows(draw), index=False)
        search(place, draw)
        for name in MADE_OF:
            for calibrated in list(CALIBRATED)[: 1 if draw else 2]:
                make(place, draw, name, calibrated)
    submit(place, options.data / "eval")
    found = [(place.runs(draw), place.rows(draw)) for draw in range(options.draws)]
    write_page(found, list(MADE_OF), list(CALIBRATED), options.write)


def files_of(rows: Manifest) -> list[str]:
    return [os.path.realpath(rows.root / path) for path in rows.frame["path"]]


def describe(paths: Sequence[str], weights: Path, target: Path) -> None:
    from benchmarks.network_features import describe_photos  # torch

    found = describe_photos([Path(path) for path in paths], weights)
    part = target.with_suffix(".part.npz")
    np.savez(part, paths=np.array(paths), **{name: item.astype(np.float16) for name, item in found.items()})
    part.replace(target)


def held_out_rows(rows: Manifest, seed: int) -> pd.DataFrame:
    """The table of one draw: a third of the people of each gender and age bin have role test."""
    frame = rows.frame[["path", "group", "gender", "age", "mask"]].copy()
    people = frame.drop_duplicates("group")
    strata = people["gender"].astype(str) + np.digitize(people["age"], [30, 60]).astype(str)
    rng = np.random.default_rng(seed)
    chosen: set[str] = set()
    for _, group in people.groupby(strata)["group"]:
        chosen.update(rng.permutation(group.to_numpy())[: round(len(group) * HELD_OUT)])
    frame["role"] = np.where(frame["group"].isin(chosen), "test", "train")
    frame["path"] = files_of(rows)
    return frame


def search(place: Place, draw: int) -> None:
    for name in (*TASKS, JOINT):
        if (place.runs(draw) / name).exists():
            continue
        run(
            "tune", "--space", SPACES / f"{name}.py", "--data", place.rows(draw), "--study", name,
            "--runs", place.runs(draw), "--set", f"described={place.features}", "--seed", draw,
            "--scale", "full", "--inline", "--no-report",
        )  # fmt: skip


def make(place: Place, draw: int, name: str, calibrated: str) -> None:
    folder = place.runs(draw) / f"{name}-{calibrated}"
    if (folder / RECORD).exists():
        return
    run(
        "ensemble", "--study", *MADE_OF[name], "--runs", place.runs(draw), "--out", folder,
        "--calibrate", CALIBRATED[calibrated], "--no-report",
    )  # fmt: skip


def submit(place: Place, hidden: Path) -> None:
    """What a competitor would hand in: the blend of the first draw on the photos without labels."""
    target = place.out / "submission.csv"
    if not target.exists():
        folder = place.runs(0) / "blend-calibrated"
        run("ensemble", "--ensemble", folder, "--predict", hidden, "--submission", target)


def run(command: str, *arguments: object) -> None:
    """One of the project's commands; what it prints is seen. Raises CalledProcessError."""
    asked = [sys.executable, "-m", f"orchestrator.{command}", *map(str, arguments)]
    print("$", *asked[1:], flush=True)
    subprocess.run(asked, check=True)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("data", type=Path, help="folder of the competition: train/ and eval/")
    add("--weights", type=Path, required=True, help=".safetensors of timm's tf_efficientnet_lite0")
    add("--out", type=Path, default=Path("runs/joint_answers"), help="where everything goes")
    add("--draws", type=int, default=3, help="times that people are held out")
    add("--write", action="store_true", help="write the page's figures")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
