"""Real studies for the ensemble's tests: people photographed, fold runs trained, journals written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from orchestrator.core.dataset import Dataset
from orchestrator.core.events import EpochEnded, Leg, LegStarted, Proposed
from orchestrator.core.trainable import Resources
from orchestrator.data.folds import build_fold_plan
from orchestrator.data.manifest import load_manifest
from orchestrator.data.targets import Given, Joint, Target
from orchestrator.execution.worker import FoldRunWorker, LegAssignment
from orchestrator.race.config import VERSION
from orchestrator.space import SearchSpace, categorical, joint
from orchestrator.space.condition import condition_mask
from orchestrator.study.header import StudyHeader
from orchestrator.study.study import Study

TINT = categorical("tint", ["red", "blue"])
SHADE = categorical("shade", ["dark", "mid", "light"])
BOTH = joint(TINT, SHADE)
PIXELS = "tests.pixel_trainable:PixelTrainable"


def draw(path: Path, rng: np.random.Generator, tint: int, shade: int) -> None:
    image = rng.integers(0, 90, (12, 12, 3)) + 50 * shade
    image[..., 2 if tint == 0 else 0] += 30
    cv2.imwrite(str(path), np.clip(image, 0, 255).astype(np.uint8))


def make_faces(root: Path) -> Path:
    """faces.csv: 36 people, two photos each, six classes of tint and shade."""
    rng = np.random.default_rng(3)
    lines = ["path,group,tint,shade"]
    for person in range(36):
        tint, shade = person % 2, person // 2 % 3
        for photo in range(2):
            name = f"p{person:02d}-{photo}.png"
            draw(root / name, rng, tint, shade)
            lines.append(f"{name},p{person:02d},{TINT.classes[tint]},{SHADE.classes[shade]}")
    (root / "faces.csv").write_text("\n".join(lines) + "\n")
    return root / "faces.csv"


def make_eval(root: Path, count: int = 7) -> Path:
    """The competition's evaluation layout; its template is in no order that sorting would give."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(4)
    names = [f"{letter}{number}.png" for number, letter in enumerate("qhzamcb"[:count])]
    for number, name in enumerate(names):
        draw(root / "images" / name, rng, number % 2, number % 3)
    (root / "info.csv").write_text("\n".join(["ImageID,ans", *(f"{name},0" for name in names)]) + "\n")
    return root


@dataclass(frozen=True)
class Plan:
    """What a study is made of; the defaults make a study of the joint label."""

    target: Target = BOTH
    joint: bool | Joint = False
    given: Given | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    trainable: str = PIXELS
    lrs: Sequence[float] = (0.1, 0.01, 0.03)
    folds: int = 3
    epochs: int = 5
    finalists: int = 2
    seed: int = 0
    complete: bool = True
    done: int | None = None  # epochs of every fold run; None: all of them


def make_study(path: Path, data: Path, plan: Plan) -> Path:
    """Runs every fold run to its end, in this process, and closes the study."""
    manifest = load_manifest(data)
    folds = build_fold_plan(manifest, plan.folds, plan.seed, (BOTH,))
    joint_label = (BOTH if plan.joint else None) if isinstance(plan.joint, bool) else plan.joint
    space = SearchSpace(
        trainable=plan.trainable, target=plan.target, params={"lr": 0.5}, folds=plan.folds, max_t=plan.epochs,
        finalists=plan.finalists, joint=joint_label, given=plan.given, stratify=(BOTH,),
    )  # fmt: skip
    header = StudyHeader(path.name, space.to_json(), rule_version=VERSION)
    study = Study.create(path, header, manifest, folds)
    dataset = Dataset(
        str(manifest.root), tuple(manifest.frame["path"]), space.target.encode(manifest.frame), folds.folds,
        space.target.classes, space.metric, space.mode, manifest.fingerprint, str(path),
        condition_mask=condition_mask(space, manifest.frame),
    )  # fmt: skip
    worker = FoldRunWorker(dataset, plan.trainable, study.store(), Resources())
    for trial, lr in enumerate(plan.lrs):
        config = {"lr": lr, **plan.config}
        study.append(Proposed(trial, config))
        for fold in range(plan.folds if plan.complete else plan.folds - 1):
            leg = Leg(trial, fold, 0, plan.done or plan.epochs)
            study.append(LegStarted(trial, fold, 0, leg.end))
            worker.start(LegAssignment(leg, config, plan.epochs, 10 * trial, None))
            for _ in range(leg.end):
                outcome = worker.step()
                assert isinstance(outcome, EpochEnded), outcome
                study.append(outcome)
    worker.release()
    study.close()
    return path
