"""The picture of the screen in the README: a race of drawn scores, stopped in its middle.

python -m tests.support.screen_picture      writes docs/images/screen.svg
"""

from __future__ import annotations

import io
import os
import re
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.terminal_theme import MONOKAI

from orchestrator.core.events import (
    Action,
    Decision,
    EpochEnded,
    FoldRunKey,
    LegStarted,
    Proposed,
    own_decision,
)
from orchestrator.progress import StudyContext, StudyView
from orchestrator.progress.screen import Lines
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.simulate.synthetic import draw_curves
from orchestrator.sampling import make_sampler
from orchestrator.space import SearchSpace, categorical, choice, loguniform

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "screen.svg"
WIDTH, HEIGHT = 100, 32
TRIALS, FOLDS, EPOCHS, SLOTS = 24, 5, 18, 4
BEGAN = 1_764_000_000.0  # unix seconds
UNTIL = 930.0  # seconds into the race
EPOCH_S = 14.0

# As rich's, without the fonts that it would fetch from another server.
FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg"
 role="img"
 aria-label="A search in a terminal: progress, slots, leaderboard, the last decisions">
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace;
 font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial, sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


class _Race:
    """Driven in virtual time: every slot ends an epoch in its turn."""

    def __init__(self) -> None:
        space = SearchSpace(
            trainable="tests.pixel_trainable:PixelTrainable",
            target=categorical("age", ["<30", "30-59", ">=60"]),
            params={
                "lr": loguniform(3e-5, 1e-3),
                "backbone": choice(["resnet18", "resnet50", "tf_efficientnet_b0"]),
                "mix": choice(["none", "mixup", "cutmix"]),
                "dropout": choice([0.0, 0.2, 0.4]),
            },
            folds=FOLDS, trials=TRIALS, max_t=EPOCHS, grace_period=2,
        )  # fmt: skip
        self.now = BEGAN
        self._sampler = make_sampler("random", space, 0)
        self._scores = draw_curves(TRIALS, FOLDS, EPOCHS, np.random.default_rng(4)).scores
        self._race = make_race(
            "fold_asha", RaceConfig(trials=TRIALS, folds=FOLDS, max_t=EPOCHS, grace_period=2)
        )
        study = StudyContext("age", "macro_f1", "max", EPOCHS, SLOTS, folds=FOLDS)
        console = Console(file=io.StringIO(), width=WIDTH, height=HEIGHT)
        self.view = StudyView(self._race, study, console=console, clock=lambda: self.now, timer=lambda: 0.0)
        self._running: dict[FoldRunKey, list[int]] = {}
        self._proposed: set[int] = set()

    def run(self) -> None:
        turn = 0
        self._fill()
        while self.now < BEGAN + UNTIL:
            self.now += EPOCH_S / SLOTS
            self._end_epoch(list(self._running)[turn % len(self._running)])
            self._fill()
            turn += 1

    def _fill(self) -> None:
        while len(self._running) < SLOTS and (leg := self._race.next()) is not None:
            if leg.trial not in self._proposed:
                self._proposed.add(leg.trial)
                self._tell(Proposed(leg.trial, self._sampler.propose(leg.trial)))
            self._start(leg.key, LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative))

    def _start(self, key: FoldRunKey, event: LegStarted) -> None:
        self._tell(event)
        self.view.on_ready(key, self.now)
        self._running[key] = [event.start, event.end]

    def _end_epoch(self, key: FoldRunKey) -> None:
        done = self._running[key]
        done[0] += 1
        score = float(self._scores[key.trial, key.fold, done[0] - 1])
        event = EpochEnded(key.trial, key.fold, done[0], score, seconds=EPOCH_S + key.trial % 3)
        own = own_decision(key, self._tell(event))
        if own is None or own.action is not Action.CONTINUE or own.leg is not None:
            del self._running[key]
        if own is not None and own.leg is not None:
            leg = own.leg
            self._start(key, LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative))

    def _tell(self, event: Proposed | LegStarted | EpochEnded) -> list[Decision]:
        decisions = self._race.apply(event)
        self.view.on_event(event, decisions, self.now)
        return decisions


def picture() -> str:
    """The same on every machine."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        race = _Race()
        race.run()
        console = Console(
            file=io.StringIO(), width=WIDTH, record=True, force_terminal=True, color_system="truecolor"
        )
        console.print(Lines(race.view.lines()), end="")
        title = "python -m orchestrator.tune --space search_spaces/age.py"
        made = console.export_svg(title=title, theme=MONOKAI, code_format=FORMAT, unique_id="screen")
        return re.sub(r"[ \t]+$", "", made, flags=re.MULTILINE)
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


def main() -> None:
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture())
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    main()
