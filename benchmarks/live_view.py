"""What the live view costs: CPU seconds a minute of drawing, with slots that report and trials that wait.

    python -m benchmarks.live_view [--slots 64] [--trials 64 1000] [--minutes 1]

A race of drawn scores is driven in virtual time: every slot ends an epoch each `--epoch` seconds. What is
measured is the work of the view alone: its part of every event, and the drawing of the screen into a terminal
that throws everything away, as often as the screen itself would do so (at most 4 times a second).
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import time
from pathlib import Path

from rich.console import Console

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
from orchestrator.progress.screen import Screen
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.contract import Race

FOLDS, EPOCHS = 5, 18
EXHAUSTIVE = "exhaustive"  # keeps every slot busy to the end


class Stopwatch:
    """CPU seconds of this process in what it is around."""

    seconds = 0.0

    def __enter__(self) -> Stopwatch:
        self._before = time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds += time.process_time() - self._before


class Driven:
    """A race whose slots are always taken, as a driver keeps them."""

    def __init__(self, trials: int, slots: int, view: StudyView, race: Race) -> None:
        self.race, self.view, self._slots = race, view, slots
        self._random = random.Random(0)
        self.watch = Stopwatch()
        self._running: dict[FoldRunKey, list[int]] = {}
        self._proposed: set[int] = set()

    def fill(self, now: float) -> None:
        while len(self._running) < self._slots and (leg := self.race.next()) is not None:
            if leg.trial not in self._proposed:
                self._proposed.add(leg.trial)
                self._tell(Proposed(leg.trial, self._config()), now)
            self._tell(LegStarted(leg.trial, leg.fold, leg.start, leg.end), now)
            self._running[leg.key] = [leg.start, leg.end]

    def end_epoch(self, now: float) -> None:
        key = self._random.choice(list(self._running))
        self._running[key][0] += 1
        event = EpochEnded(key.trial, key.fold, self._running[key][0], self._random.random(), seconds=10.0)
        own = own_decision(key, self._tell(event, now))
        if own is None or own.action is not Action.CONTINUE or own.leg is not None:
            del self._running[key]
        if own is not None and own.leg is not None:
            leg = own.leg
            self._tell(LegStarted(leg.trial, leg.fold, leg.start, leg.end), now)
            self._running[key] = [leg.start, leg.end]

    def _tell(self, event: Proposed | LegStarted | EpochEnded, now: float) -> list[Decision]:
        decisions = self.race.apply(event)
        with self.watch:
            self.view.on_event(event, decisions, now)
        return decisions

    def _config(self) -> dict[str, object]:
        own = {f"parameter_{at}": self._random.random() for at in range(8)}
        return {**own, "backbone": self._random.choice(["resnet18", "resnet50"]), "batch_size": 32}


def measure(
    trials: int, slots: int, minutes: float, epoch_s: float, width: int, height: int
) -> dict[str, float]:
    """CPU seconds a minute: of events, of drawing, and how often it was drawn a second."""
    race = make_race(EXHAUSTIVE, RaceConfig(trials=trials, folds=FOLDS, max_t=EPOCHS))
    clock = {"now": 0.0}
    with Path(os.devnull).open("w") as out:
        console = Console(file=out, width=width, height=height, force_terminal=True, color_system="256")
        context = StudyContext("synthetic", "macro_f1", "max", EPOCHS, slots, folds=FOLDS)
        view = StudyView(race, context, console=console, clock=lambda: clock["now"])
        driven, draws, drawing = Driven(trials, slots, view, race), 0, Stopwatch()
        screen = Screen(console, view.lines)
        screen._live.start()
        next_draw = next_event = 0.0
        driven.fill(0.0)
        while clock["now"] < 60 * minutes and not race.done:
            clock["now"] = min(next_draw, next_event)
            if next_event <= next_draw:
                driven.end_epoch(clock["now"])
                driven.fill(clock["now"])
                next_event += epoch_s / slots
            else:
                with drawing:
                    wait = screen.draw()
                draws, next_draw = draws + 1, next_draw + wait
        screen._live.stop()
    took = clock["now"] / 60
    return {
        "events": driven.watch.seconds / took,
        "drawing": drawing.seconds / took,
        "draws a second": draws / took / 60,
        "ms a draw": 1000 * drawing.seconds / draws,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slots", type=int, default=64)
    parser.add_argument("--trials", type=int, nargs="+", default=[64, 1000])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--epoch", type=float, default=10.0, help="seconds that an epoch takes")
    parser.add_argument("--width", type=int, default=120)
    parser.add_argument("--height", type=int, nargs="+", default=[40, 90])
    asked = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, seed 0; CPU seconds a minute"
    )
    for trials in asked.trials:
        for height in asked.height:
            found = measure(trials, asked.slots, asked.minutes, asked.epoch, asked.width, height)
            share = (found["events"] + found["drawing"]) / 60
            numbers = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
            print(f"{trials} trials, {asked.slots} slots, {height} lines: {numbers}; {share:.2%} of a core")


if __name__ == "__main__":
    main()
