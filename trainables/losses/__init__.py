"""What is minimised: losses, their weights, and how a head answers.

A new loss is a file that exports one `LOSS` and a line in this table; `loss` texts, the objective and the
parameters read it.
"""

from trainables.losses import (
    asymmetric,
    bce,
    coral,
    corn,
    cross_entropy,
    focal,
    focal_bce,
    soft_f1,
    sord,
)
from trainables.losses.contract import table_of

LOSSES = table_of(
    (
        cross_entropy.LOSS,
        focal.LOSS,
        soft_f1.LOSS,
        sord.LOSS,
        coral.LOSS,
        corn.LOSS,
        bce.LOSS,
        focal_bce.LOSS,
        asymmetric.LOSS,
    )
)
"""Name -> loss, in the order in which messages list them."""
