"""What training and validation see of a search's images: a contact sheet of settings that differ."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.check.contact_sheet import Block, draw_sheet, to_png
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import TrainableError
from orchestrator.core.trainable import Config, Parameter, load_trainable
from orchestrator.sampling import make_sampler
from orchestrator.space import SearchSpace

REPEATS = 6  # training variants of an image
BLOCKS = 8  # settings on one sheet
PROPOSALS = 200  # configurations among which settings are looked for
PICTURED = (
    "image_size",
    "preprocess",
    "background",
    "value_range",
    "augment",
    "augment_rare",
    "mix",
    "mix_alpha",
    "mix_probability",
)
"""Parameters that change what images look like; other names that do are not looked for."""
QUIET = ("background", "value_range", "mix_alpha", "mix_probability")
"""Those whose default goes without saying."""


def draw_preview(space: SearchSpace, dataset: Dataset, rows: int, seed: int) -> bytes:
    """A PNG with a block for each setting, `rows` images in it. Raises TrainableError without a preview."""
    trainable = load_trainable(space.trainable)
    preview = getattr(trainable, "preview", None)
    if preview is None:
        raise TrainableError(f"{space.trainable} has no preview; leave out --augmentations")
    blocks = []
    for config in settings(space, seed):
        pictures = preview(dataset, config, 0, rows, REPEATS, seed)
        blocks.append(Block(_caption(config, trainable.parameters()), pictures, dataset.classes))
    return to_png(draw_sheet(blocks))


def settings(space: SearchSpace, seed: int) -> list[Config]:
    """Proposed configurations, each with a value of a pictured parameter that none before it has."""
    sampler = make_sampler("random", space, seed)
    found: list[Config] = []
    seen: set[tuple[str, str]] = set()
    listed = [name for name in PICTURED if name in space.domains and space.domains[name].finite() is not None]
    for number in range(PROPOSALS):
        config = sampler.propose(number)
        values = {(name, repr(config.get(name))) for name in listed}
        if not found or values - seen:
            found.append(config)
            seen |= values
        if len(found) == BLOCKS:
            break
    return found


def _caption(config: Config, accepted: Mapping[str, Parameter]) -> str:
    """Every pictured parameter that the trainable has and that says something, default or not."""
    shown = {
        name: config.get(name, accepted[name].default)
        for name in PICTURED
        if name in accepted and (name in config or name not in QUIET)
    }
    texts = {
        name: f"{value:.3g}" if isinstance(value, float) else str(value) for name, value in shown.items()
    }
    return ", ".join(f"{name}={text}" for name, text in texts.items() if text)
