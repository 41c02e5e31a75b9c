"""Numbered checks of a study: what should be known of it before its score is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from orchestrator.study_checks.checks import check_study
    from orchestrator.study_checks.printing import print_found

__all__ = ["check_study", "print_found"]
__getattr__ = lazy_exports(__name__, {"check_study": "checks", "print_found": "printing"})
