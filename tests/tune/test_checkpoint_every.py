"""`--checkpoint-every`: how often the state to go on from is stored while epochs are short."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.errors import InputError
from orchestrator.core.events import FoldRunKey
from orchestrator.tune.__main__ import main
from orchestrator.tune.request import Request
from tests.support.helpers import events, journal


def leg_ends(study: Path) -> set[tuple[FoldRunKey, int]]:
    legs = [event for event in journal(study) if event["event"] == "leg_started"]
    return {(FoldRunKey(leg["trial"], leg["fold"]), leg["end"]) for leg in legs}


@pytest.mark.parametrize("every, each", [("0", True), ("1h", False)])
def test_each_epoch_has_its_state_or_the_last_of_a_leg_alone(
    every: str, each: bool, space_file: Path, faces: Path, tmp_path: Path
) -> None:
    words = ["--space", str(space_file), "--data", str(faces), "--runs", str(tmp_path), "--study", "a"]
    assert main([*words, "--inline", "--no-report", "--checkpoint-every", every]) == 0
    told = {
        (FoldRunKey(event["trial"], event["fold"]), event["epoch"]): "resume" in event["digests"]
        for event in events(tmp_path / "a", "epoch_ended")
    }
    ends = leg_ends(tmp_path / "a")
    assert told.keys() - ends, "some legs are of several epochs"
    assert told == {key: each or key in ends for key in told}


def test_a_time_that_is_none_is_refused_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--space", "age", "--checkpoint-every", "soon"]) == 2
    said = capsys.readouterr().err
    assert "error: --checkpoint-every soon: give a time above 0" in said and "; or 0 for none at all" in said
    with pytest.raises(InputError, match="checkpoint_every"):
        Request(checkpoint_every=-1.0)


@pytest.mark.parametrize("value, seconds", [(0, 0.0), ("0", 0.0), ("0s", 0.0), (45, 45.0), ("1h30m", 5400.0)])
def test_it_is_seconds_or_a_time_and_nothing_at_all_is_a_time_too(value: object, seconds: float) -> None:
    assert Request(checkpoint_every=value).checkpoint_every == seconds  # type: ignore[arg-type]
