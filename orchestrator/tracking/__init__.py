"""Optional mirrors of a study on Weights & Biases, TensorBoard and MLflow.

A process of its own reads the study's journal and sends it; the study never waits for it and never fails
because of it. The journal has everything, so what could not be sent can be sent later. A tracker is a class
that keeps the contract in `contract.py`, and a line in `mirrors.py` and `destinations.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from orchestrator.tracking.destinations import Destinations
    from orchestrator.tracking.session import mirrored, mirrored_as_before
    from orchestrator.tracking.tracker import Tracker

__all__ = ["Destinations", "Tracker", "mirrored", "mirrored_as_before"]
__getattr__ = lazy_exports(
    __name__,
    {
        "Destinations": "destinations",
        "Tracker": "tracker",
        "mirrored": "session",
        "mirrored_as_before": "session",
    },
)
