"""What the tests of losses ask of a study while it runs, and of what it left."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.helpers import check_consistent, curves, events
from tests.support.nodes import tune, wait_until

TIMES = 10  # losses in a row
MAX_T = 30


def begun(study: Path) -> list[dict[str, Any]]:
    """Epochs that ended, as far as the journal says."""
    return told(study, "epoch_ended")


def failed(study: Path, failure: str) -> list[dict[str, Any]]:
    return [event for event in told(study, "leg_failed") if event["failure"] == failure]


def told(study: Path, kind: str) -> list[dict[str, Any]]:
    """Events of a journal that is being written: whole lines only."""
    path = study / "journal.jsonl"
    text = path.read_text() if path.exists() else ""
    whole = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    lines = [json.loads(line) for line in whole if kind in line]  # it is looked at many times a second
    return [event for event in lines if event["event"] == kind]


def wait_for_more(
    what: Callable[[], list[dict[str, Any]]], number: int, process: subprocess.Popen[bytes], log: Path
) -> None:
    seen = len(what())
    wait_until(lambda: len(what()) >= seen + number, process, log)


def check_nothing_was_lost(study: Path, space: Path, data: Path, runs: Path) -> None:
    """Every fold run went on from the last epoch in the journal, to the scores of an undisturbed study."""
    check_consistent(study, folds=3, max_t=MAX_T)
    ran = Counter((event["trial"], event["fold"], event["epoch"]) for event in events(study, "epoch_ended"))
    assert max(ran.values()) == 1, "an epoch that was in the journal was run again"
    log = runs / "whole.log"
    arguments = ["--space", str(space), "--data", str(data), "--runs", str(runs), "--study", "whole"]
    with tune(*arguments, "--set", "epoch_seconds=0.0", "--rule", "exhaustive", "--inline", log=log) as done:
        assert done.wait(timeout=120) == 0, log.read_text()
    own, whole = curves(study), curves(runs / "whole")
    assert own and all(whole[key][epoch] == own[key][epoch] for key in own for epoch in own[key])
