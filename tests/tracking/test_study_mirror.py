"""What a tracker is told of a study, and what it is told again after it could not be reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from orchestrator.core.events import (
    Closed,
    Decided,
    EpochEnded,
    FoldRunKey,
    LegFailed,
    LegStarted,
    Proposed,
    State,
)
from orchestrator.study.files import StudyFiles
from orchestrator.study.journal import JournalReader
from orchestrator.study.study import Study
from orchestrator.tracking.contract import Config, LeaderboardRow, Progress, StudyFacts, TrialEnd
from orchestrator.tracking.journal import JournalState
from orchestrator.tracking.pause import FIRST_PAUSE_S, LONGEST_PAUSE_S
from orchestrator.tracking.position import Position, Sent, remember, remembered
from orchestrator.tracking.results import Results
from orchestrator.tracking.study_mirror import BOARD_EVERY_S, StudyMirror
from tests.support.drawn_study import draw_study
from tests.support.trackers import GrowingJournal, write_ensemble


class Recorder:
    """A `StudyTracker` that remembers, and that may be out of reach."""

    title: ClassVar[str] = "recorder"
    arrives_at_once: ClassVar[bool] = True

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.down = self.down_at_the_end = False

    def _add(self, *call: Any) -> None:
        if self.down:
            raise ConnectionError("unreachable")
        self.calls.append(call)

    def open_study(self, study: StudyFacts) -> None:
        self._add("open", study)

    def log_epochs(self, key: FoldRunKey, config: Config, epochs: Sequence[EpochEnded], best: float) -> None:
        self._add("epochs", str(key), [item.epoch for item in epochs], best)

    def end_trial(self, end: TrialEnd) -> None:
        self._add("end", end)

    def log_progress(self, points: Sequence[Progress]) -> None:
        self._add("progress", *points)

    def show_leaderboard(self, rows: Sequence[LeaderboardRow]) -> None:
        self._add("board", [(row.rank, row.status.trial, row.status.score) for row in rows])

    def show_ensemble(self, name: str, scores: Mapping[str, float]) -> None:
        self._add("ensemble", name, dict(scores))

    def add_artifact(self, path: Path) -> None:
        self._add("artifact", path.read_text())

    def close(self) -> None:
        if self.down_at_the_end:
            raise TimeoutError("no upload")

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == kind]


class Late(Recorder):
    """Only its `close` says what has arrived."""

    arrives_at_once: ClassVar[bool] = False


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Scene(GrowingJournal):
    """A journal, a tracker, and the mirror between them."""

    def __init__(self, folder: Path, tracker: Recorder, mode: str = "max") -> None:
        super().__init__(mode)
        self.folder, self.tracker = folder, tracker
        self.clock, self.said = Clock(), list[str]()
        self.mirror = self.another(tracker)

    def another(self, tracker: Recorder) -> StudyMirror:
        """As a process that starts later has it."""
        position = Position(self.folder, "", "here")
        results = Results(self.folder)
        return StudyMirror(self.state, 1.5, results, tracker, position, self.said.append, self.clock)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, Recorder())


def test_a_study_is_opened_first_with_what_is_known_of_it(scene: Scene) -> None:
    scene.mirror.catch_up()
    assert scene.tracker.calls == [], "nothing happened yet"
    scene.complete(0, 0.5)
    scene.mirror.catch_up()
    assert [call[0] for call in scene.tracker.calls].count("open") == 1
    ((facts,),) = scene.tracker.of("open")
    assert scene.tracker.calls[0][0] == "open"
    assert (facts.name, facts.metric, facts.mode, tuple(facts.parameters)) == (
        "age",
        "macro_f1",
        "max",
        ("lr",),
    )
    assert (facts.settings["folds"], facts.settings["max_t"]) == (2, 2)
    assert facts.identity.startswith("age-")


def test_epochs_are_told_once_with_the_best_score_so_far(scene: Scene) -> None:
    scene.add(Proposed(0, {"lr": 0.1}))
    scene.fold_run(0, 1, 0.4)
    scene.mirror.catch_up()
    scene.mirror.catch_up()
    scene.fold_run(0, 1, 0.3, first=2)
    scene.mirror.catch_up()
    assert scene.tracker.of("epochs") == [("t0000-f1", [1], 0.4), ("t0000-f1", [2], 0.4)]


def test_the_end_of_a_trial_says_its_score_its_reason_and_its_error(scene: Scene) -> None:
    scene.complete(0, 0.5)
    scene.add(
        Proposed(1, {"lr": 0.2}), LegStarted(1, 1, 0, 2), LegFailed(1, 1, 0, "exception", "ValueError: x")
    )
    scene.add(Decided("FAIL", 1, "exception", 1))
    scene.mirror.catch_up()
    ends = [end for (end,) in scene.tracker.of("end")]
    assert [end.status.state for end in ends] == [State.COMPLETE, State.FAIL]
    assert (ends[0].status.score, ends[0].status.folds_complete, ends[0].error) == (0.5, 2, "")
    assert (ends[1].error, ends[1].folds) == ("ValueError: x", [FoldRunKey(1, 1)])


@pytest.mark.parametrize(
    ("mode", "expected"), [("max", [None, 0.5, 0.7, 0.7]), ("min", [None, 0.4, 0.4, pytest.approx(0.3)])]
)
def test_progress_has_the_best_score_of_complete_trials_alone(
    tmp_path: Path, mode: str, expected: list[Any]
) -> None:
    scene = Scene(tmp_path, Recorder(), mode)
    scene.add(Proposed(9, {}))
    scene.fold_run(9, 0, 0.99 if mode == "max" else 0.01)
    scene.add(Decided("PRUNE", 9, "rank 9"))
    for trial, score in enumerate((0.5, 0.7, 0.4)):
        scene.complete(trial, score)
    scene.mirror.catch_up()
    (points,) = scene.tracker.of("progress")
    assert [point.best_score for point in points] == expected
    assert [(point.ended, point.complete) for point in points] == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert [point.fold_epochs for point in points] == [1, 5, 9, 13]


def test_a_leaderboard_waits_for_its_time_and_the_last_one_for_nothing(scene: Scene) -> None:
    scene.complete(0, 0.5)
    scene.mirror.catch_up()
    scene.complete(1, 0.7)
    scene.mirror.catch_up()
    assert scene.tracker.of("board") == [([(1, 0, 0.5)],)]
    scene.clock.now = BOARD_EVERY_S
    scene.mirror.catch_up()
    scene.complete(2, 0.6)
    scene.mirror.close()
    assert scene.tracker.of("board")[1:] == [
        ([(1, 1, 0.7), (2, 0, 0.5)],),
        ([(1, 1, 0.7), (2, 2, 0.6), (3, 0, 0.5)],),
    ]
    assert not scene.mirror.pending()


def test_a_later_process_tells_only_what_is_new(scene: Scene) -> None:
    scene.complete(0, 0.5)
    scene.mirror.catch_up()
    scene.mirror.close()
    scene.complete(1, 0.6)
    later = Recorder()
    scene.another(later).close()
    assert [call[0] for call in later.calls] == ["open", "epochs", "epochs", "end", "progress", "board"]
    assert later.of("progress")[0][0].ended == 2
    nobody = Recorder()
    scene.another(nobody).close()
    assert nobody.calls == [], "a study of which everything has arrived is not even opened"


def test_what_could_not_be_told_is_told_later_and_nothing_waits_for_it(scene: Scene) -> None:
    scene.tracker.down = True
    scene.complete(0, 0.5)
    for _ in range(5):
        scene.mirror.catch_up()
    assert scene.said == ["recorder: cannot send t0000-f0: ConnectionError: unreachable; next try in 30 s"]
    assert len(scene.mirror.pending()) == 5  # two fold runs, an end, progress and the leaderboard
    scene.tracker.down = False
    scene.mirror.catch_up()
    assert not scene.tracker.calls, "it has its rest"
    scene.clock.now = FIRST_PAUSE_S
    scene.mirror.catch_up()
    assert not scene.mirror.pending()


def test_the_rest_grows_and_has_an_end(scene: Scene) -> None:
    scene.tracker.down = True
    scene.complete(0, 0.5)
    for _ in range(8):
        scene.mirror.catch_up()
        scene.clock.now += LONGEST_PAUSE_S
    waits = [int(text.rsplit(" ", 2)[1]) for text in scene.said]
    assert waits == [30, 60, 120, 240, 480, 600, 600, 600]


def test_where_only_the_end_says_that_it_arrived_it_counts_only_then(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Late())
    scene.complete(0, 0.5)
    scene.mirror.catch_up()
    told = len(scene.tracker.calls)
    assert len(scene.mirror.pending()) == 5
    scene.tracker.down_at_the_end = True
    scene.mirror.close()
    assert len(scene.mirror.pending()) == 5, "what it was told may be lost"
    assert len(scene.tracker.calls) == told
    later = Late()
    mirror = scene.another(later)
    mirror.catch_up()
    mirror.close()
    assert len(later.calls) == told
    assert not mirror.pending()


def test_a_trial_that_is_run_again_ends_again(scene: Scene) -> None:
    scene.complete(0, 0.5)
    scene.mirror.catch_up()
    scene.add(Decided("PROMOTE", 0, "fills a vacancy"), Closed("finished"))
    scene.mirror.catch_up()
    assert len(scene.tracker.of("end")) == 1
    scene.fold_run(0, 0, 0.6, first=3)
    scene.add(Decided("COMPLETE", 0, "again"))
    scene.mirror.catch_up()
    assert [end.status.reason for (end,) in scene.tracker.of("end")] == ["completed all 2 folds", "again"]


def test_a_new_report_replaces_the_one_before_and_an_old_one_is_not_told_again(scene: Scene) -> None:
    report = scene.folder / "report.html"
    report.write_text("first")
    scene.mirror.catch_up()
    scene.mirror.catch_up()
    report.write_text("second")
    scene.mirror.catch_up()
    assert scene.tracker.of("artifact") == [("first",), ("second",)]


def test_an_ensemble_is_told_with_its_estimates_and_a_damaged_one_is_left_out(scene: Scene) -> None:
    write_ensemble(scene.folder / "votes", 0.6)
    damaged = scene.folder / "torn"
    damaged.mkdir()
    (damaged / "ensemble.json").write_text('{"format": 2')
    scene.mirror.catch_up()
    scores = {"naive": 0.6, "naive_low": 0.5, "naive_high": pytest.approx(0.7), "bbc": pytest.approx(0.55)}
    assert scene.tracker.of("ensemble") == [("votes", scores)]


def test_scores_and_order_are_those_of_the_study_itself(tmp_path: Path) -> None:
    """Of a whole drawn study, so that a tracker and the study's own leaderboard never disagree."""
    path = draw_study(tmp_path / "drawn", trials=8)
    state, reader = JournalState(), JournalReader(StudyFiles(path).journal)
    for event in reader.new_events():
        state.add(event)
    board = Study(path).leaderboard()
    assert [item.trial for item in state.statuses()] == board["trial"].tolist()
    assert [item.score for item in state.statuses()] == board["score"].tolist()
    assert state.progress[-1].best_score == board["score"].iloc[0]
    assert state.progress[-1].fold_epochs == board["epochs_spent"].sum()


def test_trackers_share_a_file_of_positions_and_lose_nothing_of_each_other(tmp_path: Path) -> None:
    one, other = Position(tmp_path, "p", "server"), Position(tmp_path, "", "folder")
    remember(tmp_path, {"wandb": "p"})
    one.note(FoldRunKey(0, 1), Sent(3, "PARKED"))
    other.note_all({"leaderboard": Sent(2, "")})
    one.note(FoldRunKey(0, 2), Sent(1, "PARKED"))
    assert set(Position(tmp_path, "p", "server").sent) == {"t0000-f1", "t0000-f2"}
    assert set(Position(tmp_path, "", "folder").sent) == {"leaderboard"}
    assert Position(tmp_path, "", "folder", forget=True).sent == {}
    assert remembered(tmp_path) == {"wandb": "p"}


@pytest.fixture(autouse=True)
def never_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A mirror's time is the clock it is given."""
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("it waited"))
    yield
