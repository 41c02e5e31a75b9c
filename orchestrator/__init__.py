"""Cross-validated search for image classification: decides what runs and records it; knows no model.

    import orchestrator as fo

    space = fo.SearchSpace(trainable="trainables.image_classifier:ImageClassifier",
                           target=fo.age_bins([30, 60]), params={"lr": fo.loguniform(1e-5, 1e-3)})
    study = fo.search(space, data=frame, study="age", budget="2h")
    study.leaderboard()
    ensemble = fo.build_ensemble("runs/age")
    ensemble.predict(paths)

A name is imported when it is first used, so that a program which only predicts never loads Ray.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.budget import Budget
    from orchestrator.core.own_trainable import trainable
    from orchestrator.data.manifest import Manifest, load_manifest
    from orchestrator.data.targets import age_bins, binary, categorical, joint, multi_label, one_hot
    from orchestrator.ensemble import Ensemble, build_ensemble, write_submission
    from orchestrator.evaluation.estimate import Estimate
    from orchestrator.report import write_report
    from orchestrator.space import Scale, SearchSpace, choice, loguniform, quniform, randint, uniform
    from orchestrator.study import Study
    from orchestrator.study.study import compare
    from orchestrator.tune.api import Ray, resume, search

    __version__: str

_HOMES = {
    "Budget": "orchestrator.budget",
    "Ensemble": "orchestrator.ensemble",
    "Estimate": "orchestrator.evaluation.estimate",
    "Manifest": "orchestrator.data.manifest",
    "Ray": "orchestrator.tune.api",
    "Scale": "orchestrator.space",
    "SearchSpace": "orchestrator.space",
    "Study": "orchestrator.study",
    "age_bins": "orchestrator.data.targets",
    "binary": "orchestrator.data.targets",
    "build_ensemble": "orchestrator.ensemble",
    "categorical": "orchestrator.data.targets",
    "choice": "orchestrator.space",
    "compare": "orchestrator.study.study",
    "joint": "orchestrator.data.targets",
    "load_manifest": "orchestrator.data.manifest",
    "loguniform": "orchestrator.space",
    "multi_label": "orchestrator.data.targets",
    "one_hot": "orchestrator.data.targets",
    "quniform": "orchestrator.space",
    "randint": "orchestrator.space",
    "resume": "orchestrator.tune.api",
    "search": "orchestrator.tune.api",
    "trainable": "orchestrator.core.own_trainable",
    "uniform": "orchestrator.space",
    "write_report": "orchestrator.report",
    "write_submission": "orchestrator.ensemble",
}

__all__ = [
    "Budget",
    "Ensemble",
    "Estimate",
    "Manifest",
    "Ray",
    "Scale",
    "SearchSpace",
    "Study",
    "__version__",
    "age_bins",
    "binary",
    "build_ensemble",
    "categorical",
    "choice",
    "compare",
    "joint",
    "load_manifest",
    "loguniform",
    "multi_label",
    "one_hot",
    "quniform",
    "randint",
    "resume",
    "search",
    "trainable",
    "uniform",
    "write_report",
    "write_submission",
]


if not TYPE_CHECKING:  # a type checker shall refuse names that do not exist

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from orchestrator.cli.parser import version

            value = version()
        elif name in _HOMES:
            value = getattr(importlib.import_module(_HOMES[name]), name)
        else:
            from orchestrator.core.text import suggestion

            raise AttributeError(f"module 'orchestrator' has no attribute {name!r}{suggestion(name, _HOMES)}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
