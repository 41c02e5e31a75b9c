"""From studies to a folder that predicts. `python -m orchestrator.ensemble` is its command."""

from orchestrator.ensemble.folder import Ensemble

__all__ = ["Ensemble"]
