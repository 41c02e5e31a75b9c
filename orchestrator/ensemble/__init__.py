"""From studies to a folder that predicts. `python -m orchestrator.ensemble` is its command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.ensemble.folder import Ensemble

if TYPE_CHECKING:
    from orchestrator.ensemble.building import build_ensemble

__all__ = ["Ensemble", "build_ensemble"]


def __getattr__(name: str) -> Any:
    """`build_ensemble` is imported when it is asked for: who only predicts needs no studies."""
    if name == "build_ensemble":
        from orchestrator.ensemble.building import build_ensemble

        return build_ensemble
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
