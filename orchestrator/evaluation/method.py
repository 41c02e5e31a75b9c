"""A way from labelled rows to answers, as every estimate sees it. Pure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Probabilities

Method = Callable[[NDArray[np.float32]], Probabilities]
"""Weights of rows, (n,) of 0 or more -> the answers of all n rows, (n, C) or (n, L), as they are judged.

Everything that is chosen or fitted (members, weights, temperature, decisions) is fitted on the rows of
positive weight alone, each counting as its weight says: whatever the labels of the other rows are, the
answers are the same to the byte. A member's own answer of a row is out-of-fold and so never is of a model
that trained on the row. Where decisions are fitted (class offsets, cut points, thresholds) the answers have
them in, so that the most probable class, or 0.5, decides.
"""
