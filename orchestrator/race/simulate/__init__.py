"""Races in virtual time, on learning curves. `python -m orchestrator.race.simulate TABLE`."""

from orchestrator.race.simulate.simulator import FAILURES, Simulation, simulate

__all__ = ["FAILURES", "Simulation", "simulate"]
