"""What is free on the file system that a path lies on, whether the path is there yet or not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from orchestrator.machine.node_facts import existing

FreeBytes = Callable[[Path], int]
"""Bytes that this account may still write below a path."""


def free_bytes(path: Path) -> int:
    """Raises OSError."""
    return shutil.disk_usage(existing(path.absolute())).free


def file_system(path: Path) -> int:
    """Equal for paths on the same one. Raises OSError."""
    return existing(path.absolute()).stat().st_dev
