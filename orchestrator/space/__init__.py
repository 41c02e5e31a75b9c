"""What may vary, how it is judged, which trainable: import SearchSpace, choice, loguniform ... from here."""

from orchestrator.core.choices import SCALES
from orchestrator.data.targets import age_bins, binary, categorical, joint, multi_label, one_hot
from orchestrator.space.domains import Domain, choice, loguniform, quniform, randint, uniform
from orchestrator.space.search_space import Scale, SearchSpace

__all__ = [
    "SCALES",
    "Domain",
    "Scale",
    "SearchSpace",
    "age_bins",
    "binary",
    "categorical",
    "choice",
    "joint",
    "loguniform",
    "multi_label",
    "one_hot",
    "quniform",
    "randint",
    "uniform",
]
