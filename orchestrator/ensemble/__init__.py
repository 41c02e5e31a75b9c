"""From studies to a folder that predicts. `python -m orchestrator.ensemble` is its command."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.ensemble.building import build_ensemble
    from orchestrator.ensemble.folder import Ensemble

__all__ = ["Ensemble", "build_ensemble"]


def __getattr__(name: str) -> Any:
    """Imported when it is asked for: who only predicts needs no studies, and `--help` needs neither."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "folder" if name == "Ensemble" else "building"
    return getattr(importlib.import_module(f"orchestrator.ensemble.{module}"), name)
