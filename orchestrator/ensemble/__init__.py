"""From studies to a folder that predicts. `python -m orchestrator.ensemble` is its command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from orchestrator.ensemble.building import build_ensemble
    from orchestrator.ensemble.folder import Ensemble
    from orchestrator.ensemble.submitting import write_submission

__all__ = ["Ensemble", "build_ensemble", "write_submission"]
__getattr__ = lazy_exports(
    __name__, {"Ensemble": "folder", "build_ensemble": "building", "write_submission": "submitting"}
)
