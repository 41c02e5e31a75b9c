"""A search on disk: its journal and what reads it back, predictions, exports, comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.study.study import Study

__all__ = ["Study"]


def __getattr__(name: str) -> Any:
    """Study when it is asked for: who needs the history alone loads neither pandas nor pyarrow."""
    if name == "Study":
        from orchestrator.study.study import Study

        return Study
    raise AttributeError(name)
