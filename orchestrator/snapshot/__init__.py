"""A study and its newest ensemble as they stand at one moment: what whoever looks at them reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from orchestrator.snapshot.snapshot import FoundEnsemble, StudySnapshot, take_snapshot

__all__ = ["FoundEnsemble", "StudySnapshot", "take_snapshot"]
__getattr__ = lazy_exports(__name__, dict.fromkeys(__all__, "snapshot"))
