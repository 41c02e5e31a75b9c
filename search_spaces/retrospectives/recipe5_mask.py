"""Recipe 5's model of another task: mask.

python -m orchestrator.tune --space search_spaces/retrospectives/recipe5_mask.py --data faces/train
"""

from dataclasses import replace

from search_spaces.parts.faces import MASK
from search_spaces.retrospectives import recipe5

space = replace(recipe5.space, target=MASK)
