"""A search on disk: its journal and what reads it back, predictions, exports, comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from orchestrator.study.study import Study

__all__ = ["Study"]
__getattr__ = lazy_exports(__name__, {"Study": "study"})  # who needs the history alone loads no pandas
