"""Recipe 3 with a model for each task: gender.

python -m orchestrator.tune --space search_spaces/retrospectives/recipe3_gender.py --data faces/train
"""

from dataclasses import replace

from search_spaces.retrospectives import recipe3
from search_spaces.shared.faces import GENDER

space = replace(recipe3.space, target=GENDER)
