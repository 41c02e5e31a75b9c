"""Age bins of female people alone, for a vote that multiplies P(age | gender) with P(gender).

python -m orchestrator.tune --space search_spaces/cascade/age_female.py --data faces --study age-female
python -m orchestrator.ensemble --study runs/mask runs/gender runs/age-male runs/age-female
"""

from dataclasses import replace

from search_spaces import age
from search_spaces.shared.faces import GENDER

space = replace(age.space, given=(GENDER, "female"))
