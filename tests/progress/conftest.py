"""Steps say how long they take, as they do for users."""

from __future__ import annotations

import pytest

from orchestrator.progress import bar


@pytest.fixture(autouse=True)
def steps_with_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bar, "QUIET_S", 1.0)
