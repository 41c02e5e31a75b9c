"""Fold-safe labels for unlabelled images. `python -m orchestrator.pseudo_labels` is its command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from orchestrator.pseudo_labels.labelling import label_manifest, summary

__all__ = ["label_manifest", "summary"]
__getattr__ = lazy_exports(__name__, {"label_manifest": "labelling", "summary": "labelling"})
