"""Races in virtual time, on learning curves. `python -m orchestrator.race.simulate TABLE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from orchestrator.race.simulate.simulator import FAILURES, Simulation, simulate

__all__ = ["FAILURES", "Simulation", "simulate"]
__getattr__ = lazy_exports(__name__, dict.fromkeys(__all__, "simulator"))
