"""64 configurations for learning curves on age bins of faces (UTKFace or any manifest with ages).

python -m benchmarks.make_curves --space search_spaces/curves/age.py --data faces/labels.csv --rows 1500
"""

from orchestrator.space import Scale, SearchSpace
from search_spaces.shared.curves import CURVES
from search_spaces.shared.faces import AGE

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=AGE,
    metric="macro_f1",
    mode="max",
    folds=5,
    trials=64,
    max_t=18,
    params=CURVES,
    scales={"small": Scale(), "smoke": Scale(trials=2, max_t=2, folds=2, finalists=1)},
)
