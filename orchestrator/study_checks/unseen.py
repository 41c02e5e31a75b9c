"""Why a check says nothing."""

from __future__ import annotations

from orchestrator.core.errors import OrchestratorError


class UnseenError(OrchestratorError):
    """What a check needs is not there; the message says what, in a few words."""
