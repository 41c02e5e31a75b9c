"""Where the bytes of fold runs lie: a directory, or what a URI such as s3://bucket/prefix names.

Both keep the contract in contract.py; the third store, which carries bytes to the
driver's own disk, needs Ray and stands in orchestrator.execution.on_ray.head_store.
"""

from orchestrator.storage.claim import check_ownership, is_claimed_by, release, take_ownership
from orchestrator.storage.directory import DirectoryStore
from orchestrator.storage.location import STORES, join, normalised, open_store
from orchestrator.storage.probe import probe
from orchestrator.storage.uri import UriStore

__all__ = [
    "STORES",
    "DirectoryStore",
    "UriStore",
    "check_ownership",
    "is_claimed_by",
    "join",
    "normalised",
    "open_store",
    "probe",
    "release",
    "take_ownership",
]
