"""What the command `tracking` does once its options are read."""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
from typing import Any

from filelock import FileLock, Timeout

from orchestrator.core.errors import InputError, StudyError
from orchestrator.core.links import stranger_fault
from orchestrator.core.text import shown
from orchestrator.progress import progress_bar
from orchestrator.study.files import StudyFiles
from orchestrator.study.finding import find_study
from orchestrator.study.journal import JournalReader
from orchestrator.tracking.journal import JournalState
from orchestrator.tracking.mirror import Mirror
from orchestrator.tracking.position import Position, last_project
from orchestrator.tracking.settings import DEFAULT_PROJECT, choose_mode, installed, server
from orchestrator.tracking.wandb_runs import WandbRuns

POLL_S = 0.5
ORPHAN_S = 60  # to send what is left once the driver is gone
BEHIND = 1  # exit code: not everything could be sent


def run(arguments: argparse.Namespace) -> int:
    """0, or BEHIND where not everything could be sent. Raises InputError."""
    study = find_study(arguments.study, arguments.runs)
    if fault := stranger_fault(study, "study", arguments.trust):  # what is sent is noted there
        raise StudyError(fault)
    if not installed():
        raise InputError("wandb is not installed; pip install 'wandb>=0.21,<1', then try again")
    mode, note = choose_mode(arguments.mode)
    if mode == "disabled":
        raise InputError("WANDB_MODE=disabled: nothing is sent; unset it or give --mode online")
    if note:
        _say(note)
    project = arguments.project or last_project(study) or os.environ.get("WANDB_PROJECT") or DEFAULT_PROJECT
    stop = _stop_on_signals()
    if arguments.parent is not None:
        threading.Thread(target=_stop_on_input, args=(stop,), daemon=True).start()
    lock = FileLock(study / "tracking.lock")
    if not _take(lock, stop, wait=arguments.follow):
        return BEHIND
    try:  # one mirror at a time; the one of a driver that was killed may still be sending
        reader, state = JournalReader(StudyFiles(study).journal), JournalState()
        for event in reader.new_events():
            state.add(event)
        position = Position(study, project, server() if mode == "online" else "offline")
        mirror = Mirror(state, WandbRuns(study, reader.started, project, mode), position, _say)
        _say(f"mirroring {study} to project {project} ({mode})")
        if arguments.follow:
            _follow(reader, state, mirror, stop, arguments.parent)
        else:
            _send_now(mirror, stop)
        mirror.close()
        left = len(mirror.pending())
    finally:
        lock.release()
    _say(f"{mirror.sent_runs} runs sent" + (f", {left} left" if left else ""))
    return BEHIND if left else 0


def _follow(
    reader: JournalReader, state: JournalState, mirror: Mirror, stop: threading.Event, parent: int | None
) -> None:
    """Until a signal says that the study has ended, or until its driver is gone."""
    last = False
    while True:
        for event in reader.new_events():
            state.add(event)
        mirror.catch_up()
        if last:
            return
        stop.wait(POLL_S)
        gone = parent is not None and os.getppid() != parent
        if gone:
            signal.alarm(ORPHAN_S)
        last = gone or stop.is_set()  # what was written before the signal is still read


def _send_now(mirror: Mirror, stop: threading.Event) -> None:
    total = len(mirror.pending())
    done = 0
    with progress_bar("sending to wandb") as progress:

        def one_more() -> None:
            nonlocal done
            done += 1
            progress(done, total)
            if stop.is_set():
                raise KeyboardInterrupt

        try:
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
