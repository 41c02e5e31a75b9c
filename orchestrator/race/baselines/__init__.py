"""The rules that FoldASHA is compared with. Those of Optuna stand apart in `optuna_rules`."""

from orchestrator.race.baselines.early_stopped_cv import Aggressive, Forgiving
from orchestrator.race.baselines.exhaustive import Exhaustive
from orchestrator.race.baselines.lockstep import FoldMeanASHA
from orchestrator.race.baselines.pooled_asha import PerFoldASHA, PooledASHA
from orchestrator.race.baselines.sequential_cv import SequentialCV
from orchestrator.race.baselines.top_k import TopKAfterEpochs

__all__ = [
    "Aggressive",
    "Exhaustive",
    "FoldMeanASHA",
    "Forgiving",
    "PerFoldASHA",
    "PooledASHA",
    "SequentialCV",
    "TopKAfterEpochs",
]
