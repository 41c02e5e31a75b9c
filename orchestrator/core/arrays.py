"""Names for the arrays that rooms exchange."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


Floats = NDArray[np.float64]


Probabilities = NDArray[np.float32]
