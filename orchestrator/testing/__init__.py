"""For tests of what somebody adds: a trainable, a store of checkpoints."""

from orchestrator.testing.check_trainable import check_trainable
from orchestrator.testing.store_contract import STORE_CONTRACT, check_store
from orchestrator.testing.toy import ToyTrainable, toy_dataset

__all__ = ["STORE_CONTRACT", "ToyTrainable", "check_store", "check_trainable", "toy_dataset"]
