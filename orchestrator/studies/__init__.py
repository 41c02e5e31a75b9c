"""Studies listed, shown, compared, removed and exported (command)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from orchestrator.studies.listing import studies

__all__ = ["studies"]
__getattr__ = lazy_exports(__name__, {"studies": "listing"})
