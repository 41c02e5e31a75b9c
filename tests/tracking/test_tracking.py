from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.events import (
    Closed,
    Decided,
    EpochEnded,
    Event,
    FoldRunKey,
    LegFailed,
    LegStarted,
    Opened,
    Proposed,
    Resumed,
    State,
    to_json,
)
from orchestrator.tracking import Destinations, Tracker, settings, tracker
from orchestrator.tracking.__main__ import main
from orchestrator.tracking.destinations import Extra
from orchestrator.tracking.journal import JournalState
from orchestrator.tracking.pause import FIRST_PAUSE_S
from orchestrator.tracking.position import Position, last_project
from orchestrator.tracking.wandb_fold_runs import FoldRunMirror
from orchestrator.tracking.wandb_runs import WandbRuns, run_id
from tests.execution.on_ray.test_sockets import is_loopback, listening

KEY = FoldRunKey(3, 1)
FAKE_KEY = "a" * 40


def opened(mode: str = "max", name: str = "age") -> Opened:
    return Opened({"format": 1, "name": name, "space": {"metric": "macro_f1", "mode": mode}})


def leg(trial: int, fold: int, *scores: float, first: int = 1) -> list[Event]:
    """A leg that runs and parks, an epoch for each score."""
    epochs: list[Event] = [
        EpochEnded(trial, fold, epoch, score, {"macro_f1": score, "loss": 1 / epoch}, 2.0)
        for epoch, score in enumerate(scores, first)
    ]
    start = LegStarted(trial, fold, first - 1, first - 1 + len(scores))
    return [start, *epochs, Decided("PARK", trial, "the slot goes to others", fold)]


def write(study: Path, *events: Event) -> Path:
    study.mkdir(parents=True, exist_ok=True)
    with (study / "journal.jsonl").open("a") as file:
        for event in events:
            file.write(json.dumps({"time": 1.79e9, **to_json(event)}) + "\n")
    return study


def state_of(*events: Event) -> JournalState:
    runs = JournalState()
    for event in events:
        runs.add(event)
    return runs


# ---- what a journal says --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "state", "settled"),
    [
        ([], State.PARKED, False),
        ([LegStarted(3, 1, 2, 6)], State.RUNNING, False),
        ([LegStarted(3, 1, 2, 6), Resumed()], State.PARKED, False),
        ([LegStarted(3, 1, 2, 6), Closed("interrupted")], State.PARKED, False),
        ([Decided("PRUNE", 3, "rank 9")], State.PRUNED, True),
        ([LegStarted(3, 1, 2, 6), Decided("PRUNE", 3, "rank 9")], State.RUNNING, False),
        (
            [LegStarted(3, 1, 2, 6), Decided("PRUNE", 3, "rank 9"), Decided("STOP", 3, "out", 1)],
            State.PRUNED,
            True,
        ),
        ([Decided("COMPLETE", 3, "owns all")], State.COMPLETE, True),
        ([Decided("PRUNE", 3, "rank 9"), Decided("PROMOTE", 3, "fills a vacancy")], State.PARKED, False),
        (
            [LegStarted(3, 1, 2, 6), LegFailed(3, 1, 2, "nan", "E"), Decided("FAIL", 3, "nan", 1)],
            State.FAIL,
            True,
        ),
        (
            [LegStarted(3, 1, 2, 6), LegFailed(3, 1, 2, "lost", "E"), Decided("RETRY", 3, "again", 1)],
            State.PARKED,
            False,
        ),
    ],
)
def test_a_fold_run_is_settled_when_its_trial_is_final_and_it_no_longer_runs(
    after: list[Event], state: State, settled: bool
) -> None:
    runs = state_of(opened(), *leg(3, 1, 0.1, 0.2), *after)
    assert (runs.state(KEY), runs.settled(KEY)) == (state, settled)


@pytest.mark.parametrize(("mode", "epoch"), [("max", 2), ("min", 1)])
def test_the_best_epoch_is_the_earliest_of_equals(mode: str, epoch: int) -> None:
    best = state_of(opened(mode), *leg(3, 1, 0.1, 0.5, 0.5, 0.1)).best(KEY)
    assert best is not None
    assert best.epoch == epoch


def test_epochs_that_a_retry_takes_back_are_not_the_best() -> None:
    """As for the study itself, whose checkpoint of epoch 3 is gone."""
    runs = state_of(opened(), *leg(3, 1, 0.1, 0.2, 0.9), LegStarted(3, 1, 2, 6))
    best = runs.best(KEY)
    assert best is not None
    assert (best.epoch, best.score) == (2, 0.2)


# ---- where to -------------------------------------------------------------------------------------


def test_without_a_key_runs_are_written_offline_and_a_line_says_so(tmp_path: Path) -> None:
    mode, note = settings.choose_mode(None, {"HOME": str(tmp_path)})
    assert mode == "offline"
    assert note is not None
    assert "no API key" in note
    assert settings.choose_mode("online", {"HOME": str(tmp_path), "WANDB_API_KEY": "k"}) == ("online", None)


def test_a_key_in_the_netrc_file_is_found_for_its_server_only(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"machine wandb.here:8080 login user password {FAKE_KEY}\n")
    home = {"HOME": str(tmp_path)}
    assert settings.has_key({**home, "WANDB_BASE_URL": "http://wandb.here:8080"})
    assert not settings.has_key(home)


def test_the_environment_may_ask_for_a_mirror_and_a_wrong_mode_is_refused(tmp_path: Path) -> None:
    assert settings.project_asked_for(None, {}) is None
    assert settings.project_asked_for("faces", {}) == "faces"
    assert settings.project_asked_for(None, {"WANDB_MODE": "offline", "WANDB_PROJECT": "p"}) == "p"
    assert settings.project_asked_for(None, {"WANDB_MODE": "disabled"}) is None
    with pytest.raises(InputError, match="WANDB_MODE='onlin' is none of"):
        settings.choose_mode(None, {"WANDB_MODE": "onlin"})


def test_a_run_id_is_the_same_for_the_same_study_and_legal_for_any_name() -> None:
    name = "age / größe: #1 " * 20
    assert run_id(name, 1.5, KEY) == run_id(name, 1.5, KEY)
    assert run_id(name, 1.5, KEY) != run_id(name, 2.5, KEY)
    assert len(run_id(name, 1.5, KEY)) < 128
    assert not set(run_id(name, 1.5, KEY)) & set("/\\#?%: ")


# ---- the mirror, with a W&B that a test holds -----------------------------------------------------


class FakeRun:
    def __init__(self, server: FakeWandb, arguments: dict[str, Any]) -> None:
        self.server, self.arguments = server, arguments
        self.starting_step = 0
        self.summary: dict[str, Any] = {}
        self.exit_code: int | None = None
        self.steps: list[int] = []

    def log(self, values: dict[str, float], step: int) -> None:
        self.steps.append(step)

    def finish(self, exit_code: int) -> None:
        if self.server.down:
            raise TimeoutError("no upload")
        self.exit_code = exit_code


class FakeWandb(types.ModuleType):
    """Stands in for the module: remembers runs, can be down."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.runs: list[FakeRun] = []
        self.down = False
        self.tries = 0

    def Settings(self, **values: Any) -> dict[str, Any]:  # noqa: N802  as in wandb
        return values

    def init(self, **arguments: Any) -> FakeRun:
        self.tries += 1
        if self.down:
            raise ConnectionError("unreachable")
        self.runs.append(FakeRun(self, arguments))
        return self.runs[-1]


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> FakeWandb:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    return fake


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def mirror_of(runs: JournalState, study: Path, clock: Clock | None = None) -> FoldRunMirror:
    study.mkdir(exist_ok=True)
    position = Position(study, "p", "server")
    return FoldRunMirror(
        runs, WandbRuns(study, 1.5, "p", "online"), position, lambda text: None, clock or Clock()
    )


def test_a_parked_fold_run_keeps_its_run_open_and_a_settled_one_is_closed_with_its_state(
    wandb: FakeWandb, tmp_path: Path
) -> None:
    runs = state_of(opened(), Proposed(3, {"lr": 0.1}), *leg(3, 1, 0.1, 0.4))
    mirror = mirror_of(runs, tmp_path)
    mirror.catch_up()
    for event in (*leg(3, 1, 0.3, first=3), Decided("PRUNE", 3, "rank 9")):
        runs.add(event)
    mirror.catch_up()
    (run,) = wandb.runs
    assert run.steps == [1, 2, 3]
    assert run.exit_code == 0
    expected = {"state": "PRUNED", "reason": "rank 9", "best_macro_f1": 0.4, "best_epoch": 2}
    assert run.summary == expected
    assert not mirror.pending()


def test_a_failed_fold_run_ends_with_exit_code_one_and_its_error(wandb: FakeWandb, tmp_path: Path) -> None:
    failed = [LegStarted(3, 1, 0, 2), LegFailed(3, 1, 0, "exception", "ValueError: x")]
    mirror = mirror_of(state_of(opened(), *failed, Decided("FAIL", 3, "exception", 1)), tmp_path)
    mirror.catch_up()
    assert (wandb.runs[0].exit_code, wandb.runs[0].summary["error"]) == (1, "ValueError: x")


def test_a_later_mirror_sends_only_what_is_new(wandb: FakeWandb, tmp_path: Path) -> None:
    runs = state_of(opened(), *leg(3, 1, 0.1, 0.2), *leg(4, 0, 0.1))
    first = mirror_of(runs, tmp_path)
    first.catch_up()
    first.close()
    for event in leg(3, 1, 0.3, first=3):
        runs.add(event)
    later = mirror_of(runs, tmp_path)
    later.catch_up()
    later.close()
    assert [(run.arguments["name"], run.steps) for run in wandb.runs] == [
        ("t0003-f1", [1, 2]),
        ("t0004-f0", [1]),
        ("t0003-f1", [3]),
    ]
    assert wandb.runs[0].arguments["id"] == wandb.runs[2].arguments["id"]
    assert not mirror_of(runs, tmp_path).pending()
    assert last_project(tmp_path) == "p"


def test_another_destination_gets_everything(wandb: FakeWandb, tmp_path: Path) -> None:
    runs = state_of(opened(), *leg(3, 1, 0.1, 0.2))
    first = mirror_of(runs, tmp_path)
    first.catch_up()
    first.close()
    position = Position(tmp_path, "p", "elsewhere")
    assert FoldRunMirror(runs, WandbRuns(tmp_path, 1.5, "p", "online"), position, print).pending() == [KEY]


def test_a_server_that_is_down_is_left_alone_for_a_while_and_gets_everything_later(
    wandb: FakeWandb, tmp_path: Path
) -> None:
    clock = Clock()
    runs = state_of(opened(), *leg(3, 1, 0.1, 0.2), *leg(4, 0, 0.1))
    mirror = mirror_of(runs, tmp_path, clock)
    wandb.down = True
    for _ in range(5):
        mirror.catch_up()
    assert wandb.tries == 1
    assert mirror.pending() == [KEY, FoldRunKey(4, 0)]
    wandb.down = False
    clock.now = FIRST_PAUSE_S
    mirror.catch_up()
    assert [run.steps for run in wandb.runs] == [[1, 2], [1]]


def test_what_could_not_be_closed_does_not_count_as_sent(wandb: FakeWandb, tmp_path: Path) -> None:
    runs = state_of(opened(), *leg(3, 1, 0.1, 0.2))
    mirror = mirror_of(runs, tmp_path)
    mirror.catch_up()
    wandb.down = True
    mirror.close()
    assert mirror.pending() == [KEY]
    assert mirror_of(runs, tmp_path).pending() == [KEY]


def test_steps_that_the_server_has_are_not_sent_again(
    wandb: FakeWandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        FakeRun, "starting_step", property(lambda run: 3, lambda run, value: None), raising=False
    )
    mirror_of(state_of(opened(), *leg(3, 1, 0.1, 0.2, 0.3)), tmp_path).catch_up()
    assert wandb.runs[0].steps == [3]


def test_parked_runs_are_closed_when_too_many_are_open(
    wandb: FakeWandb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.tracking.wandb_fold_runs.OPEN_RUNS", 2)
    running = LegStarted(0, 0, 1, 3)
    parked = [event for trial in (1, 2, 3) for event in leg(trial, 0, 0.1)]
    mirror_of(state_of(opened(), *leg(0, 0, 0.1), running, *parked), tmp_path).catch_up()
    closed = [run.arguments["name"] for run in wandb.runs if run.exit_code is not None]
    assert closed == ["t0001-f0", "t0002-f0"]  # the one that runs stays open


# ---- the driver's side ----------------------------------------------------------------------------


def test_without_wandb_the_study_goes_on_and_is_told_how_to_send_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Extra, "is_missing", True)
    monkeypatch.setenv("WANDB_API_KEY", FAKE_KEY)
    mirror = Tracker.start(write(tmp_path / "age", opened()), Destinations("p"))
    assert "not installed" in mirror.notes[0]
    left = mirror.stop()
    assert left is not None
    assert f"python -m orchestrator.tracking {tmp_path / 'age'} --project p" in left


def test_the_mirror_is_given_its_study_so_that_no_other_of_that_name_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(tracker.subprocess, "Popen", lambda command, **rest: commands.append(command))
    monkeypatch.setattr(Extra, "is_missing", False)
    monkeypatch.chdir(write(tmp_path / "age", opened()).parent)
    Tracker.start(Path("age"), Destinations("p"), "offline")
    assert commands[0][3] == str(tmp_path / "age")


def test_the_mirror_shares_no_wandb_service_of_the_program_that_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environments: list[dict[str, str]] = []
    monkeypatch.setattr(tracker.subprocess, "Popen", lambda command, **rest: environments.append(rest["env"]))
    monkeypatch.setattr(Extra, "is_missing", False)
    monkeypatch.setenv("WANDB_SERVICE", "3-1-tcp-localhost-1")
    monkeypatch.setenv("WANDB_API_KEY", FAKE_KEY)
    Tracker.start(write(tmp_path / "age", opened()), Destinations("p"), "offline")
    assert "WANDB_SERVICE" not in environments[0]
    assert environments[0]["WANDB_API_KEY"] == FAKE_KEY


def test_a_disabled_mirror_is_silent(tmp_path: Path) -> None:
    mirror = Tracker.start(tmp_path, Destinations("p"), "disabled")
    assert (mirror.notes, mirror.stop()) == ((), None)


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "is no study" in capsys.readouterr().err


# ---- real W&B -------------------------------------------------------------------------------------


def records(path: Path) -> Iterator[Any]:
    """Of a .wandb file: LevelDB's log format (32 KiB blocks; crc, length, type) after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data = path.read_bytes()
    assert data[:4] == b":W&B"
    position, parts = 7, b""
    while position + 7 <= len(data):
        room = 32768 - position % 32768
        if room < 7:
            position += room
            continue
        length, kind = int.from_bytes(data[position + 4 : position + 6], "little"), data[position + 6]
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


def written(study: Path) -> dict[str, dict[str, Any]]:
    """Run name -> what its .wandb file says."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(study.glob("wandb/offline-run-*/*.wandb")):
        run: dict[str, Any] = {"history": [], "summary": {}, "artifacts": []}
        for record in records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                run["run"] = record.run
            elif kind == "history":
                items = {item.key or item.nested_key[0]: item.value_json for item in record.history.item}
                run["history"].append({name: json.loads(value) for name, value in items.items()})
            elif kind == "summary":
                updates = record.summary.update
                run["summary"] |= {
                    item.key or item.nested_key[0]: json.loads(item.value_json) for item in updates
                }
            elif kind == "artifact":
                run["artifacts"].append(record.artifact)
            elif kind == "exit":
                run["exit"] = record.exit.exit_code
        found[run["run"].display_name] = run
    return found


@pytest.mark.slow
def test_real_wandb_writes_a_run_per_fold_run_that_reads_back(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    events = [opened(), Proposed(3, {"lr": 0.1, "optimizer": "sgd"}), Proposed(4, {"lr": 0.2})]
    study = write(tmp_path / "age", *events, *leg(3, 1, 0.1, 0.4, 0.3), *leg(4, 0, 0.2))
    mirror = Tracker.start(study, Destinations("faces", wandb_fold_runs=True), "offline")
    write(study, Decided("PRUNE", 3, "rank 9"))
    process = mirror._process
    assert process is not None
    while process.poll() is None and not list(study.glob("wandb/offline-run-*/*.wandb")):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05)
    heard_from = [address for found in listening(process.pid).values() for address in found]
    assert [address for address in heard_from if not is_loopback(address)] == []
    left = mirror.stop(timeout_s=200)
    assert left is not None
    assert "wandb sync" in left
    runs = written(study)
    assert set(runs) == {"t0003-f1", "t0004-f0", "age"}
    run = runs["t0003-f1"]["run"]
    assert (run.project, run.run_group, run.job_type, list(run.tags)) == ("faces", "t0003", "fold1", ["age"])
    assert run.run_id == run_id("age", 1.79e9, KEY)
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["lr"] == 0.1
    assert config["optimizer"] == "sgd"
    history = [(row["_step"], row["macro_f1"], row["loss"]) for row in runs["t0003-f1"]["history"]]
    assert history == [(1, 0.1, 1.0), (2, 0.4, 0.5), (3, 0.3, pytest.approx(1 / 3))]
    summary = runs["t0003-f1"]["summary"]
    assert (summary["state"], summary["best_macro_f1"], summary["best_epoch"]) == ("PRUNED", 0.4, 2)
    assert runs["t0003-f1"]["exit"] == 0
    assert runs["t0004-f0"]["summary"]["state"] == "PARKED"


@pytest.mark.slow
def test_an_unreachable_server_holds_the_study_for_no_longer_than_the_timeout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", FAKE_KEY)
    study = write(tmp_path / "age", opened(), *leg(3, 1, 0.1))
    mirror = Tracker.start(study, Destinations("p"), "online")
    process = mirror._process
    assert process is not None
    assert os.getsid(process.pid) != os.getsid(0)  # out of reach of Ctrl-C
    before = time.monotonic()
    left = mirror.stop(timeout_s=3)
    # W&B alone would try for minutes; the rest is room for a busy machine.
    assert time.monotonic() - before < 60
    assert process.poll() is not None
    assert left is not None
    assert f"python -m orchestrator.tracking {study} --project p" in left


@pytest.mark.slow
def test_a_mirror_whose_driver_is_gone_sends_what_is_there_and_ends(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    study = write(tmp_path / "age", opened(), *leg(3, 1, 0.1))
    command = [sys.executable, "-m", "orchestrator.tracking", str(study), "--mode", "offline", "--follow"]
    command += ["--fold-runs"]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [*command, "--parent", "1", "--project", "p"], stdin=subprocess.DEVNULL, capture_output=True,
        timeout=240, text=True, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(written(study)) == {"t0003-f1", "age"}
