from __future__ import annotations

import io
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from unittest.mock import patch

import pytest
from rich.console import Console

from orchestrator.budget import NO_BUDGET, Budget
from orchestrator.core.events import (
    Action,
    BudgetSpent,
    Decision,
    EpochEnded,
    Event,
    Extended,
    FoldRunKey,
    Leg,
    LegFailed,
    LegStarted,
    Proposed,
    RaceEvent,
    Shortened,
    State,
)
from orchestrator.progress import StudyView, hidden_bars, progress_bar
from orchestrator.progress.bar import _Bar
from orchestrator.progress.board import board
from orchestrator.progress.draw import picture, progress_text
from orchestrator.progress.layout import Line
from orchestrator.progress.lines import leaderboard_lines
from orchestrator.progress.screen import Lines
from orchestrator.progress.state import Activity, DecisionLine, ProgressFigures, StudyContext
from orchestrator.progress.text import clock_time, duration
from orchestrator.race import RaceConfig, make_race
from orchestrator.race.contract import TrialStatus


@dataclass
class FakeRace:
    """A race whose answers a test sets."""

    spent_fold_epochs: int = 0
    planned_fold_epochs: int = 100
    finish_fold_epochs: int = 0
    done: bool = False
    trials: list[TrialStatus] = field(default_factory=list)

    def next(self) -> Leg | None:
        return None

    def observe(self, event: RaceEvent) -> list[Decision]:
        return []

    def statuses(self) -> list[TrialStatus]:
        return self.trials


class Watched:
    """A view on a fake race, its console and its clock."""

    def __init__(
        self,
        slots: int = 4,
        terminal: bool = False,
        spent: int = 0,
        height: int = 40,
        budget: Budget = NO_BUDGET,
        goes_on: bool = False,
    ) -> None:
        self.race = FakeRace(spent_fold_epochs=spent)
        self.now = 0.0
        self.console = Console(
            file=io.StringIO(), width=120, height=height, force_terminal=terminal, color_system=None
        )
        self.study = StudyContext("age", "macro_f1", "max", 18, slots, budget=budget, goes_on=goes_on)
        self.view = StudyView(
            self.race, self.study,
            console=self.console, clock=lambda: self.now, timer=lambda: 0.0, elapsed=lambda: self.now,
        )  # fmt: skip

    def see(self, event: Event, *decisions: Decision) -> None:
        self.race.spent_fold_epochs += isinstance(event, EpochEnded)
        self.view.on_event(event, decisions, self.now)

    def picture(self, width: int = 120) -> list[str]:
        return drawn(picture(self.view._frame, self.study, self.now, self.console.height, width), width)

    def decisions(self) -> list[DecisionLine]:
        return list(self.view._frames.activity.decisions)

    def printed(self) -> str:
        file = self.console.file
        assert isinstance(file, io.StringIO)
        return file.getvalue()


def drawn(lines: Sequence[Line], width: int = 120) -> list[str]:
    console = Console(file=io.StringIO(), record=True, width=width, height=200, color_system=None)
    console.print(Lines(lines), end="")
    return [line.rstrip() for line in console.export_text().splitlines()]


def line_with(text: str, lines: Sequence[str]) -> str:
    found = [line for line in lines if text in line]
    assert found, f"{text!r} is in none of\n" + "\n".join(lines)
    return found[0]


PARK = Decision(Action.PARK, 3, "6 epochs done; the slot goes to trial 4 fold 0", 1)
GOES_ON = Decision(Action.CONTINUE, 3, "inside its leg", 1)


# ---- the picture ----------------------------------------------------------------------------------


def test_a_slot_shows_its_fold_run_its_epoch_its_last_score_and_that_it_is_speculative() -> None:
    watched = Watched()
    watched.see(LegStarted(3, 1, 2, 6, speculative=True))
    watched.see(EpochEnded(3, 1, 4, 0.61234, seconds=2.5), GOES_ON)
    line = line_with("t0003-f1", watched.picture())
    assert all(part in line for part in ("4/6", "0.6123", "2.50 s", "speculative"))


def test_a_bar_goes_on_inside_an_epoch_by_the_time_epochs_take() -> None:
    activity = Activity(1, {})
    activity.on_event(LegStarted(0, 0, 0, 2), [], 100.0)
    activity.on_event(EpochEnded(0, 0, 1, 0.5, seconds=10.0), [Decision(Action.CONTINUE, 0, "", 0)], 110.0)
    (slot,) = activity.running
    assert [slot.part(now) for now in (110.0, 115.0)] == pytest.approx([0.5, 0.75])
    assert slot.part(1000.0) < 1.0
    activity.on_event(LegStarted(9, 0, 0, 1), [], 200.0)
    other = activity.slots[1]
    assert other is not None
    assert (other.part(205.0), other.epoch_s) == (0.5, None)  # what other trials took is only a guess


@pytest.mark.parametrize(
    ("decision", "running"),
    [
        (Decision(Action.CONTINUE, 3, "goes on", 1), [FoldRunKey(3, 1)]),
        (Decision(Action.PARK, 3, "parked", 1), []),
        (Decision(Action.STOP, 3, "out", 1), []),
        (Decision(Action.PROMOTE, 9, "another trial"), [FoldRunKey(3, 1)]),
    ],
)
def test_a_fold_run_keeps_its_slot_unless_the_decision_on_it_gives_it_away(
    decision: Decision, running: list[FoldRunKey]
) -> None:
    activity = Activity(2, {})
    activity.on_event(LegStarted(3, 1, 0, 6), [], 0.0)
    activity.on_event(EpochEnded(3, 1, 1, 0.5), [decision], 1.0)
    assert [slot.key for slot in activity.running] == running


def test_the_next_leg_of_a_fold_run_that_goes_on_stays_in_its_slot() -> None:
    activity = Activity(3, {})
    for fold in (0, 1):
        activity.on_event(LegStarted(3, fold, 0, 2), [], 0.0)
    activity.on_event(LegStarted(3, 0, 2, 6), [], 1.0)
    assert [slot and (slot.key.fold, slot.end) for slot in activity.slots] == [(0, 6), (1, 2), None]


def test_a_slot_that_was_given_away_is_the_next_legs_the_first_idle_one_first() -> None:
    activity = Activity(3, {})
    for fold in range(3):
        activity.on_event(LegStarted(0, fold, 0, 2), [], 0.0)
    activity.on_event(EpochEnded(0, 2, 2, 0.5), [Decision(Action.PARK, 0, "", 2)], 1.0)
    activity.on_event(LegFailed(0, 0, 1, "exception", "boom"), [], 1.0)
    for fold in range(2):
        activity.on_event(LegStarted(7, fold, 0, 2), [], 2.0)
    keys = [FoldRunKey(7, 0), FoldRunKey(0, 1), FoldRunKey(7, 1)]
    assert [slot and slot.key for slot in activity.slots] == keys


def test_text_from_data_is_neither_markup_nor_a_way_to_move_the_cursor() -> None:
    watched = Watched()
    config = {"backbone": "[red]net[/red]", "lr": 0.1}
    watched.see(Proposed(3, config))
    watched.see(Proposed(4, {"backbone": "b", "lr": 0.1}))
    watched.race.trials = [TrialStatus(3, State.FAIL, 0, 0.5, 0, 1, "")]
    watched.see(LegStarted(3, 1, 0, 6))
    decision = Decision(Action.FAIL, 3, "boom [bold]\n\x1b[2Jgone[/]", 1)
    watched.see(LegFailed(3, 1, 2, "exception", "Error: [bold]a\nb\x1b[2J"), decision)
    lines = watched.picture()
    line_with("[red]net[/red]", lines)
    line_with("boom [bold]  [2Jgone[/]", lines)
    line_with("failures: 1 exception, 0 retried; last t0003-f1: Error: [bold]a b [2J", lines)


@pytest.mark.parametrize("height", [24, 30, 40, 60])
@pytest.mark.parametrize("slots", [1, 4, 16, 64])
@pytest.mark.parametrize("budget", [NO_BUDGET, Budget(500_000, 900_000.0)])
def test_the_picture_fits_the_terminal_and_scores_are_never_cut(
    height: int, slots: int, budget: Budget
) -> None:
    watched = Watched(slots=slots, height=height, budget=budget)
    watched.race.trials = [TrialStatus(t, State.PARKED, 1, 0.612345, 0, 3, "") for t in range(40)]
    for trial in range(40):
        watched.see(Proposed(trial, {"a_long_parameter_name": f"value-{trial}" * 9}))
    for fold in range(slots):
        watched.see(LegStarted(0, fold, 0, 3))
    for trial in range(20):
        watched.see(LegFailed(99, 0, 1, "nan", "x" * 300), Decision(Action.PROMOTE, trial, "because " * 40))
    for width in (80, 120):
        lines = watched.picture(width)
        assert len(lines) < height
        assert max(map(len, lines)) <= width
        line = line_with("t0000  RUNNING", lines)
        assert "0.6123" in line
        line_with("PROMOTE", lines)


def test_a_study_without_any_event_yet_can_be_drawn() -> None:
    assert any("0 of 100" in line for line in Watched().picture())


def test_the_leaderboard_shows_only_parameters_that_vary() -> None:
    statuses = [TrialStatus(t, State.COMPLETE, 3, 0.5, 5, 90, "") for t in (1, 0)]
    configs = {0: {"lr": 0.001234, "size": 224}, 1: {"lr": 1e-5, "size": 224, "momentum": 0.9}}
    lines = drawn(board(statuses, configs, ["lr", "momentum"], "macro_f1", 5, 100, 20))
    assert lines[0].split() == ["trial", "state", "rung", "macro_f1", "folds", "epochs", "lr", "momentum"]
    assert line_with("t0001", lines).split()[-2:] == ["1e-5", "0.9"]
    assert line_with("t0000", lines).split()[-1] == "0.00123"


# ---- progress -------------------------------------------------------------------------------------


def test_progress_stays_below_the_whole_until_the_race_is_done() -> None:
    assert ProgressFigures(130, 100, False, 1.0, 0.0).part == 0.99
    assert ProgressFigures(90, 100, True, 1.0, 0.0).part == 1.0
    assert ProgressFigures(130, 100, False, 1.0, 0.0).eta_s(0.0) is None
    watched = Watched(spent=130)
    line_with("99%, finishing", watched.picture())


def test_the_time_left_is_measured_in_this_session_only() -> None:
    watched = Watched(slots=1, spent=40)
    watched.see(LegStarted(0, 0, 0, 9))
    watched.now = 20.0
    watched.see(EpochEnded(0, 0, 1, 0.5, seconds=20.0), Decision(Action.PARK, 0, "", 0))
    line_with("41 of 100 planned fold-epochs, 41%, 20 min left", watched.picture())  # 59 x 20 s
    watched.now = 320.0
    line_with("15 min left", watched.picture())  # five minutes later, nothing new


def left(line: str) -> str:
    return line.split("%, ")[1].split(" left")[0]


def test_the_time_left_comes_with_the_clock_time_it_ends_at() -> None:
    pace = ProgressFigures(50, 100, False, 0.01, 0.0)
    assert progress_text(pace, 0.0).endswith(f"1 h 23 min left (at {clock_time(5000.0, 0.0)})")
    assert re.fullmatch(r"\d\d:\d\d", clock_time(5000.0, 0.0))
    assert re.fullmatch(r"\w{3} \d\d:\d\d", clock_time(90_000.0, 0.0))
    assert re.fullmatch(r"\d\d \w{3} \d\d:\d\d", clock_time(900_000.0, 0.0))


def test_the_time_left_is_never_less_than_the_longest_leg_takes() -> None:
    watched = Watched(slots=4, spent=60)
    for fold in range(4):
        watched.see(LegStarted(0, fold, 0, 18 if fold == 3 else 17))
    watched.now = 10.0
    for fold in range(4):
        watched.see(EpochEnded(0, fold, 1, 0.5, seconds=10.0), Decision(Action.CONTINUE, 0, "", fold))
    # 36 fold-epochs on four slots are 60 s by the pace so far; one leg has 17 epochs of 10 s to go.
    assert left(line_with("64 of 100", watched.picture())) == "2 min 50 s"


def test_the_time_left_is_at_least_what_the_finalists_take() -> None:
    watched = Watched(slots=1, spent=98)
    watched.race.finish_fold_epochs = 40
    watched.see(LegStarted(0, 0, 0, 18))
    watched.now = 10.0
    watched.see(EpochEnded(0, 0, 1, 0.5, seconds=10.0), Decision(Action.PARK, 0, "", 0))
    line_with("99 of 139 planned", watched.picture())


def test_how_much_of_the_budget_is_used_is_shown_and_bounds_the_time_left() -> None:
    watched = Watched(slots=1, spent=40, budget=Budget(80, 600.0))
    watched.see(LegStarted(0, 0, 0, 9))
    watched.now = 20.0
    watched.see(EpochEnded(0, 0, 1, 0.5, seconds=20.0), Decision(Action.PARK, 0, "", 0))
    lines = watched.picture()
    line_with("budget: 41 of 80 fold-epochs, 20 s of 10 min", lines)
    assert left(line_with("41 of 80 planned", lines)) == "9 min 40 s"  # 39 x 20 s would be 13 min
    with watched.view:
        pass
    assert "budget: 41 of 80 fold-epochs" in watched.printed()
    assert not any("budget" in line for line in Watched().picture())


def test_once_the_budget_is_spent_the_plan_is_what_the_finalists_take() -> None:
    watched = Watched(slots=1, spent=40, budget=Budget(80))
    watched.race.finish_fold_epochs = 25
    watched.see(BudgetSpent("enough"))
    line_with("40 of 65 planned fold-epochs", watched.picture())


def test_while_trials_follow_trials_the_end_is_that_of_the_budget() -> None:
    pace = ProgressFigures(
        50, 60, False, 1.0, 0.0, budget=Budget(seconds=600.0), elapsed_s=200.0, goes_on=True
    )
    assert pace.eta_s(0.0) == 400.0
    assert pace.eta_s(30.0) == 370.0
    assert replace(pace, spent=60).eta_s(0.0) == 400.0  # the plan of the trials so far is no end
    assert replace(pace, goes_on=False).eta_s(0.0) == 10.0
    both = replace(pace, budget=Budget(80, 600.0))
    assert both.eta_s(0.0) == 30.0
    assert replace(both, per_second=0.01).eta_s(0.0) == 400.0
    assert replace(pace, done=True).eta_s(0.0) is None


@pytest.mark.parametrize("event", [BudgetSpent("enough"), Shortened(4)])
def test_after_the_last_trial_is_known_the_time_left_is_measured_again(event: Event) -> None:
    watched = Watched(slots=1, spent=90, budget=Budget(seconds=600.0), goes_on=True)
    watched.race.finish_fold_epochs = 9
    watched.see(LegStarted(0, 0, 0, 1))
    watched.now = 10.0
    watched.see(EpochEnded(0, 0, 1, 0.5, seconds=10.0), Decision(Action.PARK, 0, "", 0))
    assert "9 min 50 s left" in line_with("91 of", watched.picture())
    watched.see(event)
    assert "9 min 50 s left" not in line_with("91 of", watched.picture())


ORDERS = [
    (Extended(18), [], "extend to 18 trials: the budget has room for more", "EXTEND"),
    (
        Shortened(1),
        [Decision(Action.PRUNE, trial, "the budget has no room for it") for trial in (1, 2, 3)],
        "shorten to 1 trial: the budget has no room for 3 more",
        "SHORTEN",
    ),
    (Shortened(4, 1), [], "shorten to 1 finalist: the time has room for no more", "SHORTEN"),
    (
        BudgetSpent("it is late", 1),
        [Decision(Action.PRUNE, 1, "x")],
        "finish finalist: it is late; 1 trial is out",
        "FINISH",
    ),
    (
        BudgetSpent("9 of 9 are spent"),
        [Decision(Action.PRUNE, 1, "x"), Decision(Action.STOP, 1, "x", 0), Decision(Action.STOP, 1, "x", 1)],
        "finish finalists: 9 of 9 are spent; 1 trial is out",
        "FINISH",
    ),
]


@pytest.mark.parametrize(("event", "decisions", "line", "word"), ORDERS)
def test_what_a_budget_asks_for_is_one_line_and_one_decision(
    event: Event, decisions: Sequence[Decision], line: str, word: str
) -> None:
    watched = Watched()
    other = Decision(Action.PRUNE, 0, "too poor")
    with watched.view:
        watched.see(event, *decisions, *[other] * isinstance(event, Shortened))
    lines = watched.printed().splitlines()
    assert line_with(line, lines).endswith(line)
    assert sum("prune" in text or "stop" in text for text in lines) == isinstance(event, Shortened)
    assert [line.action for line in watched.decisions() if line.action != "PRUNE"] == [word]
    line_with(word, watched.picture())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (8.4, "8 s"),
        (59.6, "1 min 00 s"),
        (80, "1 min 20 s"),
        (3599, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (273600, "3 d 4 h"),
    ],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# ---- lines ----------------------------------------------------------------------------------------


def test_outside_a_terminal_a_leg_that_ends_is_one_line_and_epochs_inside_it_are_none() -> None:
    watched = Watched()
    with watched.view:
        watched.see(LegStarted(3, 1, 0, 6))
        before = watched.printed()
        watched.see(EpochEnded(3, 1, 5, 0.60, seconds=2.0), GOES_ON)
        assert watched.printed() == before
        promote = Decision(Action.PROMOTE, 3, "rank 1 of 9")
        watched.see(EpochEnded(3, 1, 6, 0.6123, seconds=2.0), promote, PARK)
    lines = watched.printed().splitlines()
    park = line_with("park t0003-f1", lines)
    assert park.endswith("epoch 6 macro_f1 0.6123 (2.00 s/epoch): " + PARK.reason)
    assert sum("t0003-f1" in line for line in lines) == 1
    assert line_with("promote", lines).endswith("promote t0003: rank 1 of 9")


def test_a_failed_leg_and_what_follows_from_it_are_lines() -> None:
    watched = Watched()
    with watched.view:
        watched.see(LegStarted(3, 1, 0, 6))
        watched.see(LegFailed(3, 1, 2, "lost", "worker\ndied"), Decision(Action.RETRY, 3, "retry 1 of 2", 1))
    lines = watched.printed().splitlines()
    line_with("failed t0003-f1 after epoch 2: lost: worker died", lines)
    line_with("retry t0003-f1: retry 1 of 2", lines)


def test_progress_lines_come_every_ten_seconds_of_event_time_at_most() -> None:
    watched = Watched()
    watched.see(LegStarted(3, 1, 0, 1000))
    for second in range(1, 101):
        watched.now = float(second)
        watched.see(EpochEnded(3, 1, second, 0.5), GOES_ON)
    assert watched.printed().count(" progress ") == 10


def test_the_end_lists_the_best_trials_with_the_best_first() -> None:
    watched = Watched()
    watched.race.trials = [
        TrialStatus(7, State.COMPLETE, 3, 0.7, 5, 90, ""),
        TrialStatus(2, State.PRUNED, 0, 0.4, 0, 2, ""),
        TrialStatus(5, State.WAITING, None, None, 0, 0, ""),
    ]
    with watched.view:
        watched.see(Proposed(7, {"lr": 0.1}))
    lines = [line for line in watched.printed().splitlines() if "leaderboard" in line]
    assert [line.split()[2] for line in lines] == ["t0007", "t0002"]


def test_a_lost_output_does_not_end_the_study() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("no space left on device")

    watched = Watched()
    watched.console.file = Gone()
    with watched.view:
        watched.see(LegStarted(3, 1, 0, 6))
        watched.see(EpochEnded(3, 1, 6, 0.5), PARK)
    assert not watched.view._frame.slots[0]


def test_in_a_terminal_the_picture_goes_away_at_the_end_and_the_leaderboard_stays() -> None:
    watched = Watched(terminal=True)
    watched.race.trials = [TrialStatus(7, State.COMPLETE, 3, 0.7, 5, 90, "")]
    with watched.view:
        watched.see(Proposed(7, {"lr": 0.1}))
        watched.see(LegStarted(7, 1, 0, 6))
        watched.view.message("[note] as it is")
    after_picture = watched.printed().rpartition("\x1b[?25h")[2]  # the cursor is shown again
    assert "t0007" in after_picture
    assert "fold run" not in after_picture
    assert "[note] as it is" in watched.printed()


# ---- a whole race ---------------------------------------------------------------------------------


def test_slots_on_the_screen_are_the_fold_runs_that_run_all_through_a_race() -> None:
    rng = random.Random(5)
    race = make_race("fold_asha", RaceConfig(trials=12, folds=3, max_t=6, grace_period=1, finalists=2))
    console = Console(file=io.StringIO(), width=120)
    view = StudyView(
        race, StudyContext("s", "m", "max", max_t=6, slots=3), console=console, clock=lambda: 0.0,
    )  # fmt: skip
    running: dict[FoldRunKey, list[int]] = {}
    while not race.done:
        while len(running) < 3 and (leg := race.next()) is not None:
            started = LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative, leg.reason)
            view.on_event(started, race.apply(started), 0.0)
            running[leg.key] = [leg.start, leg.end]
        key = rng.choice(sorted(running))
        running[key][0] += 1
        ended = EpochEnded(key.trial, key.fold, running[key][0], rng.random())
        decisions = race.apply(ended)
        view.on_event(ended, decisions, 0.0)
        own = next(item for item in reversed(decisions) if (item.trial, item.fold) == (key.trial, key.fold))
        if own.action is not Action.CONTINUE:
            del running[key]
        elif own.leg is not None:
            running[key] = [own.leg.start, own.leg.end]
            leg = own.leg
            started = LegStarted(leg.trial, leg.fold, leg.start, leg.end, leg.speculative, leg.reason)
            view.on_event(started, race.apply(started), 0.0)
        shown = {slot.key: [slot.epoch, slot.end] for slot in view._frame.slots if slot}
        assert shown == running
    context = StudyContext("s", "m", "max", 6, slots=3)
    line_with("done", drawn(picture(view._frame, context, 0.0)))


# ---- one long step --------------------------------------------------------------------------------


def step(console: Console, times: Sequence[float], total: int) -> str:
    """What a step prints whose calls come at `times` (seconds), the first of them its start.

    Without the thread that keeps its clock going: if these calls stood still, it would ask for the time too.
    """
    clock = iter([*times, times[-1]])
    with patch.object(_Bar, "open"), progress_bar("decoding [x]", console, lambda: next(clock)) as progress:
        for done in range(1, len(times)):
            progress(done, total)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_a_step_of_under_a_second_shows_nothing(terminal: bool) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal)
    assert step(console, [0.0, 0.3, 0.6, 0.9], 3) == ""


def test_outside_a_terminal_a_long_step_prints_a_line_every_five_seconds_with_the_time_left() -> None:
    console = Console(file=io.StringIO(), width=40)
    lines = step(console, [float(second) for second in range(12)], 20).splitlines()
    assert lines == [
        "decoding [x]: 1/20 (5%), 19 s left",
        "decoding [x]: 6/20 (30%), 14 s left",
        "decoding [x]: 11/20 (55%), 9 s left",
        "decoding [x]: 11/20 (55%), took 11 s",
    ]


def test_a_program_can_hide_the_bars_and_gets_them_back() -> None:
    times = [0.0, 2.0, 9.0, 18.0]
    with hidden_bars():
        assert step(Console(file=io.StringIO()), times, 3) == ""
    assert "3/3" in step(Console(file=io.StringIO()), times, 3)


def test_in_a_terminal_a_long_step_is_a_bar() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    text = step(console, [0.0, 2.0, 4.0], 2)
    assert "decoding [x]" in text
    assert "took 4 s" in text


def test_a_leaderboard_line_counts_the_folds_that_are_complete() -> None:
    statuses = [TrialStatus(trial, State.COMPLETE, 1, 0.5, folds, 9, "") for trial, folds in ((0, 3), (1, 1))]
    lines = list(leaderboard_lines(statuses, {}, "macro_f1"))
    assert ["3 folds complete" in lines[0], "1 fold complete" in lines[1]] == [True, True]
