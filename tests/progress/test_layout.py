"""The picture at every size of a terminal: no line too wide, no word broken, what matters always there."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest
from rich.cells import cell_len

from orchestrator.core.events import FoldRunKey, State
from orchestrator.progress.board import blocks, board, fitting, more_text
from orchestrator.progress.draw import Drawer, picture
from orchestrator.progress.layout import Line, Part, beside, cut
from orchestrator.progress.parameters import number, parameter_columns, varied
from orchestrator.progress.state import DecisionLine, Frame, ProgressFigures, Slot, StudyContext
from orchestrator.race.contract import TrialStatus

WIDTHS = range(40, 201, 8)
HEIGHTS = range(10, 61, 5)
STATES = [State.COMPLETE, State.RUNNING, State.PARKED, State.PRUNED, State.FAIL, State.WAITING]
BACKBONES = ["tf_efficientnet_b0", "tf_efficientnet_b4", "tf_efficientnet_lite0"]


def texts(lines: Sequence[Line]) -> list[str]:
    return ["".join(part.text for part in line) for line in lines]


def status(trial: int, state: State, rung: int | None = 1, score: float | None = 0.5) -> TrialStatus:
    known = state is not State.WAITING
    return TrialStatus(trial, state, rung if known else None, score if known else None, 0, 3 * known, "")


def a_frame(trials: int, slots: int, seed: int = 0, decisions: int = 12) -> Frame:
    rng = random.Random(seed)
    statuses = [status(at, STATES[at % len(STATES)], at % 4, rng.random()) for at in range(trials)]
    configs = {
        at: {"lr": 10 ** rng.uniform(-5, -1), "backbone": rng.choice(BACKBONES), "batch_size": 32}
        | ({"focal_gamma": rng.uniform(1, 3)} if at % 3 else {})
        for at in range(trials)
    }
    return Frame(
        progress=ProgressFigures(120, 532, False, 0.1, 0.0),
        slots=tuple(
            None
            if at % 5 == 4
            else Slot(FoldRunKey(at % trials, 0), 0, 6, at % 6, at % 3 == 0, 0.0, 0.5, 9.0)
            for at in range(slots)
        ),
        last_statuses=tuple(statuses),
        configs=configs,
        decisions=tuple(
            DecisionLine(
                float(at), "PROMOTE", f"t{at:04d}", "rank 1 of 9 entries at rung 1 (1 fold, 2 epochs)"
            )
            for at in range(decisions)
        ),
        failures={"exception": 2},
        retries=1,
        last_failure="t0004-f2: OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        varied=tuple(varied(configs)),
    )


STUDY = StudyContext("age", "macro_f1", "max", 18, 64, folds=5)


@pytest.mark.parametrize("height", HEIGHTS)
@pytest.mark.parametrize(("trials", "slots"), [(3, 1), (64, 64), (1000, 16)])
def test_at_every_size_the_picture_fits_and_keeps_its_important_parts(
    height: int, trials: int, slots: int
) -> None:
    frame = a_frame(trials, slots)
    for width in WIDTHS:
        lines = texts(picture(frame, STUDY, 10.0, height, width))
        assert len(lines) < height, f"{width} x {height}"
        assert max(map(cell_len, lines)) <= width, f"{width} x {height}"
        shown = "\n".join(lines)
        assert lines[0].startswith("age"), f"{width} x {height}"
        assert "120 of 532 planned" in shown, f"{width} x {height}"
        assert re.search(r"^t0000 +COMPLETE", shown, re.MULTILINE), f"{width} x {height}"  # the best one
        assert re.search(r"^ +1  t0000-f0", shown, re.MULTILINE), f"{width} x {height}"  # a slot


@pytest.mark.parametrize("width", [40, 57, 80, 133])
def test_columns_are_shown_whole_or_not_at_all(width: int) -> None:
    statuses = [status(at, STATES[at % 4], at % 3, 0.61234) for at in range(8)]
    configs = {at: {"lr": 3e-4 + at, "backbone": BACKBONES[at % 3], "tta": at % 2 == 0} for at in range(8)}
    lines = texts(board(statuses, configs, ["lr", "backbone", "tta"], "macro_f1", 5, width, 30))
    known = {
        "trial",
        "state",
        "rung",
        "macro_f1",
        "folds",
        "epochs",
        "lr",
        "backbone",
        "tta",
        "+1",
        "+2",
        "+3",
    }
    assert set(lines[0].split()) <= known
    cells = {cell for line in lines[1:] if line.startswith("t0") for cell in line.split()}
    whole = re.compile(
        r"t\d{4}|[A-Z]+|-|\d|\d\.\d{4}|0/5|3e-4|\d(\.\d+)?(e-\d)?|b0|b4|lite0|True|False|tf\S+"
    )
    assert all(whole.fullmatch(cell) for cell in cells), cells


def test_the_leaderboard_is_as_tall_as_the_terminal_and_says_how_many_more_there_are() -> None:
    frame = a_frame(100, 2, decisions=0)
    counts = {}
    for height in (24, 40, 60):
        lines = texts(picture(frame, STUDY, 10.0, height, 100))
        counts[height] = sum(bool(re.match(r"t\d{4}", line)) for line in lines)
        assert lines[-1].startswith(f"{100 - counts[height]} more: ")
        assert len(lines) == height - 1
    assert counts[24] >= 8 and counts[40] == counts[24] + 16 and counts[60] == counts[40] + 20


def test_complete_trials_and_others_stand_in_blocks_of_their_own() -> None:
    statuses = [
        status(7, State.COMPLETE, 3, 0.6),
        status(1, State.PRUNED, 2, 0.9),
        status(2, State.PARKED, 1, 0.7),
    ]
    lines = texts(board(statuses, {}, [], "macro_f1", 5, 80, 20))
    assert [line.split()[0] for line in lines] == [
        "trial",
        "complete:",
        "t0007",
        "in",
        "t0002",
        "out:",
        "t0001",
    ]
    assert len(texts(board(statuses[:1], {}, [], "macro_f1", 5, 80, 20))) == 2  # nothing to keep apart


@pytest.mark.parametrize("rows", range(1, 30))
def test_blocks_are_cut_to_the_rows_there_are_and_the_complete_ones_come_first(rows: int) -> None:
    statuses = [status(at, STATES[at % 5], 1, 0.5) for at in range(40)]
    found = fitting(blocks(statuses), rows)
    lines = sum(len(block.trials) for block in found) + (len(found) if len(found) > 1 else 0) + 1
    assert lines <= max(rows, 2)
    assert found[0].trials[0].state is State.COMPLETE
    hidden = int(more_text(statuses, found).split()[0])
    assert hidden + sum(len(block.trials) for block in found) == 40


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0003, "3e-4"), (0.01, "0.01"), (0.001, "1e-3"), (0.00123, "0.00123"), (1.0, "1"), (0.0, "0"),
        (123456.0, "1.23e5"), (-0.0002, "-2e-4"), (0.25, "0.25"), (float("nan"), "nan"), (1e-10, "1e-10"),
    ],
)  # fmt: skip
def test_a_number_has_its_shortest_form(value: float, text: str) -> None:
    assert number(value) == text


def test_values_that_differ_never_look_alike_and_common_beginnings_are_dropped() -> None:
    configs = [
        {"optimizer.lr": 0.00030001, "optimizer.name": "tf_net_b0", "optimizer.kind": "a"},
        {"optimizer.lr": 0.00030002, "optimizer.name": "tf_net_b4", "optimizer.kind": "a"},
        {"optimizer.lr": 0.00030001, "optimizer.name": "", "optimizer.kind": None},
        {"optimizer.lr": 0.00030001, "optimizer.kind": "None"},
    ]
    columns = {item.title: item.cells for item in parameter_columns(configs, list(configs[0]))}
    assert set(columns) == {"lr", "name", "kind"}
    assert len(set(columns["lr"])) == 2
    assert len(set(columns["name"])) == 4  # an empty text is not an absent one
    assert len({*columns["kind"]}) == 2 or "None" in columns["kind"]


def test_the_parameters_that_tell_the_shown_trials_apart_come_first() -> None:
    configs = [{"same": 1, "two": at % 2, "all": at} for at in range(6)]
    assert [item.title for item in parameter_columns(configs, ["same", "two", "all"])] == ["all", "two"]


def test_words_are_never_broken_where_a_sentence_is_cut() -> None:
    sentence = "rank 1 of 9 entries at rung 1 (1 fold, 2 epochs), 3 missing: certain inside quota 5 to 9"
    for width in range(10, len(sentence)):
        short = cut(sentence, width)
        assert cell_len(short) <= width
        assert sentence.startswith(short[:-1]) and short.endswith("…")
        assert sentence[len(short) - 1] in " ,;:()" or short[-2] in ")"
    assert cut("日本語の名前", 5) == "日本…"


def test_what_stands_at_the_right_end_is_never_cut() -> None:
    for width in range(10, 60):
        line = "".join(part.text for part in beside([Part("a study with a name")], [Part("3 s")], width))
        assert line.endswith("3 s") and cell_len(line) <= width


def test_what_did_not_change_is_not_worked_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator.progress import draw

    made = []
    monkeypatch.setattr(draw, "board", lambda *given: made.append(given) or [])  # type: ignore[func-returns-value]
    drawer, frame = Drawer(STUDY), a_frame(64, 64)
    for second in range(5):
        drawer.lines(frame, float(second), 100, 40)
    assert len(made) == 1
    drawer.lines(frame, 5.0, 90, 40)
    drawer.lines(a_frame(64, 64, seed=1), 5.0, 90, 40)
    assert len(made) == 3
