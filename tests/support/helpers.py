"""What the execution tests ask of a study folder."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from orchestrator.core.events import FoldRunKey
from orchestrator.core.file_digest import digest_of
from orchestrator.storage.checkpoint_files import PROBABILITIES, probabilities_name
from orchestrator.study.history import History
from orchestrator.study.study import Study
from tests.support.journals import unsealed

Curves = dict[FoldRunKey, dict[int, float]]


def journal(study: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in unsealed((study / "journal.jsonl").read_text()).splitlines()]


def events(study: Path, kind: str) -> list[dict[str, Any]]:
    return [event for event in journal(study) if event["event"] == kind]


def curves(study: Path) -> Curves:
    """Scores by fold run and epoch; a fold run that repeats an epoch must repeat its score."""
    found: Curves = defaultdict(dict)
    for event in events(study, "epoch_ended"):
        key, epoch = FoldRunKey(event["trial"], event["fold"]), event["epoch"]
        assert found[key].setdefault(epoch, event["score"]) == event["score"], (
            f"{key} differs at epoch {epoch}"
        )
    return dict(found)


def check_consistent(study: Path, folds: int, max_t: int) -> None:
    """No epoch skipped, no finished fold run run again, no leg that starts where its run had not been; no
    epoch's predictions lost."""
    done: dict[FoldRunKey, int] = defaultdict(int)
    for event in journal(study):
        if event["event"] == "leg_started":
            key = FoldRunKey(event["trial"], event["fold"])
            assert done[key] < max_t, f"{key} was finished and is run again"
            assert event["start"] <= done[key]
            done[key] = event["start"]
        elif event["event"] == "epoch_ended":
            key = FoldRunKey(event["trial"], event["fold"])
            assert event["epoch"] == done[key] + 1, f"{key}: epoch {event['epoch']} after {done[key]}"
            done[key] += 1
    for path in sorted((study / "oof").glob("*.parquet")):
        trial = int(path.stem[1:])
        assert all(done[FoldRunKey(trial, fold)] == max_t for fold in range(folds))
    check_kept(study)


def check_kept(study: Path) -> None:
    """Every epoch that a fold run's state continues has its predictions in the store, as they were stored."""
    found = Study(study)
    history, store = History(found.header.mode, found.events), found.store()
    keys = history.fold_runs()
    assert keys
    for key in keys:
        for event in history.epochs(key):
            data = store.get(probabilities_name(key, event.epoch))
            assert digest_of(data) == event.digests["probabilities"], f"{key} epoch {event.epoch}"


def checkpoints(study: Study) -> set[str]:
    """Names in its store but for the predictions of every epoch."""
    return {name for name in study.store().names() if not name.startswith(PROBABILITIES)}


def without_digests(study: Path) -> None:
    """The journal as version 0.2 wrote it: nothing says what the stored bytes were."""
    lines = [json.loads(line) for line in unsealed((study / "journal.jsonl").read_text()).splitlines()]
    for line in lines:
        line.pop("digests", None)
    (study / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def refusal_lines(error: str) -> list[str]:
    """What a process that refused has written, without the lines of steps that took their time before."""
    lines = error.strip().splitlines()
    return [line for line in lines if not re.search(r": (?:.*, )?(?:\d.* so far|took \d.*|\d.* left)$", line)]
