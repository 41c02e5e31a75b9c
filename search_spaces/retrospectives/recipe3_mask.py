"""Recipe 3 with a model for each task: mask.

python -m orchestrator.tune --space search_spaces/retrospectives/recipe3_mask.py --data faces/train
"""

from dataclasses import replace

from search_spaces.parts.faces import MASK
from search_spaces.retrospectives import recipe3

space = replace(recipe3.space, target=MASK)
