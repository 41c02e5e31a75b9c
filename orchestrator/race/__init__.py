"""The rules: events in, decisions out. No Ray, no torch; only `simulate`, a command, reads files."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.lazy_exports import lazy_exports
from orchestrator.race.config import REPLAYED, VERSION, RaceConfig, config_from

if TYPE_CHECKING:
    from orchestrator.race.finishing import FinishingRace
    from orchestrator.race.fold_asha import FoldASHA
    from orchestrator.race.rule import Rule

RULES = {
    "fold_asha": "orchestrator.race.fold_asha.FoldASHA",
    "exhaustive": "orchestrator.race.baselines.exhaustive.Exhaustive",
    "sequential_cv": "orchestrator.race.baselines.sequential_cv.SequentialCV",
    "pooled_asha": "orchestrator.race.baselines.pooled_asha.PooledASHA",
    "per_fold_asha": "orchestrator.race.baselines.pooled_asha.PerFoldASHA",
    "fold_mean_asha": "orchestrator.race.baselines.lockstep.FoldMeanASHA",
    "top_k": "orchestrator.race.baselines.top_k.TopKAfterEpochs",
    "forgiving": "orchestrator.race.baselines.early_stopped_cv.Forgiving",
    "aggressive": "orchestrator.race.baselines.early_stopped_cv.Aggressive",
    "optuna_wilcoxon": "orchestrator.race.baselines.optuna_rules.OptunaWilcoxon",
    "optuna_hyperband": "orchestrator.race.baselines.optuna_rules.OptunaHyperband",
    "optuna_successive_halving": "orchestrator.race.baselines.optuna_rules.OptunaSuccessiveHalving",
}
"""Key -> class, imported when asked for: Optuna takes a second. A new rule is a file and a line (`rule`)."""

__all__ = [
    "REPLAYED",
    "RULES",
    "VERSION",
    "FinishingRace",
    "FoldASHA",
    "RaceConfig",
    "Rule",
    "config_from",
    "make_race",
    "rule_class",
]
__getattr__ = lazy_exports(__name__, {"FinishingRace": "finishing", "FoldASHA": "fold_asha", "Rule": "rule"})


def rule_class(name: str) -> type[Rule]:
    """The class of a key of RULES. Raises SearchSpaceError for an unknown one."""
    if name not in RULES:
        raise SearchSpaceError(f"rule={name!r} is not known; give one of {', '.join(RULES)}")
    module, _, attribute = RULES[name].rpartition(".")
    found: type[Rule] = getattr(importlib.import_module(module), attribute)
    return found


def make_race(name: str, cfg: RaceConfig) -> FinishingRace:
    """A race by the rule of that key. Raises SearchSpaceError for an unknown one."""
    from orchestrator.race.finishing import FinishingRace  # not for the --help of a command below

    return FinishingRace(rule_class(name)(cfg))
