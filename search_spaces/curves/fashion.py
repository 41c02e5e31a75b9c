"""64 configurations for the learning curves of benchmarks/tables/fashion: ten classes with a long tail.

python -m benchmarks.fashion_mnist runs/curves/fashion
python -m benchmarks.make_curves --space search_spaces/curves/fashion.py --data runs/curves/fashion
"""

from orchestrator.space import Scale, SearchSpace, categorical
from search_spaces.shared.curves import CURVES

CLASSES = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot"]

space = SearchSpace(
    trainable="trainables.image_classifier:ImageClassifier",
    target=categorical("clothing", CLASSES),
    metric="macro_f1",
    mode="max",
    folds=5,
    trials=64,
    max_t=18,
    params=CURVES,
    scales={"small": Scale(), "smoke": Scale(trials=2, max_t=2, folds=2, finalists=1)},
)
