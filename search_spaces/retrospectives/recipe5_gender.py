"""Recipe 5's model of another task: gender.

python -m orchestrator.tune --space search_spaces/retrospectives/recipe5_gender.py --data faces/train
"""

from dataclasses import replace

from search_spaces.retrospectives import recipe5
from search_spaces.shared.faces import GENDER

space = replace(recipe5.space, target=GENDER)
