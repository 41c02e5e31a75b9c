"""A journal that cannot be written ends the study on Ray, wherever in Tune's loop that happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import StorageError
from orchestrator.core.events import Proposed
from orchestrator.study.study import Study
from orchestrator.tune import Request, run_search
from tests.support.helpers import check_consistent, events

pytestmark = pytest.mark.ray


def test_a_proposal_that_cannot_be_noted_ends_the_study_and_resume_goes_on(
    space_file: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not taken for a fault of Tune's: nothing is run that the journal does not know."""
    append = Study.append

    def full_at_the_third(study: Study, *noted: Any) -> None:
        if any(isinstance(event, Proposed) and event.trial == 2 for event in noted):
            raise StorageError("cannot write the journal: no space left on device")
        append(study, *noted)

    asked = Request(space=str(space_file), data=str(faces), runs=tmp_path, study="a")
    with monkeypatch.context() as patch:
        patch.setattr(Study, "append", full_at_the_third)
        with pytest.raises(StorageError, match="no space left"):
            run_search(asked, say=lambda text: None)
    study = tmp_path / "a"
    known = {event["trial"] for event in events(study, "proposed")}
    assert known == {0, 1} and {event["trial"] for event in events(study, "leg_started")} <= known
    run_search(Request(runs=tmp_path, study="a", resume=True), say=lambda text: None)
    check_consistent(study, folds=3, max_t=4)
    assert len(Study(study).complete_trials()) >= 2
