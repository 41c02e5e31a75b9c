"""An optional mirror of a study's journal on Weights & Biases.

A process of its own reads the study's journal and sends it; the study never waits for it and never fails
because of it. The journal has everything, so what could not be sent can be sent later.
"""

from orchestrator.tracking.tracker import Tracker

__all__ = ["Tracker"]
