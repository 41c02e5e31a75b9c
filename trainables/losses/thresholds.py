"""What CORAL and CORN share: sums over the K - 1 thresholds between K ordered classes."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def minus_log_sigmoid(outputs: Tensor) -> Tensor:
    """Binary cross-entropy of "above": -log f, each (B, K - 1)."""
    return -F.logsigmoid(outputs)


def sum_before(values: Tensor) -> Tensor:
    """(B, K - 1) -> (B, K): at class c the sum of the values of the thresholds before it."""
    return F.pad(values.cumsum(dim=1), (1, 0))
