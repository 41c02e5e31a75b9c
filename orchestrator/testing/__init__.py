"""For tests of what somebody adds: a trainable, a store. Needs pytest for nothing."""

from orchestrator.testing.check_trainable import check_trainable
from orchestrator.testing.toy import ToyTrainable, toy_dataset

__all__ = ["ToyTrainable", "check_trainable", "toy_dataset"]
