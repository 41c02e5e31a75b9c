"""A space and its data, looked at before a run: refusals, and a sheet of augmented images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from orchestrator.check.checking import CheckedSearch, check_search
    from orchestrator.check.preview import draw_preview

__all__ = ["CheckedSearch", "check_search", "draw_preview"]
__getattr__ = lazy_exports(
    __name__, {"CheckedSearch": "checking", "check_search": "checking", "draw_preview": "preview"}
)
