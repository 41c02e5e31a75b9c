"""Every shipped space is one that the trainable accepts and the race can climb, at every scale."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from orchestrator.race.ladder import build_ladder, check_ladder, cost
from orchestrator.sampling import RandomSampler
from orchestrator.space import SCALES, SearchSpace
from orchestrator.space.loading import load_space
from trainables.network.torchvision_ops import timm
from trainables.parameters import PARAMETERS, completed

pytestmark = pytest.mark.torch

FOLDER = Path(__file__).parents[2] / "search_spaces"
FILES = sorted(
    path for path in FOLDER.rglob("*.py") if path.stem != "__init__" and path.parent.name != "shared"
)
COMPETITION = ("age", "gender", "mask", "joint")


def spaces() -> list[tuple[str, SearchSpace]]:
    found = []
    for path in FILES:
        space = load_space(path)
        for scale in SCALES:
            if scale == "full" or scale in space.scales:
                found.append((f"{path.relative_to(FOLDER)} {scale}", space.at_scale(scale)))
    return found


SPACES = dict(spaces())


def fold_epochs(space: SearchSpace) -> int:
    if space.ladder is not None:
        return cost(check_ladder(space.ladder, space.trials, space.folds, space.max_t))
    numbers = (space.grace_period, space.reduction_factor, space.finalists)
    return cost(build_ladder(space.trials, space.folds, space.max_t, *numbers))


@pytest.mark.parametrize("name", SPACES)
def test_the_trainable_accepts_every_parameter(name: str) -> None:
    SPACES[name].check_parameters(PARAMETERS)


@pytest.mark.parametrize("name", SPACES)
def test_the_race_is_far_cheaper_than_trying_everything(name: str) -> None:
    space = SPACES[name]
    everything = space.trials * space.folds * space.max_t
    assert fold_epochs(space) <= everything * (0.1 if name.endswith("full") and space.trials >= 64 else 0.7)


@pytest.mark.parametrize("name", SPACES)
def test_configurations_can_be_drawn_and_completed(name: str) -> None:
    sampler = RandomSampler(SPACES[name], seed=0)
    for trial in range(20):
        assert set(completed(sampler.propose(trial))) == set(PARAMETERS)


@pytest.mark.parametrize("name", SPACES)
def test_every_backbone_is_one_that_timm_knows(name: str) -> None:
    for backbone in SPACES[name].domains["backbone"].finite() or ():
        assert timm.is_model(backbone), backbone


@pytest.mark.parametrize("name", [name for name in SPACES if not name.endswith("full")])
def test_small_scales_need_no_download(name: str) -> None:
    assert SPACES[name].domains["pretrained"].finite() == (False,)


@pytest.mark.parametrize("scale", SCALES)
def test_the_four_competition_spaces_share_folds_and_the_joint_label(scale: str) -> None:
    four = [SPACES[f"{name}.py {scale}"] for name in COMPETITION]
    assert len({(space.stratify, space.folds, space.group, space.joint) for space in four}) == 1
    label = four[0].joint
    assert label is not None and len(label.classes) == 18
    assert [space.target.name for space in four[:3]] == ["age", "gender", "mask"]
    assert {space.target for space in four[:3]} == set(label.parts) and four[3].target == label


def test_space_files_say_how_to_run_them() -> None:
    for path in FILES:
        text = path.read_text()
        assert re.search(r"python -m \S+ --space|make demo", text), path


def test_seeds_reproduce_proposals() -> None:
    space = SPACES["age.py full"]
    draws = [[RandomSampler(space, seed=s).propose(trial) for trial in range(5)] for s in (1, 1, 2)]
    assert draws[0] == draws[1] and draws[0] != draws[2]
    assert np.isfinite([config["lr"] for config in draws[0]]).all()
