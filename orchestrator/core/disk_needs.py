"""What a trainable can say of the bytes that its fold runs will store, before one runs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CheckpointBytes:
    """Bytes of what one fold run stores after an epoch."""

    weights: int  # of what `weights()` returns
    state: int  # of what `state()` returns


@dataclass(frozen=True)
class DiskNeeds:
    """Over all values that the parameters can take; in bytes."""

    least: CheckpointBytes
    most: CheckpointBytes
    images: int = 0  # that `prepare` has still to write into `dataset.cache_dir`, decoded
