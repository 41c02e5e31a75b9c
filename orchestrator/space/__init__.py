"""What may vary, how it is judged, which trainable: import SearchSpace, choice, loguniform ... from here."""

from orchestrator.core.choices import SCALES
from orchestrator.data.targets import age_bins, categorical, joint
from orchestrator.space.domains import Domain, choice, loguniform, quniform, randint, uniform
from orchestrator.space.search_space import Scale, SearchSpace

__all__ = [
    "SCALES",
    "Domain",
    "Scale",
    "SearchSpace",
    "age_bins",
    "categorical",
    "choice",
    "joint",
    "loguniform",
    "quniform",
    "randint",
    "uniform",
]
