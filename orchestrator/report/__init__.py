"""A study as one HTML file (command)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from orchestrator.report.writing import write_report

__all__ = ["write_report"]
__getattr__ = lazy_exports(__name__, dict.fromkeys(__all__, "writing"))
