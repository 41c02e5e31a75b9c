"""The rules that FoldASHA is compared with."""

from orchestrator.race.baselines.exhaustive import Exhaustive
from orchestrator.race.baselines.pooled_asha import PooledASHA

__all__ = ["Exhaustive", "PooledASHA"]
