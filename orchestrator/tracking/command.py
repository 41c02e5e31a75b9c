"""What the command `tracking` does once its options are read."""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestrator.core.errors import InputError, StudyError
from orchestrator.core.links import stranger_fault
from orchestrator.core.text import counted, shown
from orchestrator.progress import progress_bar
from orchestrator.study.files import StudyFiles
from orchestrator.study.finding import find_study
from orchestrator.study.journal import JournalReader
from orchestrator.tracking.destinations import EXTRAS, Destinations, destinations_of
from orchestrator.tracking.journal import JournalState
from orchestrator.tracking.known_destinations import (
    known_destinations_file,
    refusal,
    remember_destinations,
    unknown_in,
)
from orchestrator.tracking.mirrors import Mirror, mirrors_for
from orchestrator.tracking.position import last_project, remember
from orchestrator.tracking.settings import DEFAULT_PROJECT, choose_mode

POLL_S = 0.5
LOOK_S = 5.0
ORPHAN_S = 60  # to send what is left once the driver is gone
BEHIND = 1  # exit code: not everything could be sent


def run(arguments: argparse.Namespace) -> int:
    """0, or BEHIND where not everything could be sent. Raises InputError."""
    study = find_study(arguments.study, arguments.runs)
    if fault := stranger_fault(study, "study", arguments.trust):  # what is sent is noted there
        raise StudyError(fault)
    to = _destinations(arguments, study)
    missing = [EXTRAS[name] for name in to.asked() if EXTRAS[name].is_missing]
    if missing:
        raise InputError(f"{missing[0].title}: {missing[0].words}; do that, then try again")
    mode, note = choose_mode(arguments.mode) if to.wandb is not None else ("disabled", None)
    if to.wandb is not None and mode == "disabled":
        raise InputError("WANDB_MODE=disabled: nothing is sent; unset it or give --mode online")
    if note:
        _say(note)
    stop = _stop_on_signals()
    if arguments.parent is not None:
        threading.Thread(target=_stop_on_input, args=(stop,), daemon=True).start()
    lock = FileLock(study / "tracking.lock")
    if not _take(lock, stop, wait=arguments.follow):
        return BEHIND
    try:  # one mirror at a time; the one of a driver that was killed may still be sending
        remember(study, to.to_json())
        _remember_as_named(to)
        reader, state = JournalReader(StudyFiles(study).journal), JournalState()
        _read(reader, state)
        mirrors = mirrors_for(study, state, reader.started, to, mode, _say)
        _say(f"sending {study} to {to.described(mode)}")
        if arguments.follow:
            _follow(reader, state, mirrors, stop, arguments.parent)
        else:
            _send_now(mirrors, stop)
        for mirror in mirrors:
            mirror.close()
        left = sum(len(mirror.pending()) for mirror in mirrors)
    finally:
        lock.release()
    _say(f"{counted(left, 'item')} could not be sent" if left else "everything is sent")
    return BEHIND if left else 0


def _destinations(arguments: argparse.Namespace, study: Path) -> Destinations:
    """Those that were named, else those of before, else W&B.

    Raises InputError, also for a place that the study alone names; StudyError.
    """
    before = destinations_of(study)
    wandb = arguments.project is not None or arguments.mode is not None or arguments.fold_runs
    named = wandb or arguments.tensorboard is not None or arguments.mlflow is not None
    if not named and before:
        _refuse_strange(before, study, arguments.trust)
        return before
    former = None if arguments.project else last_project(study)
    if former is not None and (wandb or not named):
        _refuse_strange(Destinations(wandb=former), study, arguments.trust)
    project = arguments.project or former or os.environ.get("WANDB_PROJECT") or DEFAULT_PROJECT
    return Destinations(
        project if wandb or not named else None,
        arguments.fold_runs,
        arguments.tensorboard,
        arguments.mlflow,
    )


def _refuse_strange(to: Destinations, study: Path, trust: bool) -> None:
    strange = unknown_in(to)
    if strange and not trust:
        raise InputError(f"{refusal(study, strange)},\nand so does --trust")


def _remember_as_named(to: Destinations) -> None:
    """The user named them, or said --trust."""
    try:
        remember_destinations(to)
    except OSError as error:
        _say(
            f"note: {known_destinations_file()} cannot be written ({error.strerror}), so later commands ask "
            "for these places again"
        )


def _read(reader: JournalReader, state: JournalState) -> bool:
    """Whether there was anything new."""
    events = reader.new_events()
    for event in events:
        state.add(event)
    return bool(events)


def _follow(
    reader: JournalReader,
    state: JournalState,
    mirrors: Sequence[Mirror],
    stop: threading.Event,
    parent: int | None,
) -> None:
    """Until a signal says that the study has ended, or until its driver is gone."""
    last, caught_up = False, -LOOK_S
    while True:
        # What was kept back, and files of other commands, are looked for less often than the journal.
        if _read(reader, state) or last or time.monotonic() >= caught_up + LOOK_S:
            for mirror in mirrors:
                mirror.catch_up()
            caught_up = time.monotonic()
        if last:
            return
        stop.wait(POLL_S)
        gone = parent is not None and os.getppid() != parent
        if gone:
            signal.alarm(ORPHAN_S)
        last = gone or stop.is_set()  # what was written before the signal is still read


def _send_now(mirrors: Sequence[Mirror], stop: threading.Event) -> None:
    total = sum(len(mirror.pending()) for mirror in mirrors)
    done = 0
    with progress_bar("sending") as progress:

        def one_more() -> None:
            nonlocal done
            done += 1
            progress(done, total)
            if stop.is_set():
                raise KeyboardInterrupt

        try:
            for mirror in mirrors:
                mirror.catch_up(one_more)
        except KeyboardInterrupt:
            _say("interrupted; the same command sends the rest")


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def set_stop(signum: int, frame: Any) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, set_stop)
    signal.signal(signal.SIGINT, set_stop)
    return stop


def _stop_on_input(stop: threading.Event) -> None:
    """The driver writes a line when its study has ended; its death ends the pipe."""
    os.read(0, 1)
    stop.set()


def _take(lock: FileLock, stop: threading.Event, wait: bool) -> bool:
    while True:
        try:
            lock.acquire(timeout=0)
            return True
        except Timeout:
            if not wait:
                raise StudyError(f"{lock.lock_file}: another process is sending this study") from None
            if stop.wait(POLL_S):
                return False


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), shown(text), flush=True)
