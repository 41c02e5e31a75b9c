"""Recipe 5's model of another task: mask.

python -m orchestrator.tune --space search_spaces/retrospectives/recipe5_mask.py --data faces/train
"""

from dataclasses import replace

from search_spaces.retrospectives import recipe5
from search_spaces.shared.faces import MASK

space = replace(recipe5.space, target=MASK)
